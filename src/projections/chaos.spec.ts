import { type ChildProcess, spawn } from 'node:child_process';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { balanceCode, BALANCES, codeOf, differences, EVENT_TABLE, fill, TOTALS, totalsCode } from '../../test/worlds/projections.ts';
import { type EmbeddedPostgres, startEmbeddedPostgres } from '../engine/postgres/embedded.ts';
import { selfCommand } from '../lib/spawn-self.ts';
import { openOperations } from './operations.ts';

/*
 * Exactness under fire. SLUICE_KILLS: processes killed (4; long form 24). SLUICE_STOPS: immediate stops of PostgreSQL (1; long form 4).
 * SLUICE_EVENTS: events before it begins (60,000; long form 600,000). SLUICE_FOREIGN_MS: the foreign transaction (3 s; long form 15 s).
 */
const setting = (name: string, usual: number): number => Number(process.env[name] ?? usual);
const KILLS = setting('SLUICE_KILLS', 4);
const STOPS = setting('SLUICE_STOPS', 1);
const EVENTS = setting('SLUICE_EVENTS', 60_000);
const FOREIGN_MS = setting('SLUICE_FOREIGN_MS', 3_000);
const LONG = 900_000;
const BALANCE_COLUMNS = 'key, balance, movements, owner';

let dir = '';
let server: EmbeddedPostgres;
let sql: pg.Pool;
const workers = new Set<ChildProcess>();

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'sluice-projections-'));
  await chmod(dir, 0o711);
  // A server that may crash must really write; so few connections must be left for others.
  server = await startEmbeddedPostgres(dir, { settings: { max_wal_size: '4GB', shared_buffers: '256MB' } });
  sql = new pg.Pool({ connectionString: server.url, max: 20 });
  sql.on('error', () => {});
  await sql.query(EVENT_TABLE);
  await sql.query(fill(Math.ceil(EVENTS / 20), EVENTS));
}, LONG);

afterAll(async () => {
  await Promise.all([...workers].map(kill));
  await sql.end();
  await server.stop('immediate');
  await rm(dir, { recursive: true, force: true });
}, LONG);

function startWorker(): ChildProcess {
  const [command = '', ...args] = selfCommand(new URL('./worker-main.ts', import.meta.url));
  const worker = spawn(command, args, {
    stdio: ['pipe', 'ignore', process.env['SLUICE_SHOW'] === undefined ? 'ignore' : 'inherit', 'ipc'],
  });
  workers.add(worker);
  worker.stdin?.end(
    JSON.stringify({ url: server.url, schema: 'public', store: {}, everyMs: 50, flush: { everyMs: 200, dirtyMax: 5_000, share: 1 } }),
  );
  return worker;
}

function kill(worker: ChildProcess): Promise<void> {
  workers.delete(worker);
  if (worker.exitCode !== null || worker.signalCode !== null) return Promise.resolve();
  return new Promise((resolve) => {
    worker.once('exit', () => resolve());
    worker.kill('SIGKILL');
  });
}

interface Tally {
  committed: number;
  rolledBack: number;
  held: number;
}

/** Appends to its own streams and to shared ones, rolls back now and then, and holds transactions open. */
async function write(id: number, tally: Tally, signal: AbortSignal): Promise<void> {
  for (let turn = 0; !signal.aborted; turn += 1) {
    const client = await sql.connect().catch(() => null);
    if (client === null) {
      await sleep(100);
      continue;
    }
    let broken: Error | undefined;
    const ignore = (): void => {};
    client.on('error', ignore);
    try {
      const stream = Math.random() < 0.5 ? `writer-${id}-${turn % 7}` : `account-${Math.floor(Math.random() * 40)}`;
      await client.query('BEGIN');
      const { rows } = await client.query('SELECT coalesce(max(version), 0) AS last FROM event WHERE stream = $1', [stream]);
      const events = 1 + Math.floor(Math.random() * 3);
      for (let index = 1; index <= events; index += 1)
        await client.query('INSERT INTO event (stream, version, type, data) VALUES ($1, $2, $3, $4)', [
          stream,
          Number(rows[0].last) + index,
          Math.random() < 0.7 ? 'Deposited' : 'Withdrawn',
          { amount: Math.floor(Math.random() * 1000) },
        ]);
      if (Math.random() < 0.1) {
        tally.held += 1;
        await sleep(100 + Math.random() * 700);
      }
      const isGood = Math.random() < 0.85;
      await client.query(isGood ? 'COMMIT' : 'ROLLBACK');
      if (isGood) tally.committed += 1;
      else tally.rolledBack += 1;
    } catch (error) {
      // Somebody else was faster in this stream, or the server went down.
      await client.query('ROLLBACK').catch(() => (broken = error as Error));
    } finally {
      client.off('error', ignore);
      client.release(broken);
    }
    await sleep(5 + Math.random() * 20);
  }
}

async function until<T>(what: string, ms: number, look: () => Promise<T | null | false>): Promise<T> {
  const end = Date.now() + ms;
  for (;;) {
    const found = await look().catch(() => null);
    if (found !== null && found !== false) return found;
    if (Date.now() > end) throw new Error(`${what} did not happen within ${ms} ms`);
    await sleep(50);
  }
}

const phases = async (): Promise<readonly string[]> =>
  (await sql.query<{ phase: string }>('SELECT phase FROM sluice_projections.build')).rows.map(({ phase }) => phase);

const checks = [
  ['balance_v1', BALANCES, BALANCE_COLUMNS],
  ['totals_v1', TOTALS, 'key, amount, events, largest'],
] as const;

const settled = async (): Promise<boolean> => {
  const counts = await Promise.all(checks.map(([table, truth, columns]) => differences(sql, table, truth, columns)));
  return counts.every((count) => count === 0);
};

test(
  'killed again and again, with writers at work: no difference',
  async () => {
    const operations = await openOperations({ url: server.url, store: {} });
    await operations.start(codeOf(balanceCode()), 2);
    await operations.start(codeOf(totalsCode()), 2);
    await operations.close();
    const stop = new AbortController();
    const tally: Tally = { committed: 0, rolledBack: 0, held: 0 };
    const writers = Array.from({ length: 4 }, (_, id) => write(id, tally, stop.signal));
    const when: string[] = [];
    for (let round = 0; round < KILLS; round += 1) {
      const both = [startWorker(), startWorker()];
      await sleep(700 + Math.random() * 2_500);
      const [victim, other] = both as [ChildProcess, ChildProcess];
      when.push((await phases().catch(() => ['down'])).join('+'));
      await kill(victim);
      if (
        round % Math.max(1, Math.floor(KILLS / Math.max(1, STOPS))) === 0 &&
        round / Math.max(1, Math.floor(KILLS / Math.max(1, STOPS))) < STOPS
      ) {
        await server.stop('immediate');
        await server.revive();
        when.push('PostgreSQL');
      }
      await kill(other);
    }
    let last = startWorker();
    await until('the end of the catch-up', 300_000, async () => (await phases()).every((phase) => phase === 'tail'));
    for (let round = 0; round < KILLS / 2; round += 1) {
      await sleep(300 + Math.random() * 1_500);
      await kill(last);
      last = startWorker();
    }
    stop.abort();
    await Promise.all(writers);
    await until('no difference', 30_000, settled);
    const holes = await sql.query('SELECT max(position) - count(*) AS holes, count(*) AS events FROM event');
    const report = {
      kills: KILLS * 2,
      killsWhileTailing: Math.ceil(KILLS / 2),
      stops: STOPS,
      ...tally,
      holes: Number(holes.rows[0].holes),
      events: Number(holes.rows[0].events),
      when,
    };
    if (process.env['SLUICE_FIGURES'] !== undefined) process.stderr.write(`${JSON.stringify(report)}\n`);
    expect(tally.rolledBack).toBeGreaterThan(0);
  },
  LONG,
);

test(
  'a foreign transaction that stays open delays nobody but itself',
  async () => {
    const foreign = await sql.connect();
    await foreign.query('BEGIN');
    await foreign.query(`INSERT INTO event (stream, version, type, data) VALUES ('foreign', 1, 'Deposited', '{"amount": 1}')`);
    const begun = Date.now();
    let worst = 0;
    let events = 0;
    for (let version = 1; Date.now() - begun < FOREIGN_MS; version += 1) {
      const at = performance.now();
      await sql.query(`INSERT INTO event (stream, version, type, data) VALUES ('watched', $1, 'Deposited', '{"amount": 1}')`, [version]);
      await until(
        'the event',
        10_000,
        async () => (await sql.query("SELECT FROM balance_v1 WHERE key = 'watched' AND movements = $1", [version])).rowCount === 1,
      );
      worst = Math.max(worst, performance.now() - at);
      events += 1;
    }
    await foreign.query('COMMIT');
    foreign.release();
    await until('no difference', 10_000, settled);
    if (process.env['SLUICE_FIGURES'] !== undefined)
      process.stderr.write(`${JSON.stringify({ foreignMs: FOREIGN_MS, worstLagMs: Math.round(worst), events })}\n`);
    expect(worst).toBeLessThan(FOREIGN_MS < 5_000 ? FOREIGN_MS : 2_000);
  },
  LONG,
);

test(
  'readers notice nothing of a switch, there and back',
  async () => {
    const operations = await openOperations({ url: server.url, store: {} });
    const first = { projection: 'balance', version: 1 };
    expect(await operations.verify(first)).toMatchObject({ passed: true });
    const { signal } = new AbortController();
    await operations.switch(first, { keepMs: 600_000, signal });
    const second = await operations.start(codeOf(balanceCode({ version: 2 })), 1);
    await until(
      'the second version',
      120_000,
      async () => (await operations.builds()).find(({ version, phase }) => version === 2 && phase === 'tail') ?? null,
    );
    const stop = new AbortController();
    const worst: number[] = [];
    let errors = 0;
    let reads = 0;
    const readers = Array.from({ length: 6 }, async () => {
      const client = await sql.connect();
      while (!stop.signal.aborted) {
        const at = performance.now();
        await client
          .query({ name: 'read', text: 'SELECT * FROM balance WHERE key = $1', values: [`account-${reads % 40}`] })
          .catch(() => (errors += 1));
        worst.push(performance.now() - at);
        reads += 1;
        await sleep(1);
      }
      client.release();
    });
    await sleep(300);
    const quiet = Math.max(...worst.splice(0));
    expect(await operations.verify(second)).toMatchObject({ passed: true });
    worst.splice(0);
    const there = await operations.switch(second, { keepMs: 600_000, signal });
    const back = await operations.switch(first, { keepMs: 600_000, signal });
    const holder = await sql.connect();
    await holder.query('BEGIN; SELECT count(*) FROM balance');
    const released = sleep(1_500).then(async () => {
      await holder.query('COMMIT');
      holder.release();
    });
    const held = await operations.switch(second, { keepMs: 600_000, signal });
    await released;
    stop.abort();
    await Promise.all(readers);
    await operations.close();
    const report = {
      reads,
      errors,
      worstReadMs: Math.round(Math.max(...worst)),
      worstBeforeMs: Math.round(quiet),
      tries: [there.tries, back.tries, held.tries],
    };
    if (process.env['SLUICE_FIGURES'] !== undefined) process.stderr.write(`${JSON.stringify(report)}\n`);
    expect(errors).toBe(0);
    // The goal is 100 ms; a machine that is busy with other tests may be slower by itself.
    expect(Math.max(...worst)).toBeLessThan(process.env['SLUICE_FIGURES'] === undefined ? 1_000 : 100);
  },
  LONG,
);
