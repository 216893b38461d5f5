/**
 * How whole bakes of half an hour end, with a look every second: good candidates that pass, those on the line of the pass
 * tests that pass all the same, and how soon what begins in the middle is found:
 * `npx tsx bench/judge-bakes.bench.ts [--runs=2000] [--late=600] [--seed=1]`.
 */
import type { SequentialState } from '../src/core/analysis/sequential/state.ts';
import type { Regression } from '../src/core/analysis/simulate.ts';
import { machine, table, writeResults } from './_lib.ts';
import { atMost, bake, BASE, percent, plain, POLICY } from './judge/bakes.ts';

const option = (name: string, otherwise: number) =>
  Number(process.argv.find((arg) => arg.startsWith(`--${name}=`))?.split('=')[1] ?? otherwise);
const RUNS = option('runs', 2000);
const LATE = option('late', 600);
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

function late(name: string, change: Regression): string[] {
  const scenario = plain(name, 500, { candidate: { from: BEGINS_S, ...change } });
  const delays: number[] = [];
  for (let i = 0; i < LATE; i++) {
    const { state, second } = bake(scenario, SEED * 9_000_011 + i * 7907, ({ decided }) => decided?.phase === 'Failed');
    delays.push(state.decided?.phase === 'Failed' ? second - BEGINS_S : Infinity);
  }
  const sorted = delays.toSorted((a, b) => a - b);
  const at = (share: number): string => `${sorted[Math.floor((LATE - 1) * share)] ?? '–'} s`;
  process.stderr.write(`${name}: ${at(0.5)} ${at(0.95)}\n`);
  return [name, at(0.5), at(0.95), percent(delays.filter((delay) => delay <= 30).length / LATE)];
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
  `A change at minute 15 of a bake at 500 requests/s, ${LATE} runs; goal: found within 30 s.`,
  table(
    ['from minute 15', 'found after, median', 'p95', 'within 30 s'],
    [late('errors 5 %', { errorRate: 0.05 }), late('latency × 1.5', { latencyFactor: 1.5 })],
  ),
].join('\n\n');
writeResults('judge-bakes', text);
process.stdout.write(`${text}\n`);
