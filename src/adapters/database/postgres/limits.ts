/** How long a migration may wait and work, ms. */
export interface Limits {
  /** Wait for one lock; others queue behind it for as long. */
  readonly lockTimeoutMs: number;
  /** All tries for one lock together. */
  readonly lockBudgetMs: number;
  readonly backoffMs: number;
  readonly backoffCeilingMs: number;
  readonly statementTimeoutMs: number;
  /** Wait for another runner. */
  readonly runnerWaitMs: number;
  /** A concurrent index build that waits for somebody else's transaction. */
  readonly buildWaitMs: number;
}

/** Measured behind a 4 s reader: 50 ms keeps other reads at 0.1 s, 1 s lets them wait for 1 s. */
export const LIMITS: Limits = {
  lockTimeoutMs: 50,
  lockBudgetMs: 300_000,
  backoffMs: 50,
  backoffCeilingMs: 1_000,
  statementTimeoutMs: 60_000,
  runnerWaitMs: 600_000,
  buildWaitMs: 600_000,
};
