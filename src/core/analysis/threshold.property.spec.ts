import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { anySample, anyTime, soundArm } from '../../../test/worlds/any-samples.ts';
import { ERROR_RATE, LATENCY, LOOK, POLICY, T0 } from '../../../test/worlds/samples.ts';
import { finishAnalysis, observeSample, startAnalysis, verdictOf } from './judge.ts';
import type { ThresholdPolicy } from './policy.ts';
import type { ArmCounts, Sample } from './sample.ts';
import { thresholdJudge, type ThresholdState } from './threshold.ts';

const limit = fc.integer({ min: -1, max: 3 });
const anyPolicy: fc.Arbitrary<ThresholdPolicy> = fc
  .record({
    failureLimit: limit,
    inconclusiveLimit: limit,
    consecutiveErrorLimit: limit,
    consecutiveSuccessLimit: fc.nat(3),
    minRequests: fc.nat(200),
    noData: fc.constantFrom('inconclusive' as const, 'fail' as const),
  })
  .map(({ noData, minRequests, ...limits }) => ({
    ...POLICY,
    noData,
    metrics: [
      { ...ERROR_RATE, ...limits, minRequests },
      { ...LATENCY, ...limits, minRequests },
    ],
  }));

function after(policy: ThresholdPolicy, samples: readonly Sample[]): ThresholdState {
  return samples.reduce((state, sample) => thresholdJudge.observe(policy, state, sample), thresholdJudge.start(policy, T0));
}

/** Samples of consecutive looks. */
function looks(arms: readonly { candidate: ArmCounts; baseline: ArmCounts }[]): Sample[] {
  return arms.map((pair, look) => ({ fromAt: T0 + look * LOOK, at: T0 + (look + 1) * LOOK, ...pair, error: null }));
}

describe('the threshold judge, whatever it is fed', () => {
  it('AR#1466: never throws, and its state stays plain JSON', () => {
    fc.assert(
      fc.property(anyPolicy, fc.array(anySample, { maxLength: 12 }), anyTime, (policy, samples, now) => {
        const state = after(policy, samples);
        verdictOf(policy, state, now);
        finishAnalysis(policy, state, now);
        expect(JSON.parse(JSON.stringify(state))).toEqual(state);
      }),
    );
  });

  it('AR#4479: is Successful only on enough, fresh requests and a good measurement of every metric', () => {
    fc.assert(
      fc.property(anyPolicy, fc.array(anySample, { maxLength: 12 }), anyTime, (policy, samples, now) => {
        const state = after(policy, samples);
        const verdict = finishAnalysis(policy, state, now);
        if (verdict.phase !== 'Successful') return;
        const sound = samples.filter((sample) => sample.error === null && (sample.candidate?.requests ?? 0) > 0);
        const requests = sound.reduce((sum, sample) => sum + (sample.candidate?.requests ?? 0), 0);
        expect(requests).toBeGreaterThanOrEqual(policy.minRequests);
        expect(Math.max(...sound.map((sample) => sample.at))).toBeGreaterThanOrEqual(now - 2 * policy.intervalMs);
        expect(state.metrics.every((metric) => metric.successful > 0 && metric.decided === null)).toBe(true);
      }),
    );
  });

  it('is never Successful during the bake, and never Running after it', () => {
    fc.assert(
      fc.property(anyPolicy, fc.array(anySample, { maxLength: 8 }), (policy, samples) => {
        const state = after(policy, samples);
        expect(verdictOf(policy, state, T0).phase).not.toBe('Successful');
        expect(['Running', 'Pending']).not.toContain(finishAnalysis(policy, state, T0 + 8 * LOOK).phase);
      }),
    );
  });

  it('says every verdict in words', () => {
    fc.assert(
      fc.property(anyPolicy, fc.array(anySample, { maxLength: 8 }), (policy, samples) => {
        const state = after(policy, samples);
        expect(verdictOf(policy, state, T0).reason).not.toBe('');
        expect(finishAnalysis(policy, state, T0 + 8 * LOOK).reason).not.toBe('');
      }),
    );
  });

  it('an error at every request is never a pass', () => {
    fc.assert(
      fc.property(anyPolicy, fc.array(fc.nat(500), { maxLength: 10 }), (policy, counts) => {
        const samples = looks(
          counts.map((requests) => ({
            candidate: { requests, errors: requests, latency: {} },
            baseline: { requests: 1000, errors: 1000, latency: {} },
          })),
        );
        expect(finishAnalysis(policy, after(policy, samples), T0 + counts.length * LOOK).phase).not.toBe('Successful');
      }),
    );
  });

  it('a failed verdict stays whatever follows', () => {
    fc.assert(
      fc.property(
        anyPolicy,
        fc.array(fc.record({ candidate: soundArm, baseline: soundArm }), { minLength: 1, maxLength: 10 }),
        (policy, arms) => {
          const samples = looks(arms);
          const failedAt = samples.findIndex(
            (_, index) => verdictOf(policy, after(policy, samples.slice(0, index + 1)), T0).phase === 'Failed',
          );
          if (failedAt >= 0) expect(finishAnalysis(policy, after(policy, samples), T0 + samples.length * LOOK).phase).toBe('Failed');
        },
      ),
    );
  });

  it('seeing every sample twice changes nothing', () => {
    fc.assert(
      fc.property(anyPolicy, fc.array(fc.record({ candidate: soundArm, baseline: soundArm }), { maxLength: 10 }), (policy, arms) => {
        const samples = looks(arms);
        expect(
          after(
            policy,
            samples.flatMap((sample) => [sample, sample]),
          ),
        ).toEqual(after(policy, samples));
      }),
    );
  });

  it('state that went through JSON goes on to the same verdict', () => {
    fc.assert(
      fc.property(anyPolicy, fc.array(fc.record({ candidate: soundArm, baseline: soundArm }), { maxLength: 10 }), (policy, arms) => {
        const samples = looks(arms);
        const stored = samples.reduce(
          (state, sample) => JSON.parse(JSON.stringify(observeSample(policy, state, sample))),
          startAnalysis(policy, T0),
        );
        expect(finishAnalysis(policy, stored, T0)).toEqual(finishAnalysis(policy, after(policy, samples), T0));
      }),
    );
  });
});
