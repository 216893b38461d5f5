import { join, resolve } from 'node:path';
import type { Backup, BackupStore } from '../../ports/backup.ts';
import { basebackup } from './basebackup.ts';
import { embeddedBackup } from './embedded.ts';
import { fileBackup } from './file.ts';
import { neonBackup } from './neon/neon.ts';
import { pgbackrest } from './pgbackrest/pgbackrest.ts';
import type { Programs } from './physical/programs.ts';
import { directoryStore } from './stores/directory.ts';
import { s3Store } from './stores/s3.ts';

/** What the configuration says of one source, as far as adapters need it. */
export type AdapterSettings =
  | { readonly adapter: 'embedded' }
  | { readonly adapter: 'pg_basebackup' }
  | { readonly adapter: 'pgbackrest'; readonly stanza: string; readonly configFile?: string | undefined }
  | {
      readonly adapter: 'neon';
      readonly project: string;
      readonly branch: string;
      readonly apiKey: { readonly fromEnv: string };
      readonly databaseName?: string | undefined;
      readonly role?: string | undefined;
      readonly api?: string | undefined;
    }
  | { readonly adapter: 'file'; readonly file: string };

export type StoreSettings =
  | string
  | {
      readonly s3: {
        readonly bucket: string;
        readonly endpoint: string;
        readonly region?: string | undefined;
        readonly prefix?: string | undefined;
        readonly accessKey: { readonly fromEnv: string };
        readonly secretKey: { readonly fromEnv: string };
      };
    };

export interface AdapterParts {
  readonly source: string;
  url(): Promise<string>;
  /** The control plane's own cluster; null when there is none, or it is lost. */
  readonly embedded: { readonly dataDirectory: string; stop(): Promise<void>; revive(): Promise<void> } | null;
  readonly store: BackupStore | null;
  readonly second: BackupStore | null;
  readonly programs: Programs;
  /** Folder that the log waits in. */
  readonly spool: string;
  readonly workspace: string;
  /** @throws UserError BACKUP_VARIABLE_MISSING */
  secret(name: string): string;
}

/** Every adapter, by the name that the configuration uses. */
export function backupAdapter(settings: AdapterSettings, parts: AdapterParts): Backup {
  const { source, second, programs, spool, workspace, secret } = parts;
  const store = parts.store ?? directoryStore({ directory: join(workspace, '.sluice', 'backups') });
  const common = { source, url: parts.url, store, second, programs };
  switch (settings.adapter) {
    case 'embedded': {
      const { embedded } = parts;
      return embeddedBackup({
        ...common,
        data: embedded?.dataDirectory ?? null,
        async restart() {
          await embedded?.stop();
          await embedded?.revive();
        },
      });
    }
    case 'pg_basebackup':
      return basebackup({ ...common, spool });
    case 'pgbackrest':
      return pgbackrest({ ...common, stanza: settings.stanza, configFile: settings.configFile ?? '/etc/pgbackrest/pgbackrest.conf' });
    case 'neon':
      return neonBackup({
        project: settings.project,
        branch: settings.branch,
        apiKey: () => secret(settings.apiKey.fromEnv),
        database: settings.databaseName ?? 'neondb',
        role: settings.role ?? 'neondb_owner',
        api: settings.api ?? 'https://console.neon.tech/api/v2',
      });
    case 'file':
      return fileBackup({ source, file: resolve(workspace, settings.file), store, second });
  }
}

/** A store as the configuration names it. Credentials are read when it is first used. */
export function backupStore(settings: StoreSettings, { workspace, secret }: Pick<AdapterParts, 'workspace' | 'secret'>): BackupStore {
  if (typeof settings === 'string') return directoryStore({ directory: resolve(workspace, settings) });
  const { bucket, endpoint, region = 'us-east-1', prefix = '', accessKey, secretKey } = settings.s3;
  return s3Store({
    bucket,
    endpoint,
    region,
    prefix,
    credentials: () => ({ accessKey: secret(accessKey.fromEnv), secretKey: secret(secretKey.fromEnv) }),
  });
}
