import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import pg from 'pg';
import { connect, copyOut } from '../src/projections/copy.ts';
import { createTupleReader } from '../src/projections/tuples.ts';
import { inspectStore } from '../src/projections/stores.ts';
import { startEmbeddedPostgres } from '../src/engine/postgres/embedded.ts';
import { balanceCode, BALANCES, differences, EVENT_TABLE } from '../test/worlds/projections.ts';
import { machine, median, table, writeResults } from './_lib.ts';

/*
 * How fast a read model is made anew. EVENTS (1,000,000), STREAMS (a twentieth), ROUNDS (3), KEYSET_EVENTS (300,000), EMMETT_EVENTS (10,000).
 * Every way makes the same rows: balance, movements and owner of each account. QUICK=1 writes no results.
 */
const EVENTS = Number(process.env['EVENTS'] ?? 1_000_000);
const STREAMS = Number(process.env['STREAMS'] ?? EVENTS / 20);
const ROUNDS = Number(process.env['ROUNDS'] ?? 3);
/** The slow ways are measured on a part; they do not get faster by more. */
const KEYSET_EVENTS = Math.min(EVENTS, Number(process.env['KEYSET_EVENTS'] ?? 300_000));
const EMMETT_EVENTS = Number(process.env['EMMETT_EVENTS'] ?? 10_000);
const run = promisify(execFile);
const peer = join(import.meta.dirname, 'peers', 'emmett');
const ours = join(import.meta.dirname, 'projections', 'ours.ts');

const dir = await mkdtemp(join(tmpdir(), 'sluice-bench-'));
await chmod(dir, 0o711);
const server = await startEmbeddedPostgres(dir, { settings: { shared_buffers: '1GB', max_wal_size: '8GB', checkpoint_timeout: '30min' } });
const sql = new pg.Client({ connectionString: server.url });
await sql.connect();

async function fill(): Promise<void> {
  await sql.query(EVENT_TABLE);
  await sql.query(`INSERT INTO event (stream, version, type, data)
    SELECT 'account-' || i % ${STREAMS}, i / ${STREAMS} + 1, CASE WHEN i < ${STREAMS} THEN 'Opened' WHEN i % 3 = 0 THEN 'Withdrawn' ELSE 'Deposited' END,
      jsonb_build_object('amount', i % 977, 'owner', 'user-' || i % 5000, 'currency', 'EUR', 'channel', 'web', 'note', 'payment number ' || i) FROM generate_series(0, ${EVENTS - 1}) i`);
  await sql.query('VACUUM ANALYZE event');
  await sql.query('CHECKPOINT');
}

/** Seconds that `work` takes. */
async function timed(work: () => Promise<unknown>): Promise<number> {
  const started = performance.now();
  await work();
  return (performance.now() - started) / 1000;
}

const COLUMNS = 'position, stream, version, schema, at, type, data';
const serverCopy = () => timed(() => sql.query(`COPY (SELECT ${COLUMNS} FROM event) TO '/dev/null' (FORMAT binary)`));

/** The most that JavaScript can do: every event over the wire, its data parsed, nothing done with it. */
async function jsLimit(): Promise<number> {
  const store = await inspectStore(sql, {});
  const reader = createTupleReader(store, ({ json }) => JSON.parse(json));
  const client = await connect(server.url, 'bench');
  return timed(() =>
    copyOut(client, `COPY (SELECT ${store.columns} FROM event) TO STDOUT (FORMAT binary)`, reader.read, new AbortController().signal),
  );
}

async function inSql(): Promise<number> {
  await sql.query('DROP TABLE IF EXISTS in_sql');
  return timed(async () => {
    await sql.query(`CREATE TABLE in_sql AS ${BALANCES}`);
    await sql.query('ALTER TABLE in_sql ADD PRIMARY KEY (key)');
  });
}

/** What most projections do: pages by position, folded, written with one statement and a checkpoint, each in its transaction. */
async function keyset(size: number): Promise<number> {
  await sql.query('DROP TABLE IF EXISTS by_page; CREATE TABLE by_page (key text PRIMARY KEY, balance bigint, movements int, owner text)');
  return timed(async () => {
    for (let after = '0'; Number(after) < KEYSET_EVENTS;) {
      const { rows } = await sql.query(`SELECT ${COLUMNS} FROM event WHERE position > $1 ORDER BY position LIMIT ${size}`, [after]);
      if (rows.length === 0) return;
      after = rows.at(-1).position;
      await sql.query('BEGIN');
      const keys = [...new Set(rows.map(({ stream }) => stream as string))];
      const known = await sql.query('SELECT * FROM by_page WHERE key = ANY($1)', [keys]);
      const states = new Map(known.rows.map(({ key, balance, movements, owner }) => [key, { balance: Number(balance), movements, owner }]));
      for (const { stream, type, data } of rows) {
        const state = states.get(stream) ?? { balance: 0, movements: 0, owner: null };
        states.set(stream, state);
        state.movements += 1;
        if (type === 'Opened') state.owner = data.owner;
        else state.balance += type === 'Deposited' ? data.amount : -data.amount;
      }
      const all = [...states.values()];
      await sql.query(
        `INSERT INTO by_page SELECT * FROM unnest($1::text[], $2::bigint[], $3::int[], $4::text[])
         ON CONFLICT (key) DO UPDATE SET balance = EXCLUDED.balance, movements = EXCLUDED.movements, owner = EXCLUDED.owner`,
        [[...states.keys()], all.map((one) => one.balance), all.map((one) => one.movements), all.map((one) => one.owner)],
      );
      await sql.query('COMMIT');
    }
  });
}

interface Own {
  readonly seconds: number;
  readonly rssMb: number;
}

let version = 0;

/** Ours, from the first statement to the finished read model, in as many processes as parts. */
async function own(processes: number): Promise<Own> {
  version += 1;
  const code = balanceCode({ version });
  const start = () => run(process.execPath, ['--import', 'tsx', ours, server.url, String(processes), code]);
  const ended = await Promise.all(Array.from({ length: processes }, start));
  const reports = ended.map(({ stdout }) => JSON.parse(stdout) as { ms: number; rssMb: number });
  const wrong = await differences(sql, `balance_v${version}`, BALANCES, 'key, balance, movements, owner');
  if (wrong !== 0) throw new Error(`${wrong} rows are wrong`);
  await sql.query(`DROP TABLE balance_v${version}; TRUNCATE sluice_projections.build, sluice_projections.checkpoint`);
  return { seconds: Math.max(...reports.map(({ ms }) => ms)) / 1000, rssMb: Math.max(...reports.map(({ rssMb }) => rssMb)) };
}

/** Events a second; null when it is not installed and cannot be. */
async function emmett(): Promise<number | null> {
  if (!existsSync(join(peer, 'node_modules'))) {
    const installed = await run('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund'], { cwd: peer }).catch(() => null);
    if (installed === null) return null;
  }
  const { stdout } = await run(process.execPath, [join(peer, 'rebuild.mjs'), server.url, String(EMMETT_EVENTS)], { cwd: peer });
  const { ms, events } = JSON.parse(stdout.trim().split('\n').at(-1) ?? '') as { ms: number; events: number };
  if (events !== EMMETT_EVENTS) process.stdout.write(`Emmett made ${events} of ${EMMETT_EVENTS} events\n`);
  return (events / ms) * 1000;
}

const rates: Record<string, number[]> = {};
let rssMb = 0;
const note = (name: string, rate: number): void => {
  (rates[name] ??= []).push(rate);
  process.stdout.write(`${name}: ${Math.round(rate)} events/s\n`);
};

try {
  await fill();
  for (let round = 0; round < ROUNDS; round += 1) {
    note('server COPY to /dev/null', EVENTS / (await serverCopy()));
    note('COPY + JSON.parse (JS limit)', EVENTS / (await jsLimit()));
    const single = await own(1);
    note('ours, one process', EVENTS / single.seconds);
    rssMb = Math.max(rssMb, single.rssMb);
    note('ours, two processes', EVENTS / (await own(2)).seconds);
    note('SQL INSERT … SELECT … GROUP BY', EVENTS / (await inSql()));
  }
  note('keyset + fold + unnest, pages of 1,000', KEYSET_EVENTS / (await keyset(1_000)));
  note('keyset + fold + unnest, pages of 5,000', KEYSET_EVENTS / (await keyset(5_000)));
  const theirs = await emmett();
  if (theirs === null) process.stdout.write('Emmett is not installed and could not be: left out\n');
  else note(`Emmett 0.42.0 rebuild (${EMMETT_EVENTS} events)`, theirs);

  const middle = (name: string): number => median(rates[name] ?? []);
  const best = middle('ours, one process');
  const rows = Object.keys(rates).map((name) => [name, Math.round(middle(name)).toLocaleString('en'), (best / middle(name)).toFixed(2)]);
  process.stdout.write(`${table(['way', 'events/s', 'ours, one process, is × as fast'], rows)}\nrss ${rssMb} MB\n`);
  if (process.env['QUICK'] === undefined)
    writeResults(
      `projections-${EVENTS}`,
      `## Projections rebuilt: ${EVENTS.toLocaleString('en')} events, ${STREAMS.toLocaleString('en')} streams\n\n${machine()}, embedded PostgreSQL 18. Medians of ${ROUNDS} rounds in one run; ours ends with the complete read model and its primary key, and is compared row by row with SQL. Memory of the folding process: ${rssMb} MB at most. \`EVENTS=${EVENTS} node --import tsx bench/projections.bench.ts\`\n\n${table(['way', 'events/s', 'ours, one process, is × as fast'], rows)}`,
    );
} finally {
  await sql.end();
  await server.stop('immediate');
  await rm(dir, { recursive: true, force: true });
}
