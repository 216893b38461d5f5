import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ERROR_RATE, POLICY, T0 } from '../../../test/worlds/samples.ts';
import { finishAnalysis, observeSample, startAnalysis, verdictOf } from './judge.ts';
import { KAYENTA_METRIC } from './kayenta.ts';
import type { AnalysisPolicy, KayentaPolicy, ThresholdPolicy } from './policy.ts';
import type { ArmCounts, Sample, Verdict } from './sample.ts';
import { randomFrom } from './simulate.ts';

const LOOK = 10_000;
const LOOKS = 30;
const THRESHOLD: ThresholdPolicy = { ...POLICY, metrics: [{ ...ERROR_RATE, failureLimit: 2 }] };
const KAYENTA: KayentaPolicy = {
  judge: 'kayenta',
  intervalMs: LOOK,
  initialDelayMs: 0,
  noData: 'inconclusive',
  minRequests: 20,
  metrics: [
    {
      name: 'errors',
      measure: { kind: 'errorRate' },
      direction: 'increase',
      group: 'all',
      critical: false,
      mustHaveData: false,
      effect: { ...KAYENTA_METRIC.effect, allowedIncrease: 1.1 },
      outliers: 'keep',
      minRequests: 5,
      dryRun: false,
    },
  ],
  scores: { pass: 95, marginal: 75 },
  groupWeights: {},
  minPoints: 10,
  maxPoints: 240,
};
const JUDGES: readonly (readonly [string, AnalysisPolicy])[] = [
  ['threshold', THRESHOLD],
  ['kayenta', KAYENTA],
];

/** Answers of one look, a share of them of one class and the rest 2xx. Without `random`: exactly that share. */
function answers(random: (() => number) | null, requests: number, name: string, share: number): ArmCounts {
  if (random === null) return told(requests, name, Math.round(share * requests));
  let count = 0;
  for (let i = 0; i < Math.min(requests, 500); i++) if (random() < share) count += 1;
  const of = requests <= 500 ? count : Math.round((count / 500) * requests);
  return told(requests, name, of);
}

function told(requests: number, name: string, of: number): ArmCounts {
  return { requests, errors: 0, latency: {}, classes: { '2xx': requests - of, [name]: of } };
}

interface Story {
  readonly perLook: number;
  readonly name: string;
  readonly before: number;
  readonly after: number;
  readonly from: number;
  readonly alone?: boolean;
}

function play(policy: AnalysisPolicy, { perLook, name, before, after, from, alone = false }: Story, seed: number | null = 1): Verdict {
  const random = seed === null ? null : randomFrom(seed);
  let state = startAnalysis(policy, T0, { share: alone ? 1 : 0.5, bakeMs: LOOK * LOOKS, bakes: 1 });
  for (let look = 0; look < LOOKS; look++) {
    const sample: Sample = {
      fromAt: T0 + look * LOOK,
      at: T0 + (look + 1) * LOOK,
      candidate: answers(random, perLook, name, look < from ? before : after),
      baseline: alone ? null : answers(random, perLook, name, before),
      error: null,
    };
    state = observeSample(policy, state, sample);
    const verdict = verdictOf(policy, state, sample.at);
    if (verdict.phase === 'Failed') return verdict;
  }
  return finishAnalysis(policy, state, T0 + LOOK * LOOKS);
}

describe.each(JUDGES)('answers that the metrics of the %s judge do not count', (_, policy) => {
  it.each([
    ['all of them 404', '4xx', 1, /answers 4xx more often/],
    ['a third of them 401', '4xx', 0.33, /answers 4xx more often/],
    ['redirected to nowhere', '3xx', 0.9, /answers 3xx more often/],
    ['not waited for', 'aborted', 0.5, /clients leave the new version/],
  ])('fail: %s', (_what, name, after, reason) => {
    const verdict = play(policy, { perLook: 60, name, before: 0.01, after, from: 0 });
    expect(verdict).toMatchObject({ phase: 'Failed', reason: expect.stringMatching(reason) as string });
  });

  it('never pass, whatever the class and from whichever moment on, as long as fifty requests are left to show it', () => {
    fc.assert(
      fc.property(
        fc.record({
          perLook: fc.integer({ min: 20, max: 20_000 }),
          name: fc.constantFrom('3xx', '4xx', 'aborted'),
          before: fc.constantFrom(0, 0.01, 0.1, 0.3),
          after: fc.double({ min: 0.75, max: 1, noNaN: true }),
          from: fc.integer({ min: 0, max: LOOKS - 3 }),
        }),
        // Exact shares: that sixty requests by accident look like fewer is no fault of a judge.
        (story) => {
          expect(play(policy, story, null).phase).not.toBe('Successful');
        },
      ),
      { numRuns: 150 },
    );
  });

  it('pass as before where they are as the old version gives them, however many', () => {
    for (let seed = 1; seed <= 40; seed++) {
      const before = [0, 0.02, 0.2, 0.6][seed % 4] ?? 0;
      const verdict = play(policy, { perLook: 200, name: '4xx', before, after: before, from: 0 }, seed);
      expect(verdict.phase, verdict.reason).toBe('Successful');
    }
  });

  it('are not compared where the policy says so', () => {
    const verdict = play({ ...policy, classes: false }, { perLook: 60, name: '4xx', before: 0.01, after: 1, from: 0 });
    expect(verdict.phase).toBe('Successful');
  });

  it('hold where they were told and are told no longer', () => {
    const random = randomFrom(3);
    const state = Array.from({ length: LOOKS }).reduce(
      (before: ReturnType<typeof startAnalysis>, _look, i) => {
        const of = () => answers(random, 100, '4xx', 0.01);
        const { classes: _, ...untold } = of();
        const sample = { fromAt: T0 + i * LOOK, at: T0 + (i + 1) * LOOK, candidate: i < 20 ? of() : untold, baseline: of(), error: null };
        return observeSample(policy, before, sample);
      },
      startAnalysis(policy, T0),
    );
    expect(finishAnalysis(policy, state, T0 + LOOK * LOOKS)).toMatchObject({
      phase: 'Inconclusive',
      reason: expect.stringContaining('has stopped telling the status classes') as string,
    });
  });
});

describe('a version without an old one beside it', () => {
  it.each([0, 20])('does not pass where next to all its newest answers are 4xx: from look %i on', (from) => {
    const verdict = play(THRESHOLD, { perLook: 100, name: '4xx', before: 0.05, after: 1, from, alone: true });
    expect(verdict.phase, verdict.reason).toBe('Inconclusive');
  });
});
