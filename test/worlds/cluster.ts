import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import pg from 'pg';
import { createKeeper, type Keeper } from '../../src/adapters/backup/keeper.ts';
import { type Journal } from '../../src/adapters/backup/keeper-options.ts';
import { embeddedBackup } from '../../src/adapters/backup/embedded.ts';
import { directoryStore } from '../../src/adapters/backup/stores/directory.ts';
import { localPrograms } from '../../src/compose/backups.ts';
import type { BackupEvent } from '../../src/core/backup/events.ts';
import { type BackupPolicy, USUAL_POLICY } from '../../src/core/backup/policy.ts';
import { type EmbeddedPostgres, startEmbeddedPostgres } from '../../src/engine/postgres/embedded.ts';
import type { Backup, BackupStore } from '../../src/ports/backup.ts';

/** Events kept in memory. */
export function memoryJournal(): Journal & { readonly events: BackupEvent[] } {
  const events: BackupEvent[] = [];
  const entries: { stream: string; at: number; data: BackupEvent }[] = [];
  return {
    events,
    async append(stream, added) {
      for (const data of added) {
        events.push(data);
        entries.push({ stream, at: Date.now(), data });
      }
    },
    async read(stream) {
      return entries.filter((entry) => entry.stream === stream);
    },
  };
}

/** A PostgreSQL of its own with a small shop in it, and its backups in a folder. */
export interface ClusterWorld {
  readonly dir: string;
  readonly server: EmbeddedPostgres;
  readonly store: BackupStore;
  readonly second: BackupStore;
  readonly backup: Backup;
  readonly keeper: Keeper;
  readonly journal: ReturnType<typeof memoryJournal>;
  readonly warnings: string[];
  sql<Row extends pg.QueryResultRow>(text: string): Promise<Row[]>;
  /** Like the disaster: the server's processes are gone, nothing was said. */
  crash(): Promise<void>;
  end(): Promise<void>;
}

const EVENTS = { table: 'shop.event', position: 'position' };

export async function clusterWorld(
  options: { readonly policy?: Partial<BackupPolicy>; readonly archiveTimeoutS?: number } = {},
): Promise<ClusterWorld> {
  const dir = await mkdtemp(join(tmpdir(), 'sluice-backup-'));
  await chmod(dir, 0o711);
  const server = await startEmbeddedPostgres(dir, {
    settings: { fsync: 'off', shared_buffers: '16MB', min_wal_size: '32MB', max_wal_size: '128MB' },
  });
  const store = directoryStore({ directory: join(dir, 'backups') });
  const second = directoryStore({ directory: join(dir, 'second') });
  const programs = await localPrograms({ spare: dirname(server.dataDirectory) });
  const policy = { ...USUAL_POLICY, heartbeatMs: 100, ...options.policy };
  const backup = embeddedBackup({
    source: 'shop',
    url: async () => server.url,
    data: server.dataDirectory,
    async restart() {
      await server.stop();
      await server.revive();
    },
    store,
    second,
    programs,
    archiveTimeoutS: options.archiveTimeoutS ?? 1,
    archiveMs: 20_000,
  });
  const journal = memoryJournal();
  const warnings: string[] = [];
  const keeper = createKeeper({
    source: 'shop',
    backup,
    policy,
    journal,
    url: async () => server.url,
    eventStore: EVENTS,
    scratch: join(dirname(server.dataDirectory), 'scratch'),
    isScheduled: true,
    warn: (message) => warnings.push(message),
  });
  const sql = async <Row extends pg.QueryResultRow>(text: string): Promise<Row[]> => {
    const client = new pg.Client({ connectionString: server.url });
    await client.connect();
    try {
      return (await client.query<Row>(text)).rows;
    } finally {
      await client.end();
    }
  };
  await sql(SHOP);
  return {
    dir,
    server,
    store,
    second,
    backup,
    keeper,
    journal,
    warnings,
    sql,
    crash: () => server.stop('immediate'),
    async end() {
      await server.stop('immediate').catch(() => {});
      if (!server.dataDirectory.startsWith(dir)) await rm(dirname(server.dataDirectory), { recursive: true, force: true });
      await rm(dir, { recursive: true, force: true });
    },
  };
}

const SHOP = `
  CREATE SCHEMA shop;
  CREATE TABLE shop.event (position bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, stream text NOT NULL, data jsonb NOT NULL,
    txid xid8 NOT NULL DEFAULT pg_current_xact_id());
  CREATE TABLE shop.stock (item text PRIMARY KEY, amount int NOT NULL);
  CREATE TABLE schema_migrations (version text PRIMARY KEY);
  INSERT INTO schema_migrations VALUES ('20260101_begin'), ('20260301_stock');
  INSERT INTO shop.event (stream, data) SELECT 'cart-' || i % 100, jsonb_build_object('item', i) FROM generate_series(1, 5000) i;
  INSERT INTO shop.stock SELECT 'item-' || i, i FROM generate_series(1, 500) i`;
