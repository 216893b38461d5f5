import type { BackupKind, BackupRecord } from './catalog.ts';
import { newestFirst } from './catalog.ts';
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

/** Time after a failure before it is tried again: 1, 2, 4 … minutes, at most an hour. */
export function retryAfterMs(failures: number): number {
  return failures === 0 ? 0 : Math.min(60, 2 ** (failures - 1)) * 60_000;
}
