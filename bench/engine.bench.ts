/**
 * The engine's figures: `node --import tsx bench/engine.bench.ts [--quick]`. Prints one JSON line a figure and writes bench/RESULTS.md. Each cost is given beside
 * the same thing measured in the same run on a bare peer (an empty log, a bare commit), so that noisy machines compare.
 */
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { record, wait } from '../src/core/release/runbook/decide.ts';
import type { ReleaseState } from '../src/core/release/state/state.ts';
import { createEngine } from '../src/engine/engine.ts';
import type { Engine } from '../src/engine/face.ts';
import { startEmbeddedPostgres } from '../src/engine/postgres/embedded.ts';
import type { Runbook } from '../src/engine/runbook.ts';
import { machine, table, writeResults } from './_lib.ts';
import { fakePerformer, planOf, runbook, until, versionOf, type FakePerformer } from '../test/engine/world.ts';

const quick = process.argv.includes('--quick');
const dir = await mkdtemp(join(tmpdir(), 'sluice-bench-'));
await chmod(dir, 0o711);
const server = await startEmbeddedPostgres(dir);
let databases = 0;

const rows: string[][] = [];

function say(figure: string, values: Record<string, unknown>): void {
  rows.push([
    figure,
    Object.entries(values)
      .map(([name, value]) => `${name}: ${typeof value === 'string' ? value : JSON.stringify(value)}`)
      .join(' · '),
  ]);
  process.stdout.write(`${JSON.stringify({ figure, ...values })}\n`);
}

async function freshDatabase(): Promise<string> {
  databases += 1;
  const client = new pg.Client({ connectionString: server.url });
  await client.connect();
  await client.query(`CREATE DATABASE bench${databases}`);
  await client.end();
  return server.url.replace(/\/sluice$/, `/bench${databases}`);
}

async function withEngine<T>(
  databaseUrl: string,
  book: Runbook,
  work: (engine: Engine, performer: FakePerformer) => Promise<T>,
): Promise<T> {
  const performer = fakePerformer();
  const engine = await createEngine({ databaseUrl, runbook: book, performer });
  try {
    return await work(engine, performer);
  } finally {
    await engine.close();
  }
}

async function allClosed(engine: Engine): Promise<void> {
  await until('all to end', async () => (await engine.releases({ active: true, limit: 1 })).length === 0, 300_000);
}

/** Effects performed and recorded a second, beside bare commits a second on one connection. */
async function throughput(): Promise<void> {
  const url = await freshDatabase();
  const commits = await bareCommits(url);
  await withEngine(url, runbook, async (engine, performer) => {
    const releases = quick ? 20 : 60;
    const started = performance.now();
    await Promise.all(Array.from({ length: releases }, (_, index) => engine.request(planOf([`app${index}`]), { by: 'bench' })));
    await allClosed(engine);
    const seconds = (performance.now() - started) / 1_000;
    const effects = performer.done.filter(({ what }) => what === 'end').length;
    const events = (await engine.events({ limit: 100_000 })).length;
    say('engine effects/s', {
      value: Math.round(effects / seconds),
      effects,
      eventsPerSecond: Math.round(events / seconds),
      bareCommitsPerSecond: commits,
      ratio: round(effects / seconds / commits),
    });
  });
}

async function bareCommits(url: string): Promise<number> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  await client.query('CREATE TABLE bare (x int)');
  const started = performance.now();
  const count = 300;
  for (let index = 0; index < count; index += 1) await client.query('INSERT INTO bare VALUES ($1)', [index]);
  await client.end();
  return Math.round(count / ((performance.now() - started) / 1_000));
}

/** From a request (or command) to the first effect performed for it, on an idle engine; and how long the append itself takes. */
async function latency(): Promise<void> {
  await withEngine(await freshDatabase(), runbook, async (engine, performer) => {
    const first: number[] = [];
    const append: number[] = [];
    for (let index = 0; index < (quick ? 20 : 100); index += 1) {
      const before = performance.now();
      const beforeAt = Date.now();
      const id = await engine.request(planOf([`app${index}`]), { by: 'bench' });
      append.push(performance.now() - before);
      const begun = await until('an effect', () => performer.done.find(({ release }) => release === id));
      first.push(begun.at - beforeAt);
      await allClosed(engine);
    }
    say('request to first effect, ms', { p50: percentile(first, 0.5), p99: percentile(first, 0.99) });
    say('append with projection, ms', { p50: round(percentile(append, 0.5)), p99: round(percentile(append, 0.99)) });
  });
}

/** Ends every release at once, with what a read model wants to see. */
const finisher: Runbook = {
  evolve: runbook.evolve,
  next(state, now) {
    if (state.stage === 'ended')
      return { effects: [{ kind: 'unreserve', lane: '', key: 'unreserve', deadline: now + 10_000 }], wakeAt: null };
    if (state.stage === 'closed') return { effects: [], wakeAt: null };
    const app = state.plan.apps[0]?.app ?? '';
    const version = versionOf(app, state.plan.source.commit ?? '');
    return record(
      '',
      'all',
      now,
      { type: 'ArtifactBuilt', app, version, reused: false, log: null },
      { type: 'WeightsShifted', app, weights: { [version.id]: 100 }, toProve: false },
      { type: 'RolloutFinished', app, note: null },
      { type: 'ReleaseEnded', outcome: 'Succeeded', reason: 'done' },
    );
  },
};

async function status(): Promise<void> {
  const measure = async (engine: Engine) => {
    const times: number[] = [];
    for (let index = 0; index < 300; index += 1) {
      const before = performance.now();
      await Promise.all([engine.releases({ environment: 'production', limit: 20 }), engine.manifest('production')]);
      times.push(performance.now() - before);
    }
    return times;
  };
  const url = await freshDatabase();
  await withEngine(url, finisher, async (engine) => {
    // The same answer to give: 20 releases, of 5 apps.
    const ship = async (count: number, from: number) => {
      for (let index = 0; index < count; index += 10) {
        await Promise.all(
          Array.from({ length: 10 }, (_, offset) =>
            engine.request(planOf([`app${offset % 5}`], { source: `s${from + index + offset}` }), { by: 'bench' }),
          ),
        );
        await allClosed(engine);
      }
    };
    await ship(50, 0);
    await measure(engine);
    const small = await measure(engine);
    await ship(quick ? 150 : 950, 50);
    const large = await measure(engine);
    say('status p99, ms', {
      after50: round(percentile(small, 0.99)),
      after1000: round(percentile(large, 0.99)),
      ratioOfMedians: round(percentile(large, 0.5) / percentile(small, 0.5)),
      events: (await engine.events({ limit: 100_000 })).length,
    });
  });
}

/** Waits for an hour. */
const waiter: Runbook = { evolve: runbook.evolve, next: (state: ReleaseState) => wait(state.requestedAt + 3_600_000) };

async function waiting(): Promise<void> {
  const url = await freshDatabase();
  const count = quick ? 1_000 : 10_000;
  const empty = await withEngine(await freshDatabase(), waiter, (engine) => idle(engine));
  await withEngine(url, waiter, async (engine) => {
    for (let index = 0; index < count; index += 50) {
      await Promise.all(Array.from({ length: 50 }, (_, offset) => engine.request(planOf([`app${index + offset}`]), { by: 'bench' })));
    }
  });
  const started = performance.now();
  await withEngine(url, waiter, async (engine) => {
    const startMs = Math.round(performance.now() - started);
    const full = await idle(engine);
    say(`${count} waiting releases`, {
      startMs,
      cpuPercentOfACore: full.cpu,
      cpuPercentWhenEmpty: empty.cpu,
      rssMb: full.rss,
      rssMbWhenEmpty: empty.rss,
    });
  });
}

async function idle(engine: Engine): Promise<{ cpu: number; rss: number }> {
  await engine.releases({ limit: 1 });
  await sleep(2_000);
  globalThis.gc?.();
  const before = process.cpuUsage();
  const ms = quick ? 3_000 : 10_000;
  await sleep(ms);
  const used = process.cpuUsage(before);
  return { cpu: round(((used.user + used.system) / 1_000 / ms) * 100), rss: Math.round(process.memoryUsage.rss() / 1e6) };
}

function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}

try {
  await throughput();
  await latency();
  await status();
  await waiting();
  if (!quick) {
    const text = `## The engine\n\n${machine()}. \`node --import tsx bench/engine.bench.ts\`\n\n${table(['figure', 'measured'], rows)}`;
    writeResults('engine', text);
  }
} finally {
  await server.stop('immediate');
  await rm(dir, { recursive: true, force: true });
}
