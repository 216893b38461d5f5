/**
 * What a request costs on its way through an edge, and how soon a new version answers after the command:
 * `npx tsx bench/edge.bench.ts [--rounds=4] [--switches=120] [--seconds=2]`. The same tiny upstream behind each;
 * rounds are interleaved, figures are medians over rounds.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { cpus, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { embeddedEdge } from '../src/adapters/edge/embedded.ts';
import { haproxyEdge } from '../src/adapters/edge/haproxy/haproxy.ts';
import { cpuMs } from './edge/cpu.ts';
import { at, load, type Load } from './edge/load.ts';
import { type Proxy, nginxProxy, ourProxy } from './edge/proxies.ts';
import { firstResponses } from './edge/switches.ts';
import { upstream } from './edge/upstream.ts';
import { findProgram, machine, median, table, writeResults } from './_lib.ts';

const option = (name: string, otherwise: number) =>
  Number(process.argv.find((arg) => arg.startsWith(`--${name}=`))?.split('=')[1] ?? otherwise);
const ROUNDS = option('rounds', 4);
const SWITCHES = option('switches', 120);
const SECONDS = option('seconds', 2);
const COMMAND = 'npx tsx bench/edge.bench.ts';

const wrk = findProgram('wrk');
if (wrk === null) {
  console.log('skipped: wrk is not installed (`apt-get install wrk`)');
  process.exit(0);
}

const begun = Date.now();
const dir = await mkdtemp(join(tmpdir(), 'bench-edge-'));
const upstreams = [await upstream('blue'), await upstream('green')] as const;
const skipped: string[] = [];
const proxies: Proxy[] = [];

async function add(name: string, program: string | null, make: () => Promise<Proxy>): Promise<void> {
  if (program === null || findProgram(program) !== null) proxies.push(await make());
  else skipped.push(`${name}: ${program} is not installed (\`apt-get install ${program}\`)`);
}

interface Cost {
  readonly busy: Load;
  readonly calm: Load;
  /** Processor time a request takes of the proxy, µs. */
  readonly cpu: number;
}

/** One round: throughput with 16 connections, latency with one, each proxy and the upstream itself in turn. */
async function round(program: string, direct: string): Promise<Map<string, Cost>> {
  const results = new Map<string, Cost>();
  for (const { name, url, pids } of [{ name: 'direct', url: direct, pids: async () => [] }, ...proxies]) {
    const processes = await pids();
    const before = await cpuMs(processes);
    const busy = await load(program, url, { connections: 16, seconds: SECONDS });
    const used = ((await cpuMs(processes)) ?? Number.NaN) - (before ?? 0);
    const calm = await load(program, url, { connections: 1, seconds: SECONDS / 2 });
    results.set(name, { busy, calm, cpu: (used * 1_000) / (busy.perSecond * SECONDS) });
  }
  return results;
}

function throughput(rounds: readonly Map<string, Cost>[]): string {
  const figure = (name: string, of: (one: Cost) => number) => median(rounds.map((results) => of(results.get(name) as Cost)));
  const best = figure(proxies.some(({ name }) => name === 'nginx') ? 'nginx' : 'direct', ({ busy }) => busy.perSecond);
  const added = (name: string, of: (one: Load) => number) => {
    const perRound = rounds.map((results) => of(results.get(name)?.calm as Load) - of(results.get('direct')?.calm as Load));
    return `${Math.max(0, median(perRound) * 1_000).toFixed(0)} µs`;
  };
  const rows = ['direct', ...proxies.map(({ name }) => name)].map((name) => {
    const perSecond = figure(name, ({ busy }) => busy.perSecond);
    const failed = rounds.reduce((sum, results) => sum + (results.get(name)?.busy.failed ?? 0) + (results.get(name)?.calm.failed ?? 0), 0);
    const delays =
      name === 'direct'
        ? ['', '', '']
        : [`${figure(name, ({ cpu }) => cpu).toFixed(0)} µs`, added(name, ({ p50 }) => p50), added(name, ({ p99 }) => p99)];
    return [name, Math.round(perSecond).toLocaleString('en'), (perSecond / best).toFixed(2), ...delays, String(failed)];
  });
  return table(['through', 'requests/s, 16 connections', 'ratio to nginx', 'CPU a request', 'added p50', 'added p99', 'failed'], rows);
}

async function switching(): Promise<string> {
  const perRound = Math.ceil(SWITCHES / ROUNDS);
  const took = new Map(proxies.map(({ name }): [string, { ms: number[]; failed: number }] => [name, { ms: [], failed: 0 }]));
  for (let i = 0; i < ROUNDS; i += 1) {
    for (const proxy of proxies) {
      const { ms, failed } = await firstResponses(proxy, upstreams, perRound);
      const sum = took.get(proxy.name);
      sum?.ms.push(...ms);
      if (sum !== undefined) sum.failed += failed;
    }
  }
  const peer = took.get('nginx');
  const rows = [...took].map(([name, { ms, failed }]) => [
    name,
    String(ms.length),
    `${at(ms, 0.5).toFixed(1)} ms`,
    `${at(ms, 0.99).toFixed(1)} ms`,
    `${Math.max(...ms).toFixed(1)} ms`,
    peer === undefined ? '' : (at(ms, 0.5) / at(peer.ms, 0.5)).toFixed(2),
    String(failed),
  ]);
  return table(['edge', 'switches', 'p50', 'p99', 'max', 'p50 to nginx', 'requests failed'], rows);
}

try {
  await add('embedded', null, () =>
    ourProxy('embedded', embeddedEdge({ dir: join(dir, 'embedded'), port: 0 }), join(dir, 'embedded'), upstreams[0]),
  );
  await add('HAProxy', 'haproxy', () =>
    ourProxy('HAProxy', haproxyEdge({ dir: join(dir, 'haproxy'), port: 0 }), join(dir, 'haproxy'), upstreams[0]),
  );
  await add('nginx', 'nginx', () => nginxProxy(join(dir, 'nginx'), upstreams[0]));
  const rounds: Map<string, Cost>[] = [];
  for (let i = 0; i < ROUNDS; i += 1) rounds.push(await round(wrk, upstreams[0].url));
  const costs = throughput(rounds);
  const switches = await switching();
  const text = `## The edges

A tiny answer through each edge; medians of ${ROUNDS} interleaved rounds of ${SECONDS} s by wrk, on the same ${cpus().length} cores as the load and the upstream. ${machine()}. CPU: of all the edge's processes, the accounting included. Added: with one connection, over the upstream asked directly. The machine did other work at the time: load average ${loadavg()[0]?.toFixed(1)}. Both edges of Sluice know the user and count every answer by version, status class and latency; nginx (proxy with kept-alive upstream connections, no log) does neither, and is the floor.

${costs}

### From the command to the first answer of a new version

Each switch gives all the traffic to another version, announced at 0 % before as every rollout does, while one keep-alive client asks without pause. Sluice's edges change while they run (state on disk first); nginx gets a new file and a reload.

${switches}
${skipped.map((line) => `\nSkipped: ${line}.`).join('')}
Measured in ${Math.round((Date.now() - begun) / 1_000)} s by \`${COMMAND}\`.`;
  console.log(text);
  writeResults('edge', text);
} finally {
  for (const proxy of proxies) await proxy.stop();
  for (const one of upstreams) one.stop();
  await rm(dir, { recursive: true, force: true });
}
