import type { Readable } from 'node:stream';
import type { ArchiverReading } from '../core/backup/archiver.ts';
import type { BackupKind, BackupRecord, Catalog, Finding } from '../core/backup/catalog.ts';
import type { Timing } from '../core/backup/drill.ts';
import type { Expiry } from '../core/backup/retention.ts';

/**
 * Backups of one source: a database, or the state of an infrastructure tool. Proven by `test/contracts/backup.ts`.
 * What is lost or damaged is thrown as an OutsideError whose code is a FindingCode, so that it has the same name everywhere.
 */
export interface Backup {
  /** Of the adapter. */
  readonly adapter: string;
  /** For people: where the backups lie, and where their copies. */
  readonly location: string;
  readonly secondLocation: string | null;
  readonly capabilities: BackupCapabilities;
  /**
   * Make the source ready: log archiving, slots, folders. May be repeated; changes nothing that is right already.
   * @throws UserError naming the setting or the right that is missing, and how to give it.
   */
  prepare(signal: AbortSignal): Promise<void>;
  /** Take one; resolves once it is complete in the store, with the log that makes it consistent. Cut off, it leaves nothing that is listed. */
  take(request: TakeRequest, signal: AbortSignal): Promise<BackupRecord>;
  /** What could be restored now. Needs the store only, not the source. `fromCopy`: from the second location, where there is one. */
  catalog(fromCopy?: boolean): Promise<Catalog>;
  /** Read a backup and the log after it, and compare with what was written. `digest`: as recorded elsewhere when it was taken. Empty: sound. */
  verify(id: string, digest: string | null, signal: AbortSignal): Promise<readonly Finding[]>;
  /** Make a copy of the data as it was. Needs the store only. Never touches the source. */
  restore(request: RestoreRequest, signal: AbortSignal): Promise<Restored>;
  /** Remove what a policy no longer wants. May be repeated. */
  expire(expiry: Expiry): Promise<void>;
  /**
   * Bring to the store(s) what is only at the source yet: finished log, missing copies. Called once a minute.
   * `all`: also the log that is still being written; once it resolves, everything committed before the call can be restored.
   */
  ship(signal: AbortSignal, all?: boolean): Promise<void>;
  /** How the archiving goes; null where there is no log. */
  archiver(): Promise<ArchiverReading | null>;
}

export interface BackupCapabilities {
  /** Any moment can be restored, not only the moments of backups. */
  readonly pointInTime: boolean;
  /** Takes `diff` backups: what changed since the last full one. */
  readonly partial: boolean;
  /** What `into` names in a restore. */
  readonly restoresTo: 'folder' | 'branch' | 'file';
  /** A restored copy can be asked with SQL. */
  readonly isDatabase: boolean;
}

/** Told how far a long piece of work is, for people; called as often as there is something new. */
export type Progress = (text: string) => void;

export interface TakeRequest {
  readonly kind: BackupKind;
  readonly reason: string;
  readonly say?: Progress | undefined;
}

export interface RestoreRequest {
  /** Id of the backup to begin from; null = the one that fits `to`. */
  readonly backup: string | null;
  /** The moment, ms; null = the newest there is. */
  readonly to: number | null;
  /** An empty or new folder, the name of a new branch, or a file. */
  readonly into: string;
  /** From the second location alone, as if the first were lost. Only where there is one. */
  readonly fromCopy?: boolean | undefined;
  readonly say?: Progress | undefined;
  /** For a look only: safety against power loss is traded for speed, and `destroy` will follow. */
  readonly scratch: boolean;
}

/** A restored copy that answers. */
export interface Restored {
  readonly backup: string;
  readonly location: string;
  /** Connection string as its superuser; null when it is no database. */
  readonly url: string | null;
  readonly timings: readonly Timing[];
  /** Stop the copy and judge every page by its checksum, where that can be done. */
  checkPages(signal: AbortSignal): Promise<{ readonly pages: number; readonly damaged: readonly string[] }>;
  /** Stop it; the data stays. */
  stop(): Promise<void>;
  /** Stop it and remove it. */
  destroy(): Promise<void>;
}

/** Where objects lie: a folder, a bucket. Proven by `test/contracts/backup.ts`. */
export interface BackupStore {
  /** For people: `/var/backups`, `s3://bucket/prefix`. Never with a credential in it. */
  readonly location: string;
  /** Written in full or not at all; replaces what has that key. */
  put(key: string, content: Readable | Uint8Array): Promise<void>;
  /** @throws OutsideError STORE_OBJECT_MISSING */
  get(key: string): Promise<Readable>;
  /** Every object whose key begins so, in the order of keys. */
  list(prefix: string): Promise<readonly StoredObject[]>;
  /** What is not there is removed already. */
  remove(keys: readonly string[]): Promise<void>;
}

export interface StoredObject {
  readonly key: string;
  readonly bytes: number;
  /** When it was stored, ms. */
  readonly at: number;
}
