import type { BackupRecord } from './catalog.ts';
import { newestFirst } from './catalog.ts';
import type { BackupPolicy } from './policy.ts';
import type { Lsn } from './wal.ts';

export interface Expiry {
  /** To be removed, oldest first. */
  readonly expire: readonly string[];
  readonly keep: readonly string[];
  /** The log before this place serves no point-in-time restore any more; null = all of it is needed. */
  readonly walFrom: { readonly timeline: number; readonly lsn: Lsn } | null;
  /** Log that the older, kept backups need to become consistent, each from its beginning to its end. */
  readonly walOf: readonly { readonly timeline: number; readonly startLsn: Lsn; readonly stopLsn: Lsn }[];
}

/**
 * What may go: fulls older than `keep.fullsMs`, except the one that the point-in-time window begins from, whatever others need, and
 * the newest that has been verified. Nothing goes at all before something newer has been verified.
 */
export function expiry(
  records: readonly BackupRecord[],
  verified: ReadonlySet<string>,
  { keep }: Pick<BackupPolicy, 'keep'>,
  now: number,
): Expiry {
  const sorted = newestFirst(records);
  const newestVerified = sorted.find(({ id }) => verified.has(id));
  const windowBase = sorted.find(({ endedAt }) => endedAt <= now - keep.pointInTimeMs) ?? sorted.at(-1);
  const wanted = new Set<string>();
  for (const record of sorted) {
    const isYoung = now - record.endedAt < keep.fullsMs;
    const isUnproven = newestVerified === undefined || record.endedAt >= newestVerified.endedAt;
    if (isYoung || isUnproven || record.id === windowBase?.id) want(record, sorted, wanted);
  }
  const kept = sorted.filter(({ id }) => wanted.has(id));
  const before = windowBase === undefined ? [] : kept.filter(({ endedAt }) => endedAt < windowBase.endedAt);
  return {
    expire: sorted
      .filter(({ id }) => !wanted.has(id))
      .map(({ id }) => id)
      .toReversed(),
    keep: kept.map(({ id }) => id),
    walFrom: windowBase?.wal == null ? null : { timeline: windowBase.wal.timeline, lsn: windowBase.wal.startLsn },
    walOf: before.flatMap(({ wal }) => (wal === null ? [] : [wal])),
  };
}

function want(record: BackupRecord, all: readonly BackupRecord[], wanted: Set<string>): void {
  if (wanted.has(record.id)) return;
  wanted.add(record.id);
  for (const other of all) if (record.needs.includes(other.id)) want(other, all, wanted);
}
