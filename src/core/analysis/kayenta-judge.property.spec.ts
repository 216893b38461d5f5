import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { anySample, anyTime, soundArm } from '../../../test/worlds/any-samples.ts';
import { LOOK, T0 } from '../../../test/worlds/samples.ts';
import { sampleBetween } from './from-counters.ts';
import { finalPhaseOf, finishAnalysis, observeSample, phaseOf, startAnalysis, verdictOf } from './judge.ts';
import { kayentaJudge, type KayentaState } from './kayenta-judge.ts';
import { KAYENTA_METRIC } from './kayenta.ts';
import type { ComparedMetric, KayentaPolicy } from './policy.ts';
import type { Reading } from './reading.ts';
import type { ArmCounts, Sample } from './sample.ts';

const soundArms = fc.array(fc.record({ candidate: soundArm, baseline: soundArm }), { maxLength: 20 });
const anyMetric = (name: string, measure: ComparedMetric['measure']): fc.Arbitrary<ComparedMetric> =>
  fc.record({
    name: fc.constant(name),
    measure: fc.constant(measure),
    direction: fc.constantFrom('increase' as const, 'decrease' as const, 'either' as const),
    group: fc.constantFrom('a', 'b'),
    critical: fc.boolean(),
    mustHaveData: fc.boolean(),
    effect: fc.constantFrom(
      KAYENTA_METRIC.effect,
      { ...KAYENTA_METRIC.effect, allowedIncrease: 1.5, allowedDecrease: 0.5 },
      { ...KAYENTA_METRIC.effect, measure: 'cles' as const, allowedIncrease: 0.6, allowedDecrease: 0.4 },
    ),
    outliers: fc.constantFrom('keep' as const, 'remove' as const),
    minRequests: fc.nat(200),
    dryRun: fc.boolean(),
  });
const anyPolicy: fc.Arbitrary<KayentaPolicy> = fc
  .record({
    errors: anyMetric('errors', { kind: 'errorRate' }),
    p95: anyMetric('p95', { kind: 'latency', quantile: 0.95 }),
    noData: fc.constantFrom('inconclusive' as const, 'fail' as const),
    minPoints: fc.integer({ min: 5, max: 8 }),
    minRequests: fc.integer({ min: 1, max: 300 }),
    groupWeights: fc.constantFrom({}, { a: 40 }, { a: 30, b: 70 }),
  })
  .map(({ errors, p95, ...rest }) => ({
    judge: 'kayenta',
    intervalMs: LOOK,
    initialDelayMs: 0,
    metrics: [errors, p95],
    scores: { pass: 95, marginal: 75 },
    maxPoints: 10,
    ...rest,
  }));

function after(policy: KayentaPolicy, samples: readonly Sample[]): KayentaState {
  return samples.reduce((state, sample) => kayentaJudge.observe(policy, state, sample), kayentaJudge.start(policy, T0));
}

function looks(arms: readonly { candidate: ArmCounts | null; baseline: ArmCounts | null }[]): Sample[] {
  return arms.map((pair, look) => ({ fromAt: T0 + look * LOOK, at: T0 + (look + 1) * LOOK, ...pair, error: null }));
}

describe('the Kayenta judge, whatever it is fed', () => {
  it('never throws, says it in words, and its state is plain JSON and bounded', () => {
    fc.assert(
      fc.property(anyPolicy, fc.array(anySample, { maxLength: 20 }), anyTime, (policy, samples, now) => {
        const state = after(policy, samples);
        expect(verdictOf(policy, state, now).reason).not.toBe('');
        expect(finishAnalysis(policy, state, now).reason).not.toBe('');
        expect(JSON.parse(JSON.stringify(state))).toEqual(state);
        expect(Math.max(...state.metrics.map(({ experiment }) => experiment.length))).toBeLessThanOrEqual(10);
      }),
    );
  });

  it('is Successful only on enough, fresh requests and enough points of every metric that counts', () => {
    fc.assert(
      fc.property(anyPolicy, soundArms, fc.nat(25), (policy, arms, look) => {
        const samples = looks(arms);
        const state = after(policy, samples);
        const now = T0 + look * LOOK;
        if (finishAnalysis(policy, state, now).phase !== 'Successful') return;
        expect(state.candidateRequests).toBeGreaterThanOrEqual(policy.minRequests);
        expect(state.newestDataAt).toBeGreaterThanOrEqual(now - 2 * LOOK);
        const counting = state.metrics.filter((_, i) => policy.metrics[i]?.dryRun === false);
        expect(counting.length).toBeGreaterThan(0);
        for (const { experiment } of counting) expect(experiment.length).toBeGreaterThanOrEqual(policy.minPoints);
      }),
    );
  });

  it('is never Successful during the bake, and never Running after it', () => {
    fc.assert(
      fc.property(anyPolicy, soundArms, (policy, arms) => {
        const state = after(policy, looks(arms));
        const now = T0 + arms.length * LOOK;
        expect(['Pending', 'Running', 'Failed']).toContain(verdictOf(policy, state, now).phase);
        expect(['Running', 'Pending']).not.toContain(finishAnalysis(policy, state, now).phase);
        expect(phaseOf(policy, state, now)).toBe(verdictOf(policy, state, now).phase);
        expect(finalPhaseOf(policy, state, now)).toBe(finishAnalysis(policy, state, now).phase);
      }),
    );
  });

  it('never passes where one side is silent, or nothing can be read', () => {
    const silence = fc.constantFrom<ArmCounts | null>(null, { requests: 0, errors: 0, latency: {} });
    const oneSided = fc.oneof(
      fc.array(fc.record({ candidate: soundArm, baseline: silence }), { maxLength: 20 }),
      fc.array(fc.record({ candidate: silence, baseline: soundArm }), { maxLength: 20 }),
    );
    fc.assert(
      fc.property(anyPolicy, oneSided, fc.boolean(), (policy, arms, isDown) => {
        const samples = looks(arms).map((sample) => (isDown ? { ...sample, error: 'down' } : sample));
        const { phase } = finishAnalysis(policy, after(policy, samples), T0 + arms.length * LOOK);
        expect(phase).not.toBe('Successful');
        if (isDown && arms.length > 0) expect(phase).toBe('Inconclusive');
      }),
    );
  });

  it('counters that start again are judged like any others, never counted twice', () => {
    const step = fc.record({ candidate: fc.nat(200), baseline: fc.nat(200), restarts: fc.boolean() });
    fc.assert(
      fc.property(anyPolicy, fc.array(step, { maxLength: 20 }), (policy, steps) => {
        let epoch = 0;
        let totals = { n: 0, o: 0 };
        const readings = steps.map(({ candidate, baseline, restarts }, i): Reading => {
          if (restarts) [epoch, totals] = [epoch + 1, { n: 0, o: 0 }];
          totals = { n: totals.n + candidate, o: totals.o + baseline };
          const counters = (requests: number) => ({ requests, byClass: { '2xx': requests }, latency: {} });
          return { epoch: `e${epoch}`, at: T0 + i * LOOK, versions: { n: counters(totals.n), o: counters(totals.o) } };
        });
        const samples = readings.slice(1).map((reading, i) => sampleBetween(readings[i] ?? reading, reading, 'n', 'o'));
        const state = after(policy, samples);
        expect(state.unreadable).toBe(0);
        expect(state.candidateRequests).toBe(steps.slice(1).reduce((sum, { candidate }) => sum + candidate, 0));
      }),
    );
  });

  it('samples seen twice, or late, change nothing; state that went through JSON says the same', () => {
    fc.assert(
      fc.property(anyPolicy, soundArms, (policy, arms) => {
        const samples = looks(arms);
        const once = after(policy, samples);
        const twice = samples.flatMap((sample, i) => [sample, sample, ...samples.slice(0, i)]);
        expect(after(policy, twice)).toEqual(once);
        const stored = samples.reduce(
          (state, sample) => JSON.parse(JSON.stringify(observeSample(policy, state, sample))),
          startAnalysis(policy, T0),
        );
        expect(finishAnalysis(policy, stored, T0)).toEqual(finishAnalysis(policy, once, T0));
      }),
    );
  });
});
