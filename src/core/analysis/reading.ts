import type { EdgeStats } from '../../ports/edge.ts';

/** One look at monotone counters, kept in the log so that the next look can be turned into a block by subtraction. */
export type Reading = EdgeStats;
