import type { BackupKind, BackupRecord } from './catalog.ts';
import { newestFirst } from './catalog.ts';
import type { BackupState } from './events.ts';
import type { BackupPolicy } from './policy.ts';

/** What is to be taken now, and when to look again. */
export type Due = { readonly kind: BackupKind } | { readonly waitMs: number };

/**
 * Judged by what is there, not by when something last ran: a backup that failed is still due, and a control plane that was away
 * takes one as it comes back, not all that it has missed.
 */
export function dueBackup(
  records: readonly BackupRecord[],
  { schedule }: Pick<BackupPolicy, 'schedule'>,
  supportsPartial: boolean,
  now: number,
): Due {
  const [newest] = newestFirst(records);
  const full = newestFirst(records).find(({ kind }) => kind === 'full');
  if (newest === undefined || full === undefined) return { kind: 'full' };
  const untilFull = full.startedAt + schedule.fullMs - now;
  const untilAny = newest.startedAt + schedule.betweenMs - now;
  if (untilFull <= 0) return { kind: 'full' };
  if (untilAny <= 0) return { kind: supportsPartial ? 'diff' : 'full' };
  return { waitMs: Math.min(untilFull, untilAny) };
}

/**
 * Whether a drill is to be held without being asked: a seventh before the last one is too old, and a day after one that failed.
 * The first waits until there is something to drill: a verified backup, and an hour of log after it.
 */
export function isDrillDue(
  state: Pick<BackupState, 'drill' | 'drillStartedAt' | 'verified'>,
  records: readonly BackupRecord[],
  { drill }: Pick<BackupPolicy, 'drill'>,
  now: number,
): boolean {
  const proven = records.filter(({ id }) => state.verified.has(id));
  if (!drill.isScheduled || proven.length === 0) return false;
  // One that was cut off, or goes on elsewhere, is not begun again at once.
  if (state.drillStartedAt !== null && now - state.drillStartedAt < Math.min(RETRY_DRILL_MS, drill.everyMs / 7)) return false;
  if (state.drill === null) return now - Math.min(...proven.map(({ endedAt }) => endedAt)) >= Math.min(FIRST_DRILL_MS, drill.everyMs / 7);
  const wait = state.drill.passed ? (drill.everyMs * 6) / 7 : Math.min(RETRY_DRILL_MS, drill.everyMs / 7);
  return now - state.drill.at >= wait;
}

const FIRST_DRILL_MS = 3_600_000;
const RETRY_DRILL_MS = 86_400_000;

/** Time after a failure before it is tried again: 1, 2, 4 … minutes, at most an hour. */
export function retryAfterMs(failures: number): number {
  return failures === 0 ? 0 : Math.min(60, 2 ** (failures - 1)) * 60_000;
}
