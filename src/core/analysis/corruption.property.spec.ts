import { describe, expect, it } from 'vitest';
import { ERROR_RATE, LATENCY, POLICY, T0 } from '../../../test/worlds/samples.ts';
import { finishAnalysis, observeSample, startAnalysis } from './judge.ts';
import { KAYENTA_METRIC } from './kayenta.ts';
import { SEQUENTIAL_DEFAULTS, type AnalysisPolicy, type KayentaPolicy, type ThresholdPolicy } from './policy.ts';
import type { ArmCounts, ArmName, Sample } from './sample.ts';
import { randomFrom } from './simulate.ts';

/** Streams tried with each judge, and the seed of the first. */
const STREAMS = Number(process.env['SLUICE_STREAMS'] ?? 2000);
const SEED = Number(process.env['SLUICE_SEED'] ?? 1);
const LOOK = 10_000;
const LOOKS = 60;
const SETTING = { share: 0.25, bakeMs: LOOKS * LOOK, bakes: 1 };

const compared = {
  ...KAYENTA_METRIC,
  direction: 'increase',
  group: 'all',
  critical: false,
  mustHaveData: false,
  outliers: 'keep',
  minRequests: 100,
  dryRun: false,
} as const;
const effect = { ...KAYENTA_METRIC.effect, allowedIncrease: 1.1 };
const KAYENTA: KayentaPolicy = {
  judge: 'kayenta',
  intervalMs: LOOK,
  initialDelayMs: 0,
  noData: 'inconclusive',
  minRequests: 100,
  metrics: [
    { ...compared, effect, name: 'errors', measure: { kind: 'errorRate' } },
    { ...compared, effect, name: 'p95', measure: { kind: 'latency', quantile: 0.95 } },
  ],
  scores: { pass: 95, marginal: 75 },
  groupWeights: {},
  minPoints: 20,
  maxPoints: 240,
};
const THRESHOLD: ThresholdPolicy = {
  ...POLICY,
  metrics: [
    { ...ERROR_RATE, failureLimit: 2, minRequests: 200 },
    { ...LATENCY, failureLimit: 2, minRequests: 200 },
  ],
};
const JUDGES: Readonly<Record<string, AnalysisPolicy>> = {
  sequential: { ...SEQUENTIAL_DEFAULTS, initialDelayMs: 0 },
  threshold: THRESHOLD,
  kayenta: KAYENTA,
};

/** Shares of latencies by bucket: some hundred buckets of one slow-tailed distribution would cost time and tell no more. */
const BUCKETS = Array.from({ length: 40 }, (_, i) => ({ bucket: 220 + 3 * i, share: Math.exp(-((i - 13) ** 2) / 110) }));
const ALL_SHARES = BUCKETS.reduce((sum, { share }) => sum + share, 0);

type Random = () => number;

/** About Poisson: exact enough where there are many, and never below none. */
function around(random: Random, mean: number): number {
  if (mean > 30) return Math.max(0, Math.round(mean + Math.sqrt(mean) * (random() + random() + random() + random() - 2) * Math.sqrt(3)));
  let [count, left] = [0, mean + Math.log(1 - random())];
  for (; left > 0; left += Math.log(1 - random())) count += 1;
  return count;
}

function answers(random: Random, mean: number): ArmCounts {
  const latency: Record<string, number> = {};
  let requests = 0;
  for (const { bucket, share } of BUCKETS) {
    const count = around(random, (mean * share) / ALL_SHARES);
    if (count > 0) latency[bucket] = count;
    requests += count;
  }
  return { requests, errors: Math.min(requests, around(random, requests * 0.0005)), latency };
}

function goodStream(random: Random, perSecond: number): Sample[] {
  return Array.from({ length: LOOKS }, (_, look) => ({
    fromAt: T0 + look * LOOK,
    at: T0 + (look + 1) * LOOK,
    candidate: answers(random, perSecond * SETTING.share * (LOOK / 1000)),
    baseline: answers(random, perSecond * (1 - SETTING.share) * (LOOK / 1000)),
    error: null,
  }));
}

type Corruption = (sample: Sample, arm: ArmName, before: Sample) => Sample;
const inArm =
  (change: (counts: ArmCounts) => ArmCounts | null): Corruption =>
  (sample, arm) => ({ ...sample, [arm]: sample[arm] === null ? null : change(sample[arm]) });
const scaled = (counts: ArmCounts['latency'], by: number) =>
  Object.fromEntries(Object.entries(counts).map(([bucket, count]) => [bucket, Math.round(count * by)]));

/** What can go wrong with the numbers of one arm, or of both, from some moment on. */
const CORRUPTIONS: Readonly<Record<string, Corruption>> = {
  'is silent': inArm((counts) => ({ ...counts, requests: 0, errors: 0, latency: {} })),
  'is gone': inArm(() => null),
  'has lost its latencies': inArm((counts) => ({ ...counts, latency: {} })),
  'has lost its errors': inArm((counts) => ({ ...counts, errors: 0, unknown: ['errors'] })),
  'has a hundred times the latencies': inArm((counts) => ({ ...counts, latency: scaled(counts.latency, 100) })),
  'has only its fast latencies': inArm((counts) => ({
    ...counts,
    latency: Object.fromEntries(Object.entries(counts.latency).filter(([bucket]) => Number(bucket) < 245)),
  })),
  'has more errors than requests': inArm((counts) => ({ ...counts, errors: counts.requests + 1 })),
  'counts less than nothing': inArm((counts) => ({ ...counts, requests: -counts.requests - 1 })),
  'counts what is no number': inArm((counts) => ({ ...counts, requests: Number.NaN })),
  'has a counter of another source': inArm((counts) => ({ ...counts, requests: counts.requests * 100 })),
  'repeats its last look': (_sample, _arm, before) => before,
  'has a clock that is an hour ahead': (sample) => ({ ...sample, fromAt: sample.fromAt + 3_600_000, at: sample.at + 3_600_000 }),
  'cannot be read': (sample) => ({ ...sample, candidate: null, baseline: null, error: 'status 200, and an error in it' }),
};

function phaseAfter(policy: AnalysisPolicy, samples: readonly Sample[]): { phase: string; reason: string } {
  const state = samples.reduce((before, sample) => observeSample(policy, before, sample), startAnalysis(policy, T0, SETTING));
  return finishAnalysis(policy, state, T0 + LOOKS * LOOK);
}

describe.each(Object.entries(JUDGES))('streams for the %s judge', (_, policy) => {
  it('one that is corrupted from any moment on never ends Successful', () => {
    const kinds = Object.entries(CORRUPTIONS);
    for (let i = 0; i < STREAMS; i++) {
      const random = randomFrom(SEED + i);
      const perSecond = Math.exp(random() * Math.log(5000));
      const [kind, corrupt] = kinds[i % kinds.length] ?? ['', (sample: Sample) => sample];
      const arm: ArmName = random() < 0.5 ? 'candidate' : 'baseline';
      // What is left has to be able to show it: four looks, and fifty requests of either version.
      const left = Math.max(4, Math.ceil(50 / (perSecond * SETTING.share * (LOOK / 1000))));
      if (left >= LOOKS) continue;
      const from = 1 + Math.floor(random() * (LOOKS - left - 1));
      const stream = goodStream(random, perSecond);
      const before = stream[from - 1] as Sample;
      const { phase, reason } = phaseAfter(
        policy,
        stream.map((sample, look) => (look < from ? sample : corrupt(sample, arm, before))),
      );
      expect(phase, `seed ${SEED + i}: ${arm} ${kind} from look ${from} at ${perSecond.toFixed(1)} a second: ${reason}`).not.toBe(
        'Successful',
      );
    }
  }, 120_000);

  it('most that are not corrupted do pass, so that this says something', () => {
    let passed = 0;
    for (let i = 0; i < 60; i++) if (phaseAfter(policy, goodStream(randomFrom(SEED + i), 200 + 20 * i)).phase === 'Successful') passed += 1;
    expect(passed).toBeGreaterThanOrEqual(51);
  }, 60_000);
});
