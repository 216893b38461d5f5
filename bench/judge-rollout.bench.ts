/**
 * The rollout as installed (three bakes, the usual looks, evidence carried from one to the next, status classes told):
 * `npx tsx bench/judge-rollout.bench.ts [--runs=200] [--whole=2000] [--noisy=200] [--seed=1] [--interval=5]`. `runs`: of what is
 * worse; `whole`, `noisy`: of rollouts that go to their end, at 50 and at 500 requests a second.
 */
import { SEQUENTIAL_DEFAULTS } from '../src/core/analysis/policy.ts';
import { playRollout, type Played } from '../src/core/analysis/play.ts';
import type { Regression, Scenario } from '../src/core/analysis/simulate.ts';
import { machine, table, writeResults } from './_lib.ts';
import { atMost, BASE, EDGE, percent } from './judge/bakes.ts';

const option = (name: string, otherwise: number) =>
  Number(process.argv.find((arg) => arg.startsWith(`--${name}=`))?.split('=')[1] ?? otherwise);
const RUNS = option('runs', 200);
const WHOLE = option('whole', 2000);
const NOISY = option('noisy', 200);
const SEED = option('seed', 1);
const POLICY = { ...SEQUENTIAL_DEFAULTS, intervalMs: option('interval', SEQUENTIAL_DEFAULTS.intervalMs / 1000) * 1000 };
const BAKES = [
  { share: 0.05, seconds: 1800 },
  { share: 0.25, seconds: 600 },
  { share: 0.5, seconds: 600 },
];
const BEGINS_S = 901;
const BROKEN: Regression = { isEndpointBroken: true };
const ENDPOINT: Partial<Scenario> = { endpointShare: 0.003 };

function play(requestsPerSecond: number, candidate: Regression, more: Partial<Scenario>, runs: number): Played[] {
  const scenario = { name: '', requestsPerSecond, share: 0, seconds: 0, errorRate: BASE, refusedRate: 0.02, candidate, ...more };
  return Array.from({ length: runs }, (_, i) => playRollout(POLICY, BAKES, scenario, SEED * 9_000_011 + i * 7907));
}

function found(
  name: string,
  rate: number,
  candidate: Regression,
  of: (one: Played) => number,
  goal: string,
  more: Partial<Scenario> = {},
): string[] {
  const values = play(rate, candidate, more, RUNS)
    .map((one) => (one.phase === 'Failed' ? of(one) : Infinity))
    .toSorted((a, b) => a - b);
  const at = (share: number) => String(values[Math.floor((values.length - 1) * share)]);
  process.stderr.write(`${name}: ${at(0.5)} ${at(0.95)}\n`);
  return [name, String(rate), at(0.5), at(0.95), goal];
}

function ends(name: string, rate: number, candidate: Regression, more: Partial<Scenario>, goal: string): string[] {
  const all = play(rate, candidate, more, rate < 500 ? WHOLE : NOISY);
  const count = (phase: string) => all.filter((one) => one.phase === phase).length;
  const share = (phase: string) => percent(count(phase) / all.length);
  process.stderr.write(`${name}: ${share('Successful')} ${share('Failed')}\n`);
  const failed = `${count('Failed')} of ${all.length}`;
  return [name, String(rate), share('Successful'), share('Inconclusive'), failed, percent(atMost(count('Failed'), all.length)), goal];
}

const requests = (one: Played) => one.requests;
/** Of the one endpoint that is told apart. */
const ofEndpoint = ({ judge }: Played) => (judge.judge === 'sequential' ? (judge.routes?.['/endpoint']?.candidate[0] ?? 0) : 0);
/** Those that failed, which in the good minutes before are next to none. */
const ofEndpointLate = ({ judge }: Played) => (judge.judge === 'sequential' ? (judge.routes?.['/endpoint']?.candidate[1] ?? 0) : 0);
/** Latency is judged once the first minute is over. */
const judged = (rate: number) => (one: Played) => one.requests - Math.round((rate * 0.05 * POLICY.initialDelayMs) / 1000);
const delay = (one: Played) => one.afterMs / 1000 - BEGINS_S;

const text = [
  '## The rollout as installed',
  `Three bakes (5 % for 30 min, 25 % and 50 % for 10), a look every ${POLICY.intervalMs / 1000} s, the first minute without latency; ${RUNS} runs a row. Seed ${SEED}. ${machine()}. \`npx tsx bench/judge-rollout.bench.ts --runs=${RUNS} --whole=${WHOLE} --noisy=${NOISY} --seed=${SEED}\``,
  table(
    ['worse from the beginning: requests to the new version until it is failed', 'requests/s', 'median', 'p95', 'goal'],
    [
      found('errors 0.1 → 1 %, from the first request on', 500, { errorRate: 0.01 }, requests, '1,300 / 2,600'),
      found('latency × 1.2', 500, { latencyFactor: 1.2 }, judged(500), '950 / 1,800'),
      found('slowest 3 % × 2', 500, { tailFactor: 2 }, judged(500), '850 / 1,500'),
      found('errors 0.1 → 5 %, from the first request on', 50, { errorRate: 0.05 }, requests, '120 / 230'),
      found('latency × 1.5', 50, { latencyFactor: 1.5 }, judged(50), '90 / 150'),
      found('a third of the answers 401', 500, { refusedRate: 0.33 }, requests, ''),
      found('an endpoint with 0.3 % of the traffic broken: its requests', 500, BROKEN, ofEndpoint, '400', ENDPOINT),
      found('… from minute 15 on: all its requests since', 500, { ...BROKEN, from: BEGINS_S }, ofEndpointLate, '400', ENDPOINT),
    ],
  ),
  table(
    ['worse from minute 15: seconds until it is failed', 'requests/s', 'median', 'p95', 'goal'],
    [
      found('errors 5 %', 500, { from: BEGINS_S, errorRate: 0.05 }, delay, 'p95 25 s'),
      found('latency × 1.5', 500, { from: BEGINS_S, latencyFactor: 1.5 }, delay, 'p95 25 s'),
    ],
  ),
  table(
    ['how the whole rollout ends', 'requests/s', 'passes', 'waits', 'is failed', 'so at most (95 %)', 'goal'],
    [
      ends('like the old version', 50, {}, {}, 'passes ≥ 95 %'),
      ends('errors and latency on the edge', 50, EDGE, {}, 'failed ≤ 1 %'),
      ends('errors in clumps of 8', 500, {}, { errorClump: 8 }, 'failed ≤ 2 %'),
      ends('noise of 10 % between the arms', 500, {}, { armNoise: 0.1 }, 'failed ≤ 2 %'),
      ends('cold start × 3, 50 s', 500, { coldFactor: 3, coldSeconds: 50 }, {}, ''),
    ],
  ),
].join('\n\n');
writeResults('judge-rollout', text);
process.stdout.write(`${text}\n`);
