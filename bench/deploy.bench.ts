/**
 * What Sluice itself adds to a deploy: from "accepted" to 100 % of the traffic, less the time that the app needed to
 * become healthy; and from "abort" to 0 %. The peer is the app alone: the same command started by hand and asked for health
 * the same way, in the same run.
 */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createWorld, type World } from '../test/e2e/world.ts';
import { machine, table, writeResults } from './_lib.ts';

const ROUNDS = Number(process.env['ROUNDS'] ?? 8);

interface Timed {
  readonly type: string;
  readonly at: number;
  readonly data: Record<string, unknown>;
}

const world = await createWorld({ bake: '20s' });
try {
  await world.start();
  await world.outcome(await world.deploy());
  const overheads: number[] = [];
  const rollbacks: number[] = [];
  const alone: number[] = [];
  for (let round = 1; round <= ROUNDS; round += 1) {
    await world.commit('web', `${round}-a`);
    overheads.push(await deployAtOnce(world));
    await world.commit('web', `${round}-b`);
    rollbacks.push(await abortInCanary(world));
    alone.push(await startAlone(world));
  }
  const rows = [
    ["accepted → 100 %, less the app's own start", ...spread(overheads), '≤ 500'],
    ['abort → 0 % at the data plane', ...spread(rollbacks), '≤ 100'],
    ['peer: the app alone, started by hand → healthy', ...spread(alone), '–'],
  ];
  const text = `## Deploys\n\n${ROUNDS} rounds, ${machine()}. Whole stack: API, engine, PostgreSQL, platform, edge; times from the event log. \`node --import tsx bench/deploy.bench.ts\`\n\n${table(['ms', 'min', 'median', 'max', 'goal'], rows)}\n\nMedian overhead is ${(median(overheads) / median(alone)).toFixed(2)} × the app's own start.`;
  console.log(text);
  writeResults('deploy', text);
} finally {
  await world.end();
}

/** A canary whose steps a person skips from the start is a deploy at once. */
async function deployAtOnce(on: World): Promise<number> {
  const release = await on.deploy();
  await on.api('POST', `/v1/releases/${release}/promote`, { by: 'bench', full: true });
  await on.outcome(release);
  const events = await on.events(release);
  const from = find(events, 'ReleaseRequested');
  const shifted = events.find(({ type, data }) => type === 'WeightsShifted' && Object.values(data['weights'] as object).includes(100));
  const own = find(events, 'VersionHealthy').at - find(events, 'VersionDeployed').at;
  return (shifted?.at ?? Number.NaN) - from.at - own;
}

async function abortInCanary(on: World): Promise<number> {
  const release = await on.deploy();
  while (!(await on.events(release)).some(({ type }) => type === 'SampleCollected')) await sleep(50);
  await on.api('POST', `/v1/releases/${release}/abort`, { by: 'bench', reason: 'measuring' });
  await on.outcome(release);
  const events = await on.events(release);
  const asked = find(events, 'AbortRequested');
  const back = events.find(({ type, at }) => type === 'WeightsShifted' && at >= asked.at);
  return (back?.at ?? Number.NaN) - asked.at;
}

async function startAlone(on: World): Promise<number> {
  const port = 20_000 + Math.floor(Math.random() * 20_000);
  const from = performance.now();
  const child = spawn(process.execPath, ['server.js'], {
    cwd: join(on.dir, 'web'),
    env: { ...process.env, PORT: String(port) },
    stdio: 'ignore',
  });
  try {
    for (;;) {
      const isUp = await fetch(`http://127.0.0.1:${port}/up`).then(
        (answer) => answer.ok,
        () => false,
      );
      if (isUp) return performance.now() - from;
      await sleep(5);
    }
  } finally {
    child.kill('SIGKILL');
  }
}

function find(events: readonly Timed[], type: string): Timed {
  const found = events.find((event) => event.type === type);
  if (found === undefined) throw new Error(`no ${type}`);
  return found;
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}

function spread(values: readonly number[]): string[] {
  return [Math.min(...values), median(values), Math.max(...values)].map((value) => value.toFixed(0));
}
