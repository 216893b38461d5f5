import { logBeta } from './numbers.ts';

/** Requests' worth of belief in the configured share. */
const PRIOR_REQUESTS = 100;

/**
 * Log e-value of "requests are not split as configured": a Beta mixture around the share against the
 * share itself, on all requests so far.
 */
export function logSplitE(share: number, candidate: number, baseline: number, prior: number = PRIOR_REQUESTS): number {
  if (!(share > 0 && share < 1)) return 0;
  const [a, b] = [prior * share, prior * (1 - share)];
  return logBeta(a + candidate, b + baseline) - logBeta(a, b) - candidate * Math.log(share) - baseline * Math.log1p(-share);
}

/** Share of its expected traffic below which a version counts as cut off. */
const SLACK = 0.5;
/** What "silent" means to the test, as a share of the slack. */
const SILENT = 0.02;

/**
 * Log e-value of one block for "hardly any request reaches the candidate" against "it gets at least half
 * of its share". Half, because sticky users bring more or fewer requests each than their share says.
 */
export function logSilenceE(share: number, candidate: number, baseline: number): number {
  if (!(share > 0 && share < 1)) return 0;
  const least = share * SLACK;
  const silent = least * SILENT;
  return candidate * Math.log(SILENT) + baseline * (Math.log1p(-silent) - Math.log1p(-least));
}
