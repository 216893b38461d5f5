/**
 * What judging costs: `make build && npx tsx bench/judge-cost.bench.ts [--buckets=200] [--rollouts=1000] [--looks=60]`. Each of many
 * rollouts is given a sample a second whose histograms have that many buckets in both arms, and asked whether that decides anything.
 * Beside it, what any judge has to do with a sample that is kept: write it as JSON and read it again.
 */
import { join } from 'node:path';
import { bucketOf } from '../src/core/analysis/histogram.ts';
import { SEQUENTIAL_DEFAULTS, type SequentialPolicy } from '../src/core/analysis/policy.ts';
import type { ArmCounts } from '../src/core/analysis/sample.ts';
import { randomFrom } from '../src/core/analysis/simulate.ts';
import { machine, table, writeResults } from './_lib.ts';

const option = (name: string, otherwise: number) =>
  Number(process.argv.find((arg) => arg.startsWith(`--${name}=`))?.split('=')[1] ?? otherwise);
const BUCKETS = option('buckets', 200);
const ROLLOUTS = option('rollouts', 1000);
const LOOKS = option('looks', 60);
const POLICY: SequentialPolicy = { ...SEQUENTIAL_DEFAULTS, intervalMs: 1000, initialDelayMs: 0 };
// As it is shipped: what runs from source here names every inner function anew at each call, which costs more than the judge.
const shipped = join(import.meta.dirname, '../dist/core/analysis/sequential/judge.js');
const { sequentialJudge } = (await import(shipped)) as typeof import('../src/core/analysis/sequential/judge.ts');
const FIRST = bucketOf(2);
const random = randomFrom(20);

/** Every bucket has as many answers as `each`, the others fall as they please around the middle. */
function arm(requests: number, each: number): ArmCounts {
  const counts = new Array<number>(BUCKETS).fill(each);
  for (let i = each * BUCKETS; i < requests; i++) {
    const at = Math.floor(((random() + random() + random()) / 3) * BUCKETS);
    counts[at] = (counts[at] ?? 0) + 1;
  }
  const latency = Object.fromEntries(counts.map((count, i) => [String(FIRST + i), count]));
  return { requests: Math.max(requests, each * BUCKETS), errors: Math.floor((random() * requests) / 300), latency };
}

// As many different samples as there are rollouts, made beforehand: what making them costs, and the rubbish of it, is not the judge's.
const prepared = Array.from({ length: ROLLOUTS }, () => ({ candidate: arm(300, 1), baseline: arm(5700, 19) }));
const judge = sequentialJudge({ share: 0.05, bakeMs: 1_800_000, bakes: 1 });
const states = Array.from({ length: ROLLOUTS }, () => judge.start(POLICY, 0));
const judged: number[] = [];
const looks: number[] = [];
const kept: number[] = [];
let decided = 0;
for (let look = 0; look < LOOKS; look++) {
  const before = process.cpuUsage();
  for (const [i, state] of states.entries()) {
    const { candidate, baseline } = prepared[(i + 7 * look) % ROLLOUTS] ?? { candidate: null, baseline: null };
    const sample = { fromAt: look * 1000, at: (look + 1) * 1000, candidate, baseline, error: null };
    const since = performance.now();
    const next = judge.observe(POLICY, state, sample);
    const phase = judge.phase(POLICY, next, sample.at);
    states[i] = next;
    if (phase !== 'Running') decided += 1;
    judged.push((performance.now() - since) * 1000);
  }
  const { user, system } = process.cpuUsage(before);
  looks.push((user + system) / 1000);
}
for (const arms of prepared) {
  const since = performance.now();
  JSON.parse(JSON.stringify({ fromAt: 0, at: 1000, ...arms, error: null }));
  kept.push((performance.now() - since) * 1000);
}

const at = (all: readonly number[], share: number): number => all.toSorted((a, b) => a - b)[Math.floor((all.length - 1) * share)] ?? 0;
const largest = Math.max(...states.map((state) => JSON.stringify(state).length));
const text = [
  '## What judging costs',
  `${ROLLOUTS} rollouts, ${LOOKS} looks, ${BUCKETS} buckets in each arm, ${decided} of the looks decided. ${machine()}. \`make build && npx tsx bench/judge-cost.bench.ts\``,
  table(
    ['figure', 'measured', 'goal'],
    [
      ['one update and its phase, median / p95', `${at(judged, 0.5).toFixed(0)} / ${at(judged, 0.95).toFixed(0)} µs`, '50 µs'],
      ['peer: the same sample written as JSON and read again', `${at(kept, 0.5).toFixed(0)} / ${at(kept, 0.95).toFixed(0)} µs`, ''],
      [`all ${ROLLOUTS} rollouts, a look each second, share of a core`, `${(at(looks, 0.5) / 10).toFixed(1)} %`, '5 %'],
      ['largest state', `${(largest / 1024).toFixed(1)} kB`, '16 kB'],
    ],
  ),
].join('\n\n');
writeResults('judge-cost', text);
process.stdout.write(`${text}\n`);
