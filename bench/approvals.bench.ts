/**
 * What it costs that releases wait for approval, with people being told: `[RELEASES=10000] node --expose-gc --import tsx bench/approvals.bench.ts`.
 * Beside each figure stands the same of an engine with an empty log, measured in the same run.
 */
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { withHash } from '../src/core/release/plan/plan.ts';
import { createEngine } from '../src/engine/engine.ts';
import type { Engine } from '../src/engine/face.ts';
import { startEmbeddedPostgres } from '../src/engine/postgres/embedded.ts';
import { startNotices } from '../src/services/following/notices.ts';
import { machine, median, table, writeResults } from './_lib.ts';
import { fakePerformer, planOf, runbook, until } from '../test/engine/world.ts';

const count = Number(process.env['RELEASES'] ?? 10_000);
const expiring = 200;
const IDLE_MS = 10_000;
const EXPIRES_MS = 5_000;
const dir = await mkdtemp(join(tmpdir(), 'sluice-bench-'));
await chmod(dir, 0o711);
const server = await startEmbeddedPostgres(dir);

async function database(name: string): Promise<string> {
  const client = new pg.Client({ connectionString: server.url });
  await client.connect();
  await client.query(`CREATE DATABASE ${name}`);
  await client.end();
  return server.url.replace(/\/sluice$/, `/${name}`);
}

async function ask(databaseUrl: string, sql: string, values: readonly unknown[] = []): Promise<number> {
  const client = new pg.Client({ connectionString: databaseUrl });
  await client.connect();
  try {
    return Number((await client.query<{ value: string }>(sql, [...values])).rows[0]?.value);
  } finally {
    await client.end();
  }
}

interface Plane {
  readonly engine: Engine;
  readonly performed: () => number;
  close(): Promise<void>;
}

async function open(databaseUrl: string): Promise<Plane> {
  const performer = fakePerformer();
  const engine = await createEngine({ databaseUrl, runbook, performer });
  const notifier = { name: 'nobody', on: null, tell: () => Promise.resolve() };
  const notices = startNotices({ engine, notifiers: () => Promise.resolve([notifier]), warn: (text) => process.stderr.write(`${text}\n`) });
  return {
    engine,
    performed: () => performer.done.length,
    async close() {
      await notices.stop();
      await engine.close();
    },
  };
}

const planFor = (app: string, expiresMs: number) =>
  withHash({ ...planOf([app]), approval: { number: 1, from: [], expiresMs, authors: [] } });

async function request(engine: Engine, from: number, many: number, expiresMs: number): Promise<string[]> {
  const ids: string[] = [];
  for (let index = 0; index < many; index += 25)
    ids.push(
      ...(await Promise.all(
        Array.from({ length: Math.min(25, many - index) }, (_, i) =>
          engine.request(planFor(`app${from + index + i}`, expiresMs), { by: 'ann' }),
        ),
      )),
    );
  return ids;
}

const WAITING = 'SELECT count(*) AS value FROM sluice.active WHERE holder IS NULL AND wake_at > 0';
const COMMITS = 'SELECT xact_commit AS value FROM pg_stat_database WHERE datname = current_database()';

async function idle(databaseUrl: string): Promise<{ cpu: number; rss: number; commits: number }> {
  await sleep(3_000);
  globalThis.gc?.();
  const commits = await ask(databaseUrl, COMMITS);
  const before = process.cpuUsage();
  await sleep(IDLE_MS);
  const used = process.cpuUsage(before);
  return {
    cpu: round((used.user + used.system) / 10 / IDLE_MS),
    rss: Math.round(process.memoryUsage.rss() / 1e6),
    commits: round(((await ask(databaseUrl, COMMITS)) - commits) / (IDLE_MS / 1_000)),
  };
}

const round = (value: number): number => Math.round(value * 100) / 100;

try {
  const nobody = await database('nobody');
  let plane = await open(nobody);
  const empty = await idle(nobody);
  await plane.close();

  const full = await database('waiting');
  plane = await open(full);
  const ids = await request(plane.engine, 0, count, 86_400_000);
  await until('all to wait', async () => (await ask(full, WAITING)) >= count, 900_000);
  await until(
    'people to be told',
    async () => (await plane.engine.recorded('notices/delivered')).filter(({ data }) => data.type === 'NoticeDelivered').length >= count,
    900_000,
  );
  const workflows = await ask(full, "SELECT count(*) AS value FROM dbos.workflow_status WHERE status IN ('PENDING', 'ENQUEUED')");
  const busy = await idle(full);
  await plane.close();

  // A newer Sluice, as far as the durable executor can tell.
  process.env['DBOS__APPVERSION'] = 'upgraded';
  const restarting = performance.now();
  plane = await open(full);
  const restartMs = performance.now() - restarting;
  const rested = await idle(full);
  const goes: number[] = [];
  for (const id of ids.slice(0, 20)) {
    const state = await plane.engine.release(id);
    const before = plane.performed();
    const at = performance.now();
    await plane.engine.command(id, { kind: 'approve', by: 'bob', planHash: state?.plan.hash ?? '' });
    await until('the first effect', () => plane.performed() > before, 60_000);
    goes.push(performance.now() - at);
    await until('its end', async () => (await plane.engine.release(id))?.stage === 'closed', 60_000);
  }
  const outcomes = new Set(await Promise.all(ids.slice(0, 20).map(async (id) => (await plane.engine.release(id))?.outcome)));

  const soon = await request(plane.engine, count, expiring, EXPIRES_MS);
  await until(
    'these to wait',
    async () => (await ask(full, WAITING)) >= count - 20 + expiring || (await isClosed(plane.engine, soon[0])),
    120_000,
  );
  await plane.close();
  await sleep(EXPIRES_MS + 1_000);
  const back = Date.now();
  plane = await open(full);
  const late: number[] = [];
  for (const id of soon) {
    await until('its end', () => isClosed(plane.engine, id), 120_000);
    const expired = (await plane.engine.events({ release: id })).find(({ type }) => type === 'ApprovalExpired');
    late.push((expired?.at ?? Number.POSITIVE_INFINITY) - back);
  }
  const audit = await plane.engine.verifyAudit();
  await plane.close();

  const rows = [
    ['releases waiting for approval', String(count), '0'],
    ['workflows under way for them', String(workflows), '0'],
    ['CPU, % of a core, idle', `${busy.cpu}; after a restart ${rested.cpu}`, String(empty.cpu)],
    ['transactions a second, idle', `${busy.commits}; after a restart ${rested.commits}`, String(empty.commits)],
    ['memory, MB', `${busy.rss}; after a restart ${rested.rss}`, String(empty.rss)],
    ['restart as another version, ms until it works', String(Math.round(restartMs)), ''],
    [
      'approve to first effect after that, ms (20): median, most',
      `${Math.round(median(goes))}, ${Math.round(Math.max(...goes))}; all ${[...outcomes].join(', ')}`,
      '',
    ],
    [
      `${expiring} that expired while nobody lived: expired after the start, ms: median, most`,
      `${Math.round(median(late))}, ${Math.round(Math.max(...late))}`,
      '',
    ],
    ['audit', audit.intact ? `intact, ${audit.events} events` : `broken at ${audit.brokenAt}`, ''],
  ];
  const text = table(['figure', 'waiting', 'empty log'], rows);
  process.stdout.write(`${text}\n`);
  writeResults(
    'approvals',
    `## Waiting for approval\n\n${machine()}, load ${round(loadavg()[0] ?? 0)}. \`RELEASES=${count} node --expose-gc --import tsx bench/approvals.bench.ts\`\n\n${text}`,
  );
} finally {
  await server.stop('immediate');
  await rm(dir, { recursive: true, force: true });
}

async function isClosed(engine: Engine, id: string | undefined): Promise<boolean> {
  return (await engine.release(id ?? ''))?.stage === 'closed';
}
