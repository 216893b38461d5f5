/** What is asked of the backups of one source. All times in ms. */
export interface BackupPolicy {
  readonly schedule: {
    /** Time between two full backups. */
    readonly fullMs: number;
    /** Time between any two backups; adapters without partial ones take a full one then. */
    readonly betweenMs: number;
  };
  readonly keep: {
    /** Full backups younger than this are kept. */
    readonly fullsMs: number;
    /** Any moment younger than this can be restored. */
    readonly pointInTimeMs: number;
  };
  readonly objectives: { readonly rtoMs: number; readonly rpoMs: number };
  readonly drill: {
    /** A drill older than this is an alarm (35 days). */
    readonly everyMs: number;
    /** Drilled without being asked, early enough to be tried again before that (30 of 35 days). */
    readonly isScheduled: boolean;
  };
  readonly heartbeatMs: number;
}

const DAY = 86_400_000;
const HOUR = 3_600_000;

export const USUAL_POLICY: BackupPolicy = {
  schedule: { fullMs: 7 * DAY, betweenMs: DAY },
  keep: { fullsMs: 30 * DAY, pointInTimeMs: 7 * DAY },
  objectives: { rtoMs: 4 * HOUR, rpoMs: HOUR },
  drill: { everyMs: 35 * DAY, isScheduled: true },
  heartbeatMs: 60_000,
};
