import { describe, expect, it } from 'vitest';
import { arm, latency, LOOK, sampleAt, T0, unreadable } from '../../../test/worlds/samples.ts';
import { finishAnalysis, observeSample, startAnalysis, verdictOf } from './judge.ts';
import { kayentaJudge, type KayentaState } from './kayenta-judge.ts';
import { KAYENTA_METRIC } from './kayenta.ts';
import type { ComparedMetric, KayentaPolicy } from './policy.ts';
import type { ArmCounts, Sample } from './sample.ts';

const POINTS = 20;
const ERRORS: ComparedMetric = {
  name: 'errorRate',
  measure: { kind: 'errorRate' },
  direction: 'increase',
  group: 'all',
  critical: false,
  mustHaveData: false,
  effect: KAYENTA_METRIC.effect,
  outliers: 'keep',
  minRequests: 100,
  dryRun: false,
};
const P95: ComparedMetric = { ...ERRORS, name: 'p95', measure: { kind: 'latency', quantile: 0.95 } };
const POLICY: KayentaPolicy = {
  judge: 'kayenta',
  intervalMs: LOOK,
  initialDelayMs: 0,
  noData: 'inconclusive',
  minRequests: 100,
  metrics: [ERRORS, P95],
  scores: { pass: 95, marginal: 75 },
  groupWeights: {},
  minPoints: POINTS,
  maxPoints: 60,
};

/** Counts that move a little from look to look, as counts do. */
function answers(look: number, errors: number, ms: number, requests = 1000): ArmCounts {
  const moved = Math.round(errors * (1 + 0.5 * Math.sin(look * 7)));
  return { requests, errors: moved, latency: latency({ [ms * (1 + 0.2 * Math.sin(look * 5))]: requests }) };
}

interface Does {
  readonly errors?: number;
  readonly ms?: number;
}

/** So many looks at a candidate that does this beside a baseline of 10 errors in a thousand and 50 ms. */
function looks(count: number, { errors = 10, ms = 50 }: Does = {}, from = 0): Sample[] {
  return Array.from({ length: count }, (_, i) => sampleAt(from + i, answers(from + i + 3, errors, ms), answers(from + i, 10, 50)));
}

function after(policy: KayentaPolicy, samples: readonly Sample[]): KayentaState {
  return samples.reduce((state, sample) => kayentaJudge.observe(policy, state, sample), kayentaJudge.start(policy, T0));
}

const running = (policy: KayentaPolicy, samples: readonly Sample[]) => verdictOf(policy, after(policy, samples), samples.at(-1)?.at ?? T0);
const finish = (policy: KayentaPolicy, samples: readonly Sample[], now = samples.at(-1)?.at ?? T0 + LOOK) =>
  finishAnalysis(policy, after(policy, samples), now);

describe('a candidate that is the same', () => {
  it('passes at the end of the bake, and is never Successful before', () => {
    expect(running(POLICY, [])).toMatchObject({ phase: 'Pending', reason: '0 of 20 points taken so far' });
    expect(running(POLICY, looks(7))).toMatchObject({ phase: 'Running', reason: '7 of 20 points taken so far' });
    expect(running(POLICY, looks(30))).toMatchObject({ phase: 'Running', reason: 'score 100 of 100 on 30 points so far (asked: 95)' });
    expect(finish(POLICY, looks(30))).toMatchObject({
      phase: 'Successful',
      reason: 'score 100 of 100 on 30 points of each version (asked: 95)',
      candidateRequests: 30_000,
      metrics: [
        { name: 'errorRate', phase: 'Successful', candidate: expect.closeTo(0.01, 3), baseline: expect.closeTo(0.01, 3) },
        { name: 'p95', phase: 'Successful' },
      ],
    });
  });
});

describe('a candidate that is worse', () => {
  it('fails as soon as there are enough points, and not before', () => {
    const worse = looks(POINTS, { errors: 40 });
    expect(running(POLICY, worse.slice(0, -1)).phase).toBe('Running');
    const verdict = running(POLICY, worse);
    expect(verdict.phase).toBe('Failed');
    expect(verdict.reason).toMatch(
      /^score 50 of 100 \(below 75 fails\): errorRate is High with [\d.]+ % against [\d.]+ % of the old version \(means of 20 points\)$/,
    );
    expect(verdict.metrics.map(({ phase }) => phase)).toEqual(['Failed', 'Successful']);
    expect(finish(POLICY, worse).phase).toBe('Failed');
  });

  it('says latency in ms', () => {
    expect(running(POLICY, looks(POINTS, { ms: 100 })).reason).toMatch(/p95 is High with \d+ ms against [\d.]+ ms of the old version/);
  });

  it('between the two scores is for a person, at the end', () => {
    const weighed = { ...POLICY, metrics: [{ ...ERRORS, group: 'errors' }, P95], groupWeights: { errors: 20, all: 80 } };
    const worse = looks(POINTS, { errors: 40 });
    expect(running(weighed, worse).phase).toBe('Running');
    expect(finish(weighed, worse)).toMatchObject({
      phase: 'Inconclusive',
      reason: expect.stringMatching(/^score 80 of 100 .*errorRate is High/),
    });
    const lenient = { ...weighed, scores: { pass: 80, marginal: 50 } };
    expect(finish(lenient, worse).phase).toBe('Successful');
  });

  it('a critical metric fails whatever the score, one by dry run never', () => {
    const weighed = { ...POLICY, metrics: [{ ...ERRORS, group: 'errors', critical: true }, P95], groupWeights: { errors: 20, all: 80 } };
    const worse = looks(POINTS, { errors: 40 });
    expect(running(weighed, worse)).toMatchObject({
      phase: 'Failed',
      reason: expect.stringMatching(/^score 0 of 100 .*the critical errorRate/),
    });
    const dry = { ...POLICY, metrics: [{ ...ERRORS, dryRun: true, critical: true }, P95] };
    expect(finish(dry, worse)).toMatchObject({
      phase: 'Successful',
      metrics: [{ phase: 'Failed', dryRun: true }, { phase: 'Successful' }],
    });
  });

  it('the weight of a group in which nothing counts is shared by the others', () => {
    const weighed = {
      ...POLICY,
      metrics: [{ ...ERRORS, group: 'errors', dryRun: true }, P95],
      groupWeights: { errors: 60, all: 40 },
    };
    expect(finish(weighed, looks(POINTS)).phase).toBe('Successful');
  });

  it('only in the direction that is bad, and beyond the allowed deviation', () => {
    const fewer = looks(POINTS, { errors: 2 });
    const only = (change: Partial<ComparedMetric>) => ({ ...POLICY, metrics: [{ ...ERRORS, ...change }] });
    expect(running(only({}), fewer).phase).toBe('Running');
    expect(running(only({ direction: 'decrease' }), fewer)).toMatchObject({
      phase: 'Failed',
      reason: expect.stringContaining('is Low with'),
    });
    expect(running(only({ direction: 'either' }), fewer).phase).toBe('Failed');
    const allowed = only({ effect: { ...KAYENTA_METRIC.effect, allowedIncrease: 10 } });
    expect(running(allowed, looks(POINTS, { errors: 40 })).phase).toBe('Running');
  });

  it('is judged by the newest points, so a change is not outweighed for ever', () => {
    const late = [...looks(60), ...looks(60, { errors: 40 }, 60)];
    expect(running(POLICY, late).phase).toBe('Failed');
    expect(after(POLICY, late).metrics.map(({ experiment, control }) => [experiment.length, control.length])).toEqual([
      [60, 60],
      [60, 60],
    ]);
  });
});

describe('without evidence', () => {
  it('Kayenta NODATA: nothing at all is Inconclusive, or Failed where asked', () => {
    expect(finish(POLICY, [])).toMatchObject({ phase: 'Inconclusive', reason: 'nothing was measured before the bake ended' });
    expect(finish({ ...POLICY, noData: 'fail' }, []).phase).toBe('Failed');
  });

  it('too few points pass nothing, and the sentence says how many are missing', () => {
    expect(finish(POLICY, looks(POINTS - 1))).toMatchObject({
      phase: 'Inconclusive',
      reason: 'only 19 of 20 points needed of errorRate could be taken',
    });
    expect(finish({ ...POLICY, noData: 'fail' }, looks(POINTS - 1)).phase).toBe('Failed');
  });

  it('kayenta#426: a point waits for its requests, so sparse errors are not judged by empty points', () => {
    const sparse = Array.from({ length: 100 }, (_, look) => sampleAt(look, arm(10, look % 20 === 0 ? 5 : 0), arm(1000)));
    expect(after(POLICY, sparse).metrics[0]?.experiment).toEqual(Array.from({ length: 10 }, (_, i) => (i % 2 === 0 ? 0.05 : 0)));
    expect(finish(POLICY, sparse).phase).toBe('Inconclusive');
  });

  it('a side that is silent gives no points', () => {
    const silent = looks(30).map((sample) => ({ ...sample, baseline: arm(0) }));
    expect(finish(POLICY, silent)).toMatchObject({
      phase: 'Inconclusive',
      reason: 'only 0 of 20 points needed of errorRate could be taken',
    });
    const gone = looks(30).map((sample, i) => (i < 25 ? sample : { ...sample, candidate: arm(0) }));
    expect(finish(POLICY, gone)).toMatchObject({ phase: 'Inconclusive', reason: expect.stringContaining('in the last 50 s') });
  });

  it('no old version beside the new one is nothing to compare with, whatever noData says', () => {
    const alone = looks(30).map((sample) => ({ ...sample, baseline: null }));
    expect(finish({ ...POLICY, noData: 'fail' }, alone)).toMatchObject({
      phase: 'Inconclusive',
      reason: 'there was no old version beside the new one to compare it with',
    });
  });

  it('a metric without data is unknown, or bad where it must have some', () => {
    const blind = looks(30).map((sample) => ({
      ...sample,
      candidate: { ...answers(0, 10, 50), latency: {} },
      baseline: { ...answers(1, 10, 50), latency: {} },
    }));
    expect(finish(POLICY, blind)).toMatchObject({ phase: 'Inconclusive', reason: 'only 0 of 20 points needed of p95 could be taken' });
    const must = { ...POLICY, metrics: [ERRORS, { ...P95, mustHaveData: true }] };
    expect(running(must, blind).phase).toBe('Running');
    expect(finish(must, blind)).toMatchObject({
      phase: 'Failed',
      reason: expect.stringContaining('p95 is NodataFailMetric, without a point'),
    });
  });

  it('an outage of the metrics holds, and never fails', () => {
    const strict: KayentaPolicy = { ...POLICY, noData: 'fail', metrics: [{ ...ERRORS, mustHaveData: true }] };
    const outage = [...looks(10), ...Array.from({ length: 20 }, (_, i) => unreadable(10 + i))];
    expect(running(strict, outage).phase).toBe('Running');
    expect(finish(strict, outage)).toMatchObject({
      phase: 'Inconclusive',
      reason: 'the metrics could not be read: prometheus answered 503',
    });
  });

  it('nothing that counts proves nothing', () => {
    expect(finish({ ...POLICY, metrics: [{ ...ERRORS, dryRun: true }] }, looks(30))).toMatchObject({ phase: 'Inconclusive' });
  });

  it('late, repeated and too early samples change nothing', () => {
    const state = after(POLICY, looks(10));
    for (const sample of looks(10)) expect(observeSample(POLICY, state, sample)).toBe(state);
    const delayed = { ...POLICY, initialDelayMs: 5 * LOOK };
    expect(after(delayed, looks(5))).toEqual(startAnalysis(delayed, T0));
  });
});
