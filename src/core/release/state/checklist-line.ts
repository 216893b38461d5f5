/** What people look for before and after a deployment, each line from evidence or with the reason why it does not apply. */
export interface ChecklistLine {
  readonly item: string;
  readonly result: 'done' | 'failed' | 'open' | 'notApplicable';
  readonly text: string;
  /** Where it can be seen; null where there is nothing to see. */
  readonly proof: string | null;
}
