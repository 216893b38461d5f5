import type { Lsn } from './wal.ts';

export type BackupKind = 'full' | 'diff' | 'incr';

/** One backup as it lies in its store. Complete: what is half written is not listed. */
export interface BackupRecord {
  readonly id: string;
  readonly kind: BackupKind;
  /** Ids of the backups without which this one cannot be restored. */
  readonly needs: readonly string[];
  readonly startedAt: number;
  readonly endedAt: number;
  /** Null where the store has no write-ahead log (Neon, files). */
  readonly wal: { readonly timeline: number; readonly startLsn: Lsn; readonly stopLsn: Lsn } | null;
  /** Of the data itself. */
  readonly bytes: number;
  /** As stored. */
  readonly storedBytes: number;
  /** `sha256:<hex>` over everything in it; null where the tool keeps its own. */
  readonly digest: string | null;
  /** What it was taken for: `schedule`, `manual`, `release 01H…`. */
  readonly reason: string;
  /** Pages that were already damaged where they were read. */
  readonly damaged: readonly string[];
}

/** What could be restored from a store now. */
export interface Catalog {
  readonly backups: readonly BackupRecord[];
  /** Oldest and newest moment that can be restored exactly, ms; null without a log. */
  readonly window: { readonly from: number; readonly to: number } | null;
  /** Backups that the second location does not have; empty when there is none. */
  readonly uncopied: readonly string[];
}

/** A defect, by name. `code` is stable, see docs/backups.md. */
export interface Finding {
  readonly code: FindingCode;
  readonly severity: 'fail' | 'warn';
  readonly message: string;
  readonly hint: string;
}

export type FindingCode =
  | 'BACKUP_TAMPERED'
  | 'BACKUP_FILE_MISSING'
  | 'BACKUP_MANIFEST_CHANGED'
  | 'BACKUP_OF_DAMAGED_PAGES'
  | 'WAL_SEGMENT_MISSING'
  | 'WAL_SEGMENT_TAMPERED'
  | 'ARCHIVER_OFF'
  | 'ARCHIVER_FAILING'
  | 'ARCHIVER_STOPPED'
  | 'HEARTBEAT_STALE'
  | 'HEARTBEAT_MISSING'
  | 'PAGE_CHECKSUM_WRONG'
  | 'ROW_COUNT_DIFFERS'
  | 'CHECKSUM_DIFFERS'
  | 'MIGRATION_VERSION_DIFFERS'
  | 'EVENTS_UNREADABLE'
  | 'RESTORE_FAILED'
  | 'RESTORED_TOO_MUCH'
  | 'CHECK_NOT_ALLOWED'
  | 'RTO_MISSED'
  | 'RPO_MISSED'
  | 'BACKUP_OVERDUE'
  | 'BACKUP_FAILED'
  | 'DRILL_OVERDUE'
  | 'DRILL_FAILED'
  | 'COPY_MISSING';

export function newestFirst(records: readonly BackupRecord[]): BackupRecord[] {
  return records.toSorted((a, b) => b.endedAt - a.endedAt);
}

/** The backup to begin from so that `at` can be reached (null = the newest moment there is). */
export function baseFor(records: readonly BackupRecord[], at: number | null): BackupRecord | null {
  return newestFirst(records).find((record) => at === null || record.endedAt <= at) ?? null;
}
