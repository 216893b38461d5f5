/**
 * Variable in the environment of every process that Sluice leaves running (supervisors, edges, the embedded database, a control
 * plane in the background): the folder it belongs to. By it, processes are found again whose records are gone.
 */
export const PART_OF = 'SLUICE_PART_OF';
