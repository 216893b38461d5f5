/**
 * How soon judges fail a worse candidate, and how often a good one:
 * `npx tsx bench/judge.bench.ts [--runs=60] [--alarms=150] [--seed=1] [--only=Sluice]`. Everything is simulated, with seeds not
 * used while the judge was built; every judge sees the same requests.
 */
import { SEQUENTIAL_DEFAULTS, type SequentialPolicy } from '../src/core/analysis/policy.ts';
import { sequentialJudge } from '../src/core/analysis/sequential/judge.ts';
import type { AnalysisSetting, SequentialState } from '../src/core/analysis/sequential/state.ts';
import { simulate, type Scenario } from '../src/core/analysis/simulate.ts';
import { machine, table, writeResults } from './_lib.ts';
import { growthbook, kayenta, limits, netflix, ours, type Watcher } from './peers/watchers.ts';

const option = (name: string, otherwise: number) =>
  Number(process.argv.find((arg) => arg.startsWith(`--${name}=`))?.split('=')[1] ?? otherwise);
const RUNS = option('runs', 60);
const ALARMS = option('alarms', 150);
const SEED = option('seed', 1);
/** Beginning of the names of the judges to try; all without it. */
const ONLY = process.argv.find((arg) => arg.startsWith('--only='))?.slice('--only='.length) ?? '';
const BAKE = 1800;
const WARM_UP = 120;
const SETTING: AnalysisSetting = { share: 0.05, bakeMs: BAKE * 1000, bakes: 1 };
const EVERY_SECOND: SequentialPolicy = { ...SEQUENTIAL_DEFAULTS, intervalMs: 1000, initialDelayMs: 0 };

const ALL: readonly Watcher[] = [
  ours('Sluice, 1 s looks', EVERY_SECOND, SETTING, 1),
  ours('Sluice, 10 s looks', { ...EVERY_SECOND, intervalMs: 10_000 }, SETTING, 10),
  kayenta('Kayenta, 5 min', 60, 300),
  kayenta('Kayenta tuned', 10, 60),
  limits('Argo, limit 0', 0),
  limits('Argo, limit 3', 3),
  limits('Flagger, threshold 5', 4),
  growthbook('GrowthBook sequential'),
  netflix('Netflix-2022-style'),
];
const WATCHERS = ALL.filter(({ name }) => name.startsWith(ONLY));

const plain = (requestsPerSecond: number): Scenario => ({
  name: 'plain',
  requestsPerSecond,
  share: 0.05,
  seconds: BAKE,
  errorRate: 0.001,
  candidate: {},
});

/** Seconds at which each judge failed the candidate, counted from the regression's start; null: it did not. */
function run(scenario: Scenario, seed: number, skip: number): (number | null)[] {
  const looks = WATCHERS.map((watcher) => watcher.start());
  const found: (number | null)[] = WATCHERS.map(() => null);
  let second = 0;
  for (const arms of simulate(scenario, seed)) {
    const at = second - skip;
    second += 1;
    if (at < 0) continue;
    for (const [i, look] of looks.entries()) if (found[i] === null && look(at, arms)) found[i] = at + 1;
    if (found.every((one) => one !== null)) break;
  }
  return found;
}

function runs(scenario: Scenario, count: number, skip = 0): (number | null)[][] {
  process.stderr.write(`${scenario.name} at ${scenario.requestsPerSecond}/s\n`);
  return Array.from({ length: count }, (_, i) => run(scenario, SEED * 1_000_003 + i * 7919, skip));
}

/** `median / 95th percentile` of those that found it in time, and how many did. */
function detection(found: readonly (number | null)[], from: number): string {
  const times = found.flatMap((one) => (one === null || one <= from ? [] : [one - from])).toSorted((a, b) => a - b);
  const early = found.filter((one) => one !== null && one <= from).length;
  const share = times.length / found.length;
  const note = early > 0 ? `, ${percent(early / found.length)} before it began` : '';
  if (share < 0.05) return `not found${note}`;
  const all = share > 0.99 ? '' : ` (${percent(share)})`;
  return `${times[Math.floor(times.length / 2)]} / ${times[Math.min(times.length - 1, Math.floor(times.length * 0.95))]}${all}${note}`;
}

function percent(share: number): string {
  return `${Number((share * 100).toFixed(1))} %`;
}

const HALF = BAKE / 2;
const REGRESSIONS: readonly (readonly [string, Scenario['candidate']])[] = [
  ['errors 0.1 → 0.5 %', { errorRate: 0.005 }],
  ['errors 0.1 → 1 %', { errorRate: 0.01 }],
  ['errors 0.1 → 5 %', { errorRate: 0.05 }],
  ['latency × 1.2', { latencyFactor: 1.2 }],
  ['latency × 1.5', { latencyFactor: 1.5 }],
  ['slowest 3 % × 2', { tailFactor: 2 }],
  ['errors 5 % from minute 15', { from: HALF, errorRate: 0.05 }],
  ['latency × 1.5 from minute 15', { from: HALF, latencyFactor: 1.5 }],
];

function detections(requestsPerSecond: number): string {
  const rows = REGRESSIONS.map(([name, candidate]) => {
    const found = runs({ ...plain(requestsPerSecond), name, candidate }, RUNS);
    return [
      name,
      ...WATCHERS.map((_, i) =>
        detection(
          found.map((one) => one[i] ?? null),
          candidate.from ?? 0,
        ),
      ),
    ];
  });
  return table([`${requestsPerSecond} requests/s`, ...WATCHERS.map((watcher) => watcher.name)], rows);
}

const GOOD: readonly (readonly [string, Partial<Scenario>, number])[] = [
  ['plain', {}, 0],
  ['incident on both sides', { incident: { from: 600, until: 900, errorRate: 0.1, latencyFactor: 3 } }, 0],
  ['drift of ± 30 % on both', { drift: 0.3 }, 0],
  ['traffic in bursts × 3', { burst: 3 }, 0],
  ['errors in clumps of 8', { errorClump: 8 }, 0],
  ['noise of 10 % between the arms', { armNoise: 0.1 }, 0],
  [`cold start × 3, first ${WARM_UP} s not judged`, { candidate: { coldFactor: 3, coldSeconds: 100 } }, WARM_UP],
  ['latency × 1.05 (harmless)', { candidate: { latencyFactor: 1.05 } }, 0],
];

function alarms(requestsPerSecond: number, count: number): string {
  const rows = GOOD.map(([name, change, skip]) => {
    const found = runs({ ...plain(requestsPerSecond), ...change, name }, count, skip);
    return [name, ...WATCHERS.map((_, i) => percent(found.filter((one) => one[i] !== null).length / count))];
  });
  return table([`${requestsPerSecond} requests/s, N = ${count}`, ...WATCHERS.map((watcher) => watcher.name)], rows);
}

/** Seconds until a good candidate has shown it, and what an update costs. */
function passing(requestsPerSecond: number, count: number): string[] {
  const ready: number[] = [];
  let [spent, updates, bytes] = [0, 0, 0];
  for (let i = 0; i < count; i++) {
    const judge = sequentialJudge(SETTING);
    let state: SequentialState = judge.start(EVERY_SECOND, 0);
    let second = 0;
    for (const arms of simulate(plain(requestsPerSecond), SEED * 7_000_003 + i)) {
      const since = performance.now();
      state = judge.observe(EVERY_SECOND, state, { fromAt: second * 1000, at: (second + 1) * 1000, ...arms, error: null });
      spent += performance.now() - since;
      second += 1;
      updates += 1;
      if (Object.values(state.pass).every((process) => process.crossedAt !== null)) break;
    }
    bytes = Math.max(bytes, JSON.stringify(state).length);
    if (second < BAKE) ready.push(second);
  }
  const sorted = ready.toSorted((a, b) => a - b);
  return [
    `${requestsPerSecond}/s`,
    percent(ready.length / count),
    `${sorted[Math.floor(sorted.length / 2)] ?? '-'} s`,
    `${Math.round((spent / updates) * 1000)} µs`,
    `${(bytes / 1024).toFixed(1)} kB`,
  ];
}

const started = performance.now();
const sections = [
  '## The judge',
  `Simulated: a bake of 30 minutes, 5 % of requests to the candidate, baseline with 0.1 % errors and a median of 40 ms; a look every second where a judge can. Seed ${SEED}. ${machine()}.`,
  'Peers are adaptations of their published algorithms to the same stream (bench/peers/): Argo and Flagger measure each minute whether errors are below 1 % and p95 within 110 % of the baseline; Kayenta compares error rate, p50, p95 and p99, all critical, without an effect-size threshold, so that its null is equality; GrowthBook and Netflix-style share a risk of 1 %.',
  `### Seconds until a regression is failed (median / 95th percentile, N = ${RUNS}; in brackets how many were found at all)`,
  detections(500),
  detections(50),
  '### Good candidates failed',
  alarms(500, Math.ceil(ALARMS / 3)),
  alarms(50, ALARMS),
  '### Shown to be good, and what it costs',
  table(['requests', 'pass within the bake', 'evidence ready after (median)', 'one update', 'state'], [passing(500, 30), passing(50, 30)]),
];
sections.push(
  `Measured in ${Math.round((performance.now() - started) / 60_000)} min by \`npx tsx bench/judge.bench.ts --runs=${RUNS} --alarms=${ALARMS} --seed=${SEED}\`. All of this is one bake; what people get by default (three bakes, looks of 5 s, evidence carried on) is [the rollout as installed](#the-rollout-as-installed). With many more runs of Sluice alone: [how whole bakes end](#how-whole-bakes-end), [the judge on the edge](#the-judge-on-the-edge).`,
);
// The table that stands in the file has all judges beside each other.
if (ONLY === '') writeResults('judge', sections.join('\n\n'));
process.stdout.write(`${sections.join('\n\n')}\n`);
