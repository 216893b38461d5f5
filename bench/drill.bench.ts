/**
 * A backup and a drill of a database of 2 GB and more: time to recover (RTO) and what would have been lost (RPO), for the embedded
 * adapter and for pg_basebackup with a streamed log, beside pgBackRest on the same cluster in the same run.
 */
import { loadavg } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { embeddedBackup } from '../src/adapters/backup/embedded.ts';
import { basebackup } from '../src/adapters/backup/basebackup.ts';
import { createKeeper } from '../src/adapters/backup/keeper.ts';
import { pgbackrest } from '../src/adapters/backup/pgbackrest/pgbackrest.ts';
import { directoryStore } from '../src/adapters/backup/stores/directory.ts';
import { localPrograms } from '../src/compose/backups.ts';
import { span } from '../src/core/backup/drill.ts';
import { USUAL_POLICY } from '../src/core/backup/policy.ts';
import type { Backup } from '../src/ports/backup.ts';
import { memoryJournal } from '../test/worlds/cluster.ts';
import {
  type DebianPostgres,
  debianPostgres,
  noDebianPostgres,
  noPgbackrest,
  pgbackrestConfig,
  shopOn,
} from '../test/worlds/debian-postgres.ts';
import { machine, table, writeResults } from './_lib.ts';

const GB = Number(process.env['GB'] ?? 2.2);
const ROWS_A_GB = 1_000_000;
const { signal } = new AbortController();

if (noDebianPostgres !== null) {
  console.log(`skipped: ${noDebianPostgres}`);
} else {
  const server = await debianPostgres({ max_wal_size: '4GB', shared_buffers: '256MB', maintenance_work_mem: '256MB' });
  try {
    await measure(server);
  } finally {
    await server.end();
  }
}

async function measure(server: DebianPostgres): Promise<void> {
  const url = await shopOn(server, 'REPLICATION');
  await fill(server);
  const size = await server.admin(
    'SELECT sum(pg_database_size(oid))::float8 / 1e9 AS gb, (SELECT count(*) FROM pg_class) FROM pg_database',
  );
  const gb = (size.rows[0] as { gb: number }).gb;
  const programs = await localPrograms({ spare: server.dir });
  const common = { source: 'shop', second: null, programs, heartbeatMs: 1_000 };
  const rows: string[][] = [];
  rows.push(
    await one(
      'pg_basebackup + streamed log',
      url,
      server,
      basebackup({
        ...common,
        url: async () => url,
        spool: join(server.dir, 'spool', 'shop'),
        store: directoryStore({ directory: join(server.dir, 'one') }),
      }),
    ),
  );
  const admin = server.urlOf('root_of_all', 'shop');
  const restart = async () =>
    void (await server.program('pg_ctl', ['restart', '-D', server.data, '-w', '-l', join(server.dir, 'pg', 'log')]));
  rows.push(
    await one(
      'embedded (SQL + file copies)',
      admin,
      server,
      embeddedBackup({
        ...common,
        url: async () => admin,
        data: server.data,
        restart,
        store: directoryStore({ directory: join(server.dir, 'two') }),
        archiveTimeoutS: 1,
        archiveMs: 600_000,
      }),
    ),
  );
  if (noPgbackrest === null) {
    const configFile = await pgbackrestConfig(server, 'shop');
    await server.admin(`ALTER SYSTEM SET archive_command = 'pgbackrest --config=${configFile} --stanza=shop archive-push %p'`);
    await server.admin('SELECT pg_reload_conf()');
    rows.push(
      await one(
        'pgBackRest 2.45 (peer; gzip-1, 2 processes)',
        admin,
        server,
        pgbackrest({ ...common, url: async () => admin, stanza: 'shop', configFile }),
      ),
    );
  }
  const head = ['adapter', 'full backup + verify', 'stored', 'recovery time', 'recovery point', 'of which', 'load before', 'verdict'];
  const text = `## Drills\n\n${gb.toFixed(2)} GB, ${Math.round(GB * ROWS_A_GB).toLocaleString('en')} events, PostgreSQL 15 with page checksums, ${machine()}. Each drill restores twice (the newest, a random moment), judges every page, every stored file and the sum over all events. \`node --import tsx bench/drill.bench.ts\`\n\n${table(head, rows)}\n\nObjectives: 4 h to recover, 1 h lost.`;
  console.log(text);
  if (GB >= 2) writeResults('drill', text);
}

async function fill(server: DebianPostgres): Promise<void> {
  const rows = Math.round(GB * ROWS_A_GB);
  // Half of it does not compress: 16 random hashes a row, and a text that repeats.
  for (let done = 0; done < rows; done += 200_000) {
    await server.admin(
      `INSERT INTO event (data) SELECT jsonb_build_object('item', i, 'note', repeat('a note on it ', 28),
         'sums', (SELECT string_agg(md5(i::text || '-' || n), '') FROM generate_series(1, 14) n)) FROM generate_series(1, ${Math.min(200_000, rows - done)}) i`,
      'shop',
    );
  }
  await server.admin('CHECKPOINT');
  // What was written must not be waited for by whoever is measured first.
  await server.program('sync', []);
}

async function one(name: string, url: string, server: DebianPostgres, backup: Backup): Promise<string[]> {
  const keeper = createKeeper({
    source: 'shop',
    backup,
    policy: { ...USUAL_POLICY, heartbeatMs: 1_000 },
    journal: memoryJournal(),
    url: async () => url,
    eventStore: { table: 'public.event', position: 'position' },
    scratch: join(server.dir, 'scratch'),
    isScheduled: true,
    warn: (message) => console.log(message),
  });
  const [load = 0] = loadavg();
  const from = performance.now();
  const { record, findings } = await keeper.take('bench', signal);
  const took = performance.now() - from;
  for (let round = 1; round <= 4; round += 1) {
    await server.admin('INSERT INTO event (data) SELECT \'{"late": true}\' FROM generate_series(1, 1000)', 'shop');
    await sleep(1_100);
    await keeper.tick(Date.now() + 60_000 * round, signal);
  }
  await server.admin('SELECT pg_switch_wal()');
  await sleep(3_000);
  await backup.ship(signal);
  const { evidence, verdict } = await keeper.drill('bench', signal, { seed: 20_261_121 });
  console.log(name, findings, JSON.stringify(evidence, null, 1));
  const parts = evidence.timings.filter(({ part }) =>
    ['files', 'log', 'replay', 'contents', 'pages', 'stored files', 'random moment'].includes(part),
  );
  return [
    name,
    span(took),
    `${(record.storedBytes / 1e9).toFixed(2)} GB`,
    evidence.rtoMs === null ? '-' : span(evidence.rtoMs),
    evidence.rpoMs === null ? '-' : span(evidence.rpoMs),
    parts.map(({ part, ms }) => `${part} ${span(ms)}`).join(', '),
    load.toFixed(1),
    verdict.passed ? 'passed' : verdict.findings.map(({ code }) => code).join(', '),
  ];
}
