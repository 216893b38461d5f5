/**
 * How often the sequential judge fails candidates that it must not fail, over whole bakes with a look every second:
 * `npx tsx bench/judge-alarms.bench.ts [--runs=2000] [--noisy=1000] [--seed=1]`. The candidates of the first rows lie exactly on
 * the edge of what is allowed, where every look may be the one that goes too far. Peers stand in the judge's own bench.
 */
import { SEQUENTIAL_DEFAULTS, type SequentialPolicy } from '../src/core/analysis/policy.ts';
import { sequentialJudge } from '../src/core/analysis/sequential/judge.ts';
import { simulate, type Scenario } from '../src/core/analysis/simulate.ts';
import { machine, table, writeResults } from './_lib.ts';

const option = (name: string, otherwise: number) =>
  Number(process.argv.find((arg) => arg.startsWith(`--${name}=`))?.split('=')[1] ?? otherwise);
const RUNS = option('runs', 2000);
const NOISY = option('noisy', 1000);
const SEED = option('seed', 1);
const BAKE = 1800;
const POLICY: SequentialPolicy = { ...SEQUENTIAL_DEFAULTS, intervalMs: 1000, initialDelayMs: 0 };
const BASE = 0.001;
const EDGE = { errorRate: POLICY.errors.failRatio * BASE + POLICY.errors.failMargin, latencyFactor: 1 + (POLICY.latency?.margin ?? 0) };

const plain = (name: string, requestsPerSecond: number, change: Partial<Scenario> = {}): Scenario => ({
  name,
  requestsPerSecond,
  share: 0.05,
  seconds: BAKE,
  errorRate: BASE,
  candidate: {},
  ...change,
});

/** Whether one bake fails the candidate at any of its looks. */
function fails(scenario: Scenario, seed: number): boolean {
  const judge = sequentialJudge({ share: scenario.share, bakeMs: BAKE * 1000, bakes: 1 });
  let state = judge.start(POLICY, 0);
  let second = 0;
  for (const arms of simulate(scenario, seed)) {
    state = judge.observe(POLICY, state, { fromAt: second * 1000, at: (second + 1) * 1000, ...arms, error: null });
    second += 1;
    if (state.decided?.phase === 'Failed') return true;
  }
  return false;
}

/** Upper end of the exact one-sided 95 % interval for `count` of `runs` (Clopper & Pearson 1934), by bisection. */
function atMost(count: number, runs: number): number {
  const below = (rate: number): number => {
    let term = (1 - rate) ** runs;
    let sum = term;
    for (let k = 1; k <= count; k++) sum += term *= ((runs - k + 1) / k) * (rate / (1 - rate));
    return sum;
  };
  let [low, high] = [count / runs, 1];
  for (let i = 0; i < 50; i++) [low, high] = below((low + high) / 2) > 0.05 ? [(low + high) / 2, high] : [low, (low + high) / 2];
  return high;
}

const percent = (share: number): string => `${Number((share * 100).toFixed(2))} %`;
const row = (scenario: Scenario, runs: number, goal: string): string[] => {
  const since = performance.now();
  let failed = 0;
  for (let i = 0; i < runs; i++) if (fails(scenario, SEED * 9_000_011 + i * 7907)) failed += 1;
  process.stderr.write(
    `${scenario.name} at ${scenario.requestsPerSecond}/s: ${failed} of ${runs}, ${Math.round((performance.now() - since) / 1000)} s\n`,
  );
  return [scenario.name, String(scenario.requestsPerSecond), `${failed} of ${runs}`, percent(atMost(failed, runs)), goal];
};

const rows = [
  row(plain('errors 0.21 % and latency × 1.1, both on the edge', 50, { candidate: EDGE }), RUNS, '1 %'),
  row(plain('errors 0.21 % and latency × 1.1, both on the edge', 500, { candidate: EDGE }), RUNS / 2, '1 %'),
  row(plain('errors in clumps of 8', 500, { errorClump: 8 }), NOISY, '2 %'),
  row(plain('noise of 10 % between the arms', 500, { armNoise: 0.1 }), NOISY, '2 %'),
];
const text = [
  '## The judge on the edge',
  `Good candidates failed in bakes of 30 minutes with a look every second, 5 % of requests to the candidate, baseline with ${percent(BASE)} errors. Seed ${SEED}. ${machine()}. \`npx tsx bench/judge-alarms.bench.ts\``,
  table(['candidate', 'requests/s', 'failed', 'so at most (95 %)', 'goal'], rows),
].join('\n\n');
writeResults('judge-alarms', text);
process.stdout.write(`${text}\n`);
