import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { type Load, type LoadOptions, startLoad } from '../load.ts';
import { type Entry, replayOf } from '../../src/core/analysis/replay.ts';
import { createWorld, type World } from './world.ts';
import { freePort } from '../free-port.ts';

/** Time between two looks; short, so that one run of everything fits into a test. */
const INTERVAL_MS = 1000;

/** An app of its own for each story, all in one workspace and under traffic at the same time. */
const STORIES = ['errors', 'tail', 'silent', 'impatient', 'diurnal', 'outage', 'sick'] as const;
type Story = (typeof STORIES)[number];
const LOADS: Readonly<Record<Story, Omit<LoadOptions, 'url' | 'paths' | 'headers'>>> = {
  errors: { clients: 8, ratePerSecond: 200 },
  tail: { clients: 8, ratePerSecond: 100 },
  silent: { clients: 40, ratePerSecond: 50 },
  impatient: { clients: 24, ratePerSecond: 50, patienceMs: 1000 },
  diurnal: { clients: 12, ratePerSecond: (now) => 90 + 60 * Math.sin((2 * Math.PI * now) / 8000) },
  outage: { clients: 4, ratePerSecond: 60 },
  sick: { clients: 4, ratePerSecond: 60 },
};

interface Release {
  readonly outcome: string | null;
  readonly stage: string;
  readonly reason: string | null;
  readonly rollouts: Readonly<
    Record<string, { readonly phase: string; readonly weights: Readonly<Record<string, number>>; readonly reason: string | null }>
  >;
}

describe.each(['embedded', 'haproxy'] as const)('verdicts on real traffic through the %s edge', (edge) => {
  it.skipIf(edge === 'haproxy' && !has('haproxy'))(
    'worse versions go back, a good one passes, an outage and a sick old version wait (HAProxy’s is skipped where it is not installed)',
    { timeout: 400_000 },
    async () => {
      const prometheusPort = await freePort();
      const world = await createWorld({
        edge,
        apps: Object.fromEntries(STORIES.map((story) => [story, 'accounts' as const])),
        config: (dir) => configOf(dir, edge, `http://127.0.0.1:${prometheusPort}`),
      });
      const prometheus = prometheusAt(world.dir, prometheusPort);
      const loads: Load[] = [];
      const said: string[] = [];
      const breaches: number[] = [];
      const since = Date.now();
      try {
        await world.commit('sick', '1', { kind: 'errors', rate: 0.2 });
        await world.start();
        expect(await world.outcome(await world.deploy())).toBe('Succeeded');
        await world.commit('errors', '2', { kind: 'errors', rate: 0.01 });
        await world.commit('tail', '2', { kind: 'slowTail', factor: 1.3 });
        // The edge's proof of a route finds one that answers nothing at all: these stop answering under the judge's eyes.
        await world.commit('silent', '2', { kind: 'noAnswer', after: 20 });
        await world.commit('impatient', '2', { kind: 'noAnswer', after: 20 });
        for (const story of ['diurnal', 'outage'] as const) await world.commit(story, '2');
        await world.commit('sick', '2', { kind: 'errors', rate: 0.2, note: 'as sick as before' });
        const url = await world.edgeUrl();
        const users = (story: Story) => {
          const load = startLoad({ url, paths: ['/accounts'], headers: { host: `${story}.test` }, ...LOADS[story] });
          loads.push(load);
        };
        const told = STORIES.filter((story) => story !== 'outage' || has('prometheus'));
        for (const story of told) users(story);

        const goesBack = async (story: Story, reason: RegExp) => {
          const id = await world.deploy(story);
          expect(`${story}: ${(await ended(world, id)).outcome}`).toBe(`${story}: RolledBack`);
          const { words, ms } = await breach(world, id, story, reason);
          said.push(words);
          breaches.push(ms);
          await replayed(world, id, story, edge);
        };
        const passes = async (story: Story) => {
          const id = await world.deploy(story);
          const { outcome, reason } = await ended(world, id);
          expect(`${story}: ${outcome}, ${reason}`).toMatch(`${story}: Succeeded`);
          said.push(`${story}: Succeeded`);
          await replayed(world, id, story, edge);
        };
        const tell: Readonly<Record<Story, () => Promise<void>>> = {
          errors: () => goesBack('errors', /fails more often/),
          tail: () => goesBack('tail', /slower (in general|above)/),
          silent: () =>
            goesBack(
              'silent',
              /no request reaches the new version|requests have all but stopped reaching the new version|clients leave the new version/,
            ),
          impatient: () => goesBack('impatient', /slower (in general|above)/),
          diurnal: () => passes('diurnal'),
          outage: () => throughAnOutage(world, prometheus, said),
          sick: async () => replayed(world, await sickBaseline(world, said), 'sick', edge),
        };
        await Promise.all(told.map((story) => tell[story]()));
        // However busy the machine is with all of them: where one was let, it took one interval and a second.
        expect(Math.min(...breaches)).toBeLessThan(INTERVAL_MS + 1000);
      } finally {
        const stopped = Promise.all(loads.map((load) => load.stop()));
        prometheus.stop();
        console.log(`${edge}, ${Date.now() - since} ms:\n${said.join('\n')}`);
        expect(await world.end(), 'processes left over').toEqual([]);
        // Those who never got an answer are let go by the edge's end.
        await stopped;
      }
    },
  );
});

/** Nothing can be read in the middle of a bake: it waits, and goes on by itself once it can. */
async function throughAnOutage(world: World, prometheus: ReturnType<typeof prometheusAt>, said: string[]): Promise<void> {
  await prometheus.start();
  const id = await world.deploy('outage');
  await until('the new version to have traffic', async () => {
    prometheus.aim(portsOf(world.dir, 'outage'));
    return (await eventsOf(world, id, 'SampleCollected')).some(
      ({ data }) => (data['sample'] as { candidate?: object } | null)?.candidate != null,
    );
  });
  await prometheus.kill();
  const downAt = Date.now();
  const unreadable = async () =>
    (await eventsOf(world, id, 'SampleCollected')).filter(
      ({ at, data }) => at > downAt && typeof (data['sample'] as { error?: string | null } | null)?.error === 'string',
    );
  const bakeMs = 10_000;
  await until('the bake to be over', async () => Date.now() > downAt + bakeMs && (await unreadable()).length > 5);
  const waiting = await world.api<Release>('GET', `/v1/releases/${id}`);
  expect({ outcome: waiting.outcome, stage: waiting.stage }).toEqual({ outcome: null, stage: 'rolling' });
  expect(Object.values(waiting.rollouts['outage']?.weights ?? {})).toEqual([50, 50]);
  const looks = (await unreadable()).length;
  await prometheus.start();
  const final = await ended(world, id, async ({ rollouts }) => {
    prometheus.aim(portsOf(world.dir, 'outage'));
    if (rollouts['outage']?.phase === 'Paused') await world.api('POST', `/v1/releases/${id}/resume`, { by: 'test' });
  });
  expect(`outage: ${final.outcome}, ${final.reason}`).toMatch('outage: Succeeded');
  said.push(`outage: ${looks} looks in vain for ${Date.now() - downAt} ms at 50 %, then Succeeded`);
}

/** The old version is bad itself: the new one, which is no better, waits with that reason; the fix gets out all the same. */
async function sickBaseline(world: World, said: string[]): Promise<string> {
  const id = await world.deploy('sick');
  let why = '';
  await until('a pause', async () => {
    const { outcome, rollouts } = await world.api<Release>('GET', `/v1/releases/${id}`);
    expect(outcome).toBeNull();
    why = rollouts['sick']?.reason ?? '';
    return rollouts['sick']?.phase === 'Paused';
  });
  expect(why).toMatch(/the old version itself is unhealthy/);
  said.push(`sick: paused: ${why}`);
  await world.api('POST', `/v1/releases/${id}/abort`, { by: 'test' });
  expect((await ended(world, id)).outcome).toBe('Aborted');
  await world.commit('sick', '3');
  const fix = await ended(world, await world.deploy('sick'));
  expect(`the fix: ${fix.outcome}, ${fix.reason}`).toMatch('the fix: Succeeded');
  said.push('sick: its fix Succeeded');
  return id;
}

/** The same events give the same verdicts to the last digit. `SLUICE_RECORD` keeps what docs/pictures are made of. */
async function replayed(world: World, id: string, app: Story, edge: string): Promise<void> {
  const events = (await world.events(id)) as unknown as readonly Entry[];
  const { looks, verdicts } = replayOf(events);
  expect(verdicts.length).toBeGreaterThan(0);
  expect(verdicts.filter(({ matches }) => !matches)).toEqual([]);
  const folder = process.env['SLUICE_RECORD'];
  if (folder === undefined || edge !== 'embedded') return;
  const since = looks[0]?.sample.fromAt ?? 0;
  const recorded = looks.map(({ sample, verdict }) => ({
    second: Math.round((sample.at - since) / 100) / 10,
    candidate: { requests: sample.candidate?.requests ?? 0, errors: sample.candidate?.errors ?? 0 },
    baseline: { requests: sample.baseline?.requests ?? 0, errors: sample.baseline?.errors ?? 0 },
    phase: verdict.phase,
    reason: verdict.reason,
    metrics: verdict.metrics.map(({ name, evidence }) => ({ name, ...evidence })),
  }));
  writeFileSync(join(folder, `${app}.json`), `${JSON.stringify({ story: app, verdict: verdicts.at(-1)?.reason, looks: recorded })}\n`);
}

/** From the look that gave it away to weight 0 as the data plane showed it, by the log. */
async function breach(world: World, id: string, app: Story, reason: RegExp): Promise<{ readonly words: string; readonly ms: number }> {
  const events = await world.events(id);
  const failedAt = events.findIndex(({ type }) => type === 'RolloutFailed');
  const failed = events[failedAt];
  const message = (failed?.data['cause'] as { message: string } | undefined)?.message ?? '';
  expect(`${app}: ${message}`).toMatch(reason);
  const look = events.findLast(({ type }, i) => type === 'SampleCollected' && i < failedAt);
  const back = events.find(({ type }, i) => type === 'WeightsShifted' && i > failedAt);
  const sample = look?.data['sample'] as { fromAt: number; at: number } | undefined;
  if (look === undefined || back === undefined || sample === undefined) throw new Error(`the log of ${app} lacks what should be there`);
  expect(Object.values(back.data['weights'] as Record<string, number>).toSorted((a, b) => a - b)).toEqual([0, 100]);
  const begun = events.find(({ type }) => type === 'WeightsShifted');
  const [seen, whole] = [back.at - sample.at, back.at - sample.fromAt];
  expect(seen).toBeGreaterThanOrEqual(0);
  // One interval and a second; the margin is for a machine that does other things at the same time.
  expect(whole).toBeLessThan(INTERVAL_MS + 1000 + 10_000);
  const words = `${app}: weight 0 after ${seen} ms (${whole} ms with the look itself), ${back.at - (begun?.at ?? 0)} ms after the first traffic: ${message}`;
  return { words, ms: whole };
}

function configOf(dir: string, edge: 'embedded' | 'haproxy', prometheus: string): object {
  const sequential = { judge: 'sequential', interval: INTERVAL_MS, initialDelay: '1s', minRequests: 100 };
  // Wider than by default: what passes at all is to pass within seconds.
  const lenient = { ...sequential, errors: { passMargin: 0.05, limit: 0.03 }, latency: false };
  const app = (story: Story, more: object, bake = '2m', weight = 50) => ({
    path: story,
    run: { command: ['node', 'server.js'], drain: '1s' },
    env: { HARBOUR_DATA: join(dir, '.sluice/data', story), HARBOUR_WORK_MS: '20' },
    health: '/up',
    routes: [`${story}.test`],
    strategy: { kind: 'canary', steps: [{ weight, bake }], soak: '100ms' },
    analysis: sequential,
    ...more,
  });
  const source = {
    kind: 'prometheus',
    url: prometheus,
    requests: 'http_requests_total{version="{{version}}"}',
    errors: 'http_requests_total{version="{{version}}",code="5xx"}',
    delay: '1s',
    stale: '5s',
  };
  const env = (story: Story, more: object) => ({ env: { HARBOUR_DATA: join(dir, '.sluice/data', story), ...more } });
  return {
    workspace: 'verdicts',
    apps: {
      errors: app('errors', env('errors', { HARBOUR_WORK_MS: '5' })),
      tail: app('tail', {}),
      // Its first answers come from a cold process and are slow on a busy machine: only the silence is to be judged.
      silent: app('silent', { analysis: { ...sequential, latency: false, noData: 'fail' }, sticky: 'cookie' }, '2m', 20),
      impatient: app('impatient', {}, '2m', 20),
      diurnal: app(
        'diurnal',
        // Two whole days at least; then it ends as soon as it is shown.
        {
          analysis: { ...lenient, latency: { margin: 0.3 }, early: { minBake: '16s' } },
          ...env('diurnal', { HARBOUR_WORK_MS: '20', HARBOUR_DAY_MS: '8000' }),
        },
        '4m',
      ),
      outage: app('outage', { analysis: { ...lenient, source } }, '10s'),
      sick: app('sick', { analysis: { ...lenient, early: { minBake: '2s' } } }, '22s'),
    },
    environments: { production: { edge: { kind: edge, port: 0, sticky: 'none' } } },
  };
}

async function ended(world: World, id: string, each: (release: Release) => Promise<void> = async () => {}): Promise<Release> {
  let release: Release | null = null;
  const seen = () => `release ${id} to end: ${JSON.stringify(release?.rollouts)}`;
  await until(seen, async () => {
    release = await world.api<Release>('GET', `/v1/releases/${id}`);
    await each(release);
    return release.outcome !== null && release.stage === 'closed';
  });
  return release as unknown as Release;
}

async function eventsOf(world: World, id: string, type: string): ReturnType<World['events']> {
  return (await world.events(id)).filter((event) => event.type === type);
}

async function until(what: string | (() => string), is: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 280_000;
  while (!(await is())) {
    if (Date.now() > deadline) throw new Error(`waited for ${typeof what === 'string' ? what : what()}`);
    await sleep(200);
  }
}

/** Where the platform has an app's instances listen now. */
function portsOf(dir: string, app: string): number[] {
  const folder = join(dir, '.sluice/apps/production', app);
  return readdirSync(folder).flatMap((version) => {
    try {
      const { instances } = JSON.parse(readFileSync(join(folder, version, 'state.json'), 'utf8')) as {
        instances: { port: number | null }[];
      };
      return instances.flatMap(({ port }) => (port === null ? [] : [port]));
    } catch {
      return [];
    }
  });
}

/** A real one, told by a file whom to scrape. */
function prometheusAt(dir: string, port: number) {
  const targets = join(dir, '.sluice/targets.json');
  const config = join(dir, '.sluice/prometheus.yml');
  let child: ChildProcess | null = null;
  return {
    aim(ports: readonly number[]) {
      writeFileSync(`${targets}.new`, JSON.stringify([{ targets: ports.map((one) => `127.0.0.1:${one}`) }]));
      renameSync(`${targets}.new`, targets);
    },
    async start() {
      this.aim(portsOf(dir, 'outage'));
      const every = '{scrape_interval: 500ms, scrape_timeout: 500ms}';
      const from = `{job_name: harbour, file_sd_configs: [{files: [targets.json], refresh_interval: 1s}]}`;
      writeFileSync(config, `global: ${every}\nscrape_configs: [${from}]\n`);
      const args = [
        `--config.file=${config}`,
        `--storage.tsdb.path=${join(dir, '.sluice/tsdb')}`,
        `--web.listen-address=127.0.0.1:${port}`,
      ];
      child = spawn('prometheus', args, { cwd: dir, stdio: 'ignore' });
      await until('Prometheus', () =>
        fetch(`http://127.0.0.1:${port}/-/ready`).then(
          ({ ok }) => ok,
          () => false,
        ),
      );
    },
    async kill() {
      const gone = new Promise((done) => child?.once('exit', done));
      child?.kill('SIGKILL');
      await gone;
    },
    stop: () => void child?.kill('SIGKILL'),
  };
}

function has(program: 'haproxy' | 'prometheus'): boolean {
  try {
    const path = `${process.env['PATH'] ?? ''}:/usr/sbin`;
    execFileSync(program, [program === 'haproxy' ? '-v' : '--version'], { stdio: 'ignore', env: { ...process.env, PATH: path } });
    return true;
  } catch {
    return false;
  }
}
