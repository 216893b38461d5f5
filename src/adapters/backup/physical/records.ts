import type { BackupRecord, Catalog } from '../../../core/backup/catalog.ts';
import { missingSegments, segmentAt, segmentName, someOf } from '../../../core/backup/wal.ts';
import { OutsideError, UserError } from '../../../core/errors.ts';
import type { BackupStore, RestoreRequest } from '../../../ports/backup.ts';
import type { Manifest } from './manifest.ts';
import { endOfLog, replayable, type StoredWal } from './wal-store.ts';

export function recordOf(manifest: Manifest, digest: string | null): BackupRecord {
  const { id, kind, startedAt, endedAt, wal, reason, bundles, damaged } = manifest;
  const bytes = bundles.flatMap(({ files }) => files).reduce((sum, file) => sum + file.bytes, 0);
  const storedBytes = bundles.reduce((sum, bundle) => sum + bundle.bytes, 0);
  return { id, kind, needs: [], startedAt, endedAt, wal, bytes, storedBytes, digest, reason, damaged };
}

/** From the end of the oldest backup to the end of the log that follows it without a gap. */
export function windowOf(all: readonly Manifest[], wal: readonly StoredWal[]): Catalog['window'] {
  // A gap after its own end does not make a backup useless, only the moments after the gap.
  const whole = all.filter((one) => gapsOf(one, wal).length === 0);
  const from = whole.reduce((oldest, { endedAt }) => Math.min(oldest, endedAt), Number.POSITIVE_INFINITY);
  const timeline = Math.max(0, ...whole.map((one) => one.wal.timeline));
  return Number.isFinite(from) ? { from, to: Math.max(from, endOfLog(wal, timeline) ?? 0) } : null;
}

/** What is missing of the log from where the backup begins, as far as there is any. */
export function gapsOf({ wal, server }: Manifest, stored: readonly StoredWal[]): string[] {
  const from = { timeline: wal.timeline, lsn: wal.startLsn };
  return missingSegments(replayable(stored).keys(), from, server.segmentBytes, wal.stopLsn);
}

/** The name of the segment that a backup begins in, without its timeline. */
export function segmentFrom({ wal, server }: Manifest): string {
  return segmentName(wal.timeline, segmentAt(wal.startLsn, server.segmentBytes), server.segmentBytes).slice(8);
}

export function notArchived(segments: readonly string[], why: string): OutsideError {
  return new OutsideError(
    'BACKUP_WAL_NOT_ARCHIVED',
    `segment ${someOf(segments)} of the log did not come to the archive in time${why}`,
    "See the server's log for the archive command's own words, and `sluice backup list`.",
  );
}

export function walMissing(missing: readonly string[], store: BackupStore): OutsideError {
  return new OutsideError(
    'WAL_SEGMENT_MISSING',
    `${missing.length === 1 ? 'a segment' : `${missing.length} segments`} of the log ${missing.length === 1 ? 'is' : 'are'} not in ${store.location}: ${someOf(missing)}. PostgreSQL would end its recovery there without a word`,
    'Look for it at the second location and in pg_wal of the source; moments before it can still be restored with --to. Take a full backup now.',
  );
}

export function nothingFor({ backup, to }: RestoreRequest, records: readonly BackupRecord[], store: BackupStore): UserError {
  const what = backup !== null ? `no backup ${backup}` : to === null ? 'no backup' : `no backup from before ${new Date(to).toISOString()}`;
  const oldest = records[0];
  const hint =
    oldest === undefined ? '`sluice backup now` takes one.' : `The oldest was complete at ${new Date(oldest.endedAt).toISOString()}.`;
  return new UserError('BACKUP_UNKNOWN', `there is ${what} in ${store.location}`, hint);
}
