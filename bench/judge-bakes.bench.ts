/**
 * How whole bakes of half an hour end, with a look every second: good candidates that pass, those on the line of the pass
 * tests that pass all the same, after how many requests a worse one is failed, and how soon what begins in the middle is:
 * `npx tsx bench/judge-bakes.bench.ts [--runs=2000] [--worse=600] [--seed=1]`.
 */
import type { SequentialState } from '../src/core/analysis/sequential/state.ts';
import type { Regression } from '../src/core/analysis/simulate.ts';
import { machine, table, writeResults } from './_lib.ts';
import { atMost, bake, BASE, percent, plain, POLICY } from './judge/bakes.ts';

const option = (name: string, otherwise: number) =>
  Number(process.argv.find((arg) => arg.startsWith(`--${name}=`))?.split('=')[1] ?? otherwise);
const RUNS = option('runs', 2000);
const WORSE = option('worse', 600);
const SEED = option('seed', 1);
const BEGINS_S = 900;

const hasShown = (state: SequentialState): boolean => Object.values(state.pass).every((test) => test.crossedAt !== null);

function passing(name: string, requestsPerSecond: number, candidate: Regression, goal: string): string[] {
  const scenario = plain(name, requestsPerSecond, { candidate });
  const seconds: number[] = [];
  for (let i = 0; i < RUNS; i++) {
    const { state, second } = bake(scenario, SEED * 9_000_011 + i * 7907, hasShown);
    if (hasShown(state)) seconds.push(second);
  }
  const median = seconds.toSorted((a, b) => a - b)[seconds.length >> 1];
  process.stderr.write(`${name} at ${requestsPerSecond}/s: ${seconds.length} of ${RUNS}\n`);
  const bound = goal.startsWith('≤')
    ? `at most ${percent(atMost(seconds.length, RUNS))}`
    : `at least ${percent(1 - atMost(RUNS - seconds.length, RUNS))}`;
  return [
    name,
    String(requestsPerSecond),
    `${seconds.length} of ${RUNS}`,
    percent(seconds.length / RUNS),
    bound,
    goal,
    `${median ?? '–'} s`,
  ];
}

/** What every one of many bakes with a worse candidate came to when it was failed; Infinity where it was not. */
function failing(requestsPerSecond: number, candidate: Regression, of: (state: SequentialState, second: number) => number): number[] {
  const found: number[] = [];
  for (let i = 0; i < WORSE; i++) {
    const { state, second } = bake(
      plain('', requestsPerSecond, { candidate }),
      SEED * 9_000_011 + i * 7907,
      ({ decided }) => decided?.phase === 'Failed',
    );
    found.push(state.decided?.phase === 'Failed' ? of(state, second) : Infinity);
  }
  return found.toSorted((a, b) => a - b);
}

const at = (sorted: readonly number[], share: number): number => sorted[Math.floor((sorted.length - 1) * share)] ?? Infinity;

function requests(name: string, requestsPerSecond: number, candidate: Regression, goal: string): string[] {
  const found = failing(requestsPerSecond, candidate, (state) => state.candidateRequests);
  process.stderr.write(`${name} at ${requestsPerSecond}/s: ${at(found, 0.5)} ${at(found, 0.95)}\n`);
  return [name, String(requestsPerSecond), String(at(found, 0.5)), String(at(found, 0.95)), goal];
}

function late(name: string, change: Regression): string[] {
  const found = failing(500, { from: BEGINS_S, ...change }, (_, second) => second - BEGINS_S);
  process.stderr.write(`${name}: ${at(found, 0.5)} ${at(found, 0.95)}\n`);
  return [name, `${at(found, 0.5)} s`, `${at(found, 0.95)} s`, percent(found.filter((delay) => delay <= 30).length / WORSE)];
}

const latency = 1 + (POLICY.latency?.margin ?? 0);
const errors = POLICY.errors.passRatio * BASE + POLICY.errors.passMargin;
const text = [
  '## How whole bakes end',
  `Bakes of 30 minutes with a look every second, 5 % of requests to the candidate, baseline with ${percent(BASE)} errors. Seed ${SEED}. ${machine()}. \`npx tsx bench/judge-bakes.bench.ts\``,
  table(
    ['candidate', 'requests/s', 'passed', '', 'so (95 %)', 'goal', 'shown after, median'],
    [
      passing('like the old version', 50, {}, '≥ 95 %'),
      passing('latency × 1.1, on the line', 50, { latencyFactor: latency }, '≤ 5 %'),
      passing(`errors ${percent(errors)}, on the line`, 50, { errorRate: errors }, '≤ 5 %'),
    ],
  ),
  `Requests of the candidate until it is failed, ${WORSE} runs.`,
  table(
    ['worse from the beginning', 'requests/s', 'median', 'p95', 'goal'],
    [
      requests('errors 0.1 → 1 %', 500, { errorRate: 0.01 }, '1,300 / 2,600'),
      requests('latency × 1.2', 500, { latencyFactor: 1.2 }, '950 / 1,800'),
      requests('slowest 3 % × 2', 500, { tailFactor: 2 }, '850 / 1,500'),
      requests('errors 0.1 → 5 %', 50, { errorRate: 0.05 }, '120 / 230'),
      requests('latency × 1.5', 50, { latencyFactor: 1.5 }, '90 / 150'),
    ],
  ),
  `A change at minute 15 of a bake at 500 requests/s, ${WORSE} runs; goal: found within 30 s.`,
  table(
    ['worse from minute 15', 'found after, median', 'p95', 'within 30 s'],
    [late('errors 5 %', { errorRate: 0.05 }), late('latency × 1.5', { latencyFactor: 1.5 })],
  ),
].join('\n\n');
writeResults('judge-bakes', text);
process.stdout.write(`${text}\n`);
