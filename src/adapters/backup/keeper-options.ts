import type { BackupEvent } from '../../core/backup/events.ts';
import type { BackupPolicy } from '../../core/backup/policy.ts';
import type { Backup } from '../../ports/backup.ts';
import type { EventStoreTable } from './heartbeat.ts';

/** Where events are kept: the stream `backup/<source>` of the event log. */
export interface Journal {
  append(stream: string, events: readonly BackupEvent[]): Promise<void>;
  read(stream: string): Promise<readonly { readonly at: number; readonly data: BackupEvent }[]>;
}

export interface KeeperOptions {
  readonly source: string;
  readonly backup: Backup;
  readonly policy: BackupPolicy;
  readonly journal: Journal;
  /** Connection string of the source's database; null when it is none. */
  readonly url: (() => Promise<string>) | null;
  readonly eventStore: EventStoreTable | null;
  /** Folder in which scratch copies are made; PostgreSQL's user can enter it. */
  readonly scratch: string;
  readonly isScheduled: boolean;
  /** It is the control plane's own database: without it there is no control plane to ask. */
  readonly isOwn?: boolean;
  warn(message: string): void;
}
