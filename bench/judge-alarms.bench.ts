/**
 * How often the sequential judge fails candidates that it must not fail, over whole bakes with a look every second:
 * `npx tsx bench/judge-alarms.bench.ts [--runs=2000] [--noisy=1000] [--seed=1]`. The candidates of the first rows lie exactly on
 * the edge of what is allowed, where every look may be the one that goes too far. Peers stand in the judge's own bench.
 */
import type { Scenario } from '../src/core/analysis/simulate.ts';
import { machine, table, writeResults } from './_lib.ts';
import { atMost, bake, BASE, EDGE, percent, plain } from './judge/bakes.ts';

const option = (name: string, otherwise: number) =>
  Number(process.argv.find((arg) => arg.startsWith(`--${name}=`))?.split('=')[1] ?? otherwise);
const RUNS = option('runs', 2000);
const NOISY = option('noisy', 1000);
const SEED = option('seed', 1);

const row = (scenario: Scenario, runs: number, goal: string): string[] => {
  const since = performance.now();
  const hasFailed = (seed: number) => bake(scenario, seed, (state) => state.decided?.phase === 'Failed').state.decided?.phase === 'Failed';
  let failed = 0;
  for (let i = 0; i < runs; i++) if (hasFailed(SEED * 9_000_011 + i * 7907)) failed += 1;
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
