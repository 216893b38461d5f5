/**
 * How many hazards of migrations are found, and how an ALTER TABLE behaves behind a slow reader:
 * `npx tsx bench/migrations.bench.ts [--corpus=<folder with schema.sql and corpus.json>] [--url=postgres://…]`.
 * Without --url an embedded PostgreSQL is used. Beside us: squawk-cli on the same corpus, a plain ALTER TABLE in the same traffic.
 */
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { postgresDatabase } from '../src/adapters/database/postgres/postgres.ts';
import { checksumOf } from '../src/core/data/migrations/files.ts';
import { startEmbeddedPostgres } from '../src/engine/postgres/embedded.ts';
import { judgeCorpus, type Judged, readCorpus, score } from '../test/corpus/migrations/run.ts';
import { machine, median, table, writeResults } from './_lib.ts';
import { squawk } from './peers/squawk.ts';

const option = (name: string): string | undefined => process.argv.find((arg) => arg.startsWith(`--${name}=`))?.slice(name.length + 3);

const CLIENTS = 16;
const READER_S = 4;

const dir = await mkdtemp(join(tmpdir(), 'sluice-bench-'));
await chmod(dir, 0o711);
const given = option('url');
const embedded = given === undefined ? await startEmbeddedPostgres(dir) : null;
const serverUrl = given ?? embedded?.url ?? '';
try {
  const corpusDir = option('corpus') ?? join(import.meta.dirname, '../test/corpus/migrations');
  const corpus = await readCorpus(corpusDir);
  const results = await judgeCorpus(corpus, serverUrl);
  const theirs = await squawk(corpus.entries);
  const found = recall(results, theirs);
  const loads = [
    ['plain ALTER TABLE, no lock_timeout', await underLoad(0)],
    ['ours, lock_timeout 1 s', await underLoad(1_000)],
    ['ours, lock_timeout 50 ms (default)', await underLoad(50)],
  ] as const;
  const traces = results
    .flatMap(({ judged }) => judged.flatMap(({ trace }) => (trace === null ? [] : [trace.tookMs])))
    .toSorted((a, b) => a - b);
  const text = [
    '## Migrations',
    '',
    `${machine()}; PostgreSQL ${(await version()) ?? ''}. Corpus: ${results.length} labelled entries.`,
    '',
    found,
    '',
    `A trace takes ${median(traces).toFixed(0)} ms (median; 95 of 100 within ${(traces[Math.floor(traces.length * 0.95)] ?? 0).toFixed(0)} ms, slowest ${(traces.at(-1) ?? 0).toFixed(0)} ms), on a clone without rows.`,
    theirs === null
      ? 'squawk-cli could not be had here.'
      : 'squawk: rules of taste are left out; any other finding on an entry counts as found, whatever its kind.',
    '',
    `ALTER TABLE … ADD COLUMN behind a reader of ${READER_S} s, ${CLIENTS} clients reading the same table:`,
    '',
    table(
      ['', 'worst other read', 'median read', 'DDL done after', 'tries'],
      loads.map(([name, one]) => [
        name,
        `${one.worst.toFixed(0)} ms`,
        `${one.median.toFixed(1)} ms`,
        `${(one.tookMs / 1000).toFixed(1)} s`,
        String(one.tries),
      ]),
    ),
  ].join('\n');
  process.stdout.write(`${text}\n`);
  for (const { entry, found: hazards } of results)
    if (entry.hazards.length === 0 ? hazards.length > 0 : !entry.hazards.every((one) => hazards.includes(one)))
      process.stdout.write(
        `differs: ${entry.id} ${entry.sql} | label ${entry.hazards.join(', ') || 'safe'} | found ${hazards.join(', ') || 'nothing'}\n`,
      );
  if (option('corpus') === undefined) writeResults('migrations', text);
} finally {
  await embedded?.stop('immediate');
  await rm(dir, { recursive: true, force: true });
}

function recall(results: readonly Judged[], theirs: ReadonlyMap<string, readonly string[]> | null): string {
  const ours = score(results);
  const share = (some: number, all: number): string => `${some}/${all} (${((100 * some) / Math.max(1, all)).toFixed(0)} %)`;
  const row = (name: string, one: ReturnType<typeof score>): string[] => [
    name,
    share(one.locksCaught, one.locks),
    share(one.caught, one.hazards),
    String(one.falseAlarms),
  ];
  const rows = [row('Sluice, rules and trace', ours)];
  if (theirs !== null) {
    const judged = results.map(({ entry }) => {
      const some = (theirs.get(entry.id)?.length ?? 0) > 0;
      return { entry, found: some ? (entry.hazards.length > 0 ? entry.hazards : (['lock'] as const)) : [] };
    });
    rows.push(row('squawk-cli 2.66.0', score(judged)));
  }
  return table(['', 'lock hazards found', 'hazards found', 'false alarms'], rows);
}

/** lockTimeoutMs 0: as people write it by hand. */
async function underLoad(lockTimeoutMs: number): Promise<{ worst: number; median: number; tookMs: number; tries: number }> {
  const name = `bench_${Date.now()}`;
  const admin = await connect(serverUrl);
  await admin.query(`CREATE DATABASE ${name}`);
  const url = new URL(serverUrl);
  url.pathname = `/${name}`;
  const clients: pg.Client[] = [];
  try {
    clients.push(...(await Promise.all(Array.from({ length: CLIENTS + 2 }, () => connect(url.href)))));
    const [reader, ddl, ...readers] = clients;
    if (reader === undefined || ddl === undefined) throw new Error('no clients');
    await reader.query(
      "CREATE TABLE item (id bigint PRIMARY KEY, name text); INSERT INTO item SELECT g, 'n' || g FROM generate_series(1, 100000) g; ANALYZE item",
    );
    const database = postgresDatabase({ pooled: null, direct: url.href, limits: lockTimeoutMs === 0 ? {} : { lockTimeoutMs } });
    const sql = 'ALTER TABLE item ADD COLUMN note text';
    const { pending } = await database.plan([
      { id: '001', path: '001.sql', sql, line: 1, compensate: null, checksum: checksumOf(sql), noTransaction: false, bookkeeping: null },
    ]);
    const slow = reader.query(`BEGIN; SELECT count(*), pg_sleep(${READER_S}) FROM item WHERE id = 1; COMMIT`);
    const waits: number[] = [];
    let over = false;
    const reading = readers.map(async (client, i) => {
      for (let n = i; !over; n += 1) {
        const since = performance.now();
        await client.query('SELECT name FROM item WHERE id = $1', [n % 100_000]);
        waits.push(performance.now() - since);
        await sleep(5);
      }
    });
    await sleep(300);
    const since = performance.now();
    let tries = 1;
    if (lockTimeoutMs === 0) await ddl.query(sql);
    else tries += (await database.apply(pending, { by: 'bench', release: null, signal: new AbortController().signal }))[0]?.retries ?? 0;
    const tookMs = performance.now() - since;
    over = true;
    await Promise.all([...reading, slow]);
    return { worst: Math.max(...waits), median: median(waits), tookMs, tries };
  } finally {
    await Promise.all(clients.map((client) => client.end()));
    await admin.query(`DROP DATABASE ${name} WITH (FORCE)`);
    await admin.end();
  }
}

async function connect(url: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: url });
  client.on('error', () => {});
  await client.connect();
  return client;
}

async function version(): Promise<string | undefined> {
  const client = await connect(serverUrl);
  try {
    return (await client.query<{ server_version: string }>('SHOW server_version')).rows[0]?.server_version;
  } finally {
    await client.end();
  }
}
