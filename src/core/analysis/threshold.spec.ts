import { describe, expect, it } from 'vitest';
import { arm, ERROR_RATE, LATENCY, latency, LOOK, POLICY, sampleAt, T0, unreadable } from '../../../test/worlds/samples.ts';
import { finishAnalysis, observeSample, verdictOf } from './judge.ts';
import type { MetricPolicy, ThresholdPolicy } from './policy.ts';
import type { ArmCounts, Sample } from './sample.ts';
import { thresholdJudge, type ThresholdState } from './threshold.ts';

function after(policy: ThresholdPolicy, samples: readonly Sample[]): ThresholdState {
  return samples.reduce((state, sample) => thresholdJudge.observe(policy, state, sample), thresholdJudge.start(policy, T0));
}

/** Verdict after these candidate blocks, one a look, at the end of the bake. */
function finish(policy: ThresholdPolicy, samples: readonly Sample[], now = samples.at(-1)?.at ?? T0 + LOOK) {
  return finishAnalysis(policy, after(policy, samples), now);
}

function running(policy: ThresholdPolicy, samples: readonly Sample[]) {
  return verdictOf(policy, after(policy, samples), samples.at(-1)?.at ?? T0);
}

function withMetric(change: Partial<MetricPolicy>, policy: Partial<ThresholdPolicy> = {}): ThresholdPolicy {
  return { ...POLICY, ...policy, metrics: [{ ...ERROR_RATE, ...change }] };
}

const good = (look: number, requests = 100) => sampleAt(look, arm(requests, 0), arm(requests * 9, 0));
const bad = (look: number, requests = 100) => sampleAt(look, arm(requests, requests / 10), arm(requests * 9, 0));

describe('a bake with evidence', () => {
  it('is Successful at its end, and never before', () => {
    expect(running(POLICY, [])).toMatchObject({ phase: 'Pending' });
    expect(running(POLICY, [good(0), good(1)])).toMatchObject({ phase: 'Running', candidateRequests: 200 });
    expect(finish(POLICY, [good(0), good(1)])).toMatchObject({
      phase: 'Successful',
      candidateRequests: 200,
      reason: 'the metric is good on 200 requests of the new version',
    });
  });

  it('is Failed as soon as the failure limit is exceeded', () => {
    const verdict = running(POLICY, [good(0), bad(1)]);
    expect(verdict.phase).toBe('Failed');
    expect(verdict.reason).toBe('error rate failed with 10 % against 0 % of the old version (asked: < 1 %)');
    expect(running(withMetric({ failureLimit: 1 }), [good(0), bad(1)]).phase).toBe('Running');
    expect(running(withMetric({ failureLimit: 1 }), [bad(0), good(1), bad(2)]).phase).toBe('Failed');
    expect(running(withMetric({ failureLimit: -1 }), [bad(0), bad(1), bad(2)]).phase).toBe('Running');
  });

  it('stays Failed however good the rest is', () => {
    expect(finish(POLICY, [bad(0), ...[1, 2, 3, 4].map((look) => good(look))]).phase).toBe('Failed');
  });

  it('gets worse after an inconclusive verdict, never better', () => {
    const policy = withMetric({
      success: { compare: '<', value: 0.01, of: 'candidate' },
      failure: { compare: '>', value: 0.05, of: 'candidate' },
    });
    const between = sampleAt(0, arm(100, 3));
    expect(running(policy, [between]).phase).toBe('Inconclusive');
    expect(running(policy, [between, good(1)]).phase).toBe('Inconclusive');
    expect(running(policy, [between, bad(1)]).phase).toBe('Failed');
  });

  it('does not judge what lies before the initial delay', () => {
    const policy = { ...POLICY, initialDelayMs: 2 * LOOK };
    expect(finish(policy, [bad(0), bad(1), good(2)])).toMatchObject({ phase: 'Successful', candidateRequests: 100 });
  });

  it('judges a metric by dry run without counting it', () => {
    const policy: ThresholdPolicy = { ...POLICY, metrics: [ERROR_RATE, { ...LATENCY, dryRun: true }] };
    const slow = sampleAt(0, { ...arm(100), latency: latency({ 90: 100 }) }, arm(900));
    const verdict = finish(policy, [slow]);
    expect(verdict.phase).toBe('Successful');
    expect(verdict.metrics[1]).toMatchObject({ phase: 'Failed', dryRun: true });
    expect(finish(withMetric({ dryRun: true }), [good(0)])).toMatchObject({
      phase: 'Inconclusive',
      reason: 'no metric counts towards the verdict, so nothing was proven',
    });
  });
});

describe('conditions', () => {
  const at = (requests: number, errors: number, baseline: ArmCounts | null = arm(900)) => sampleAt(0, arm(requests, errors), baseline);
  const phase = (metric: Partial<MetricPolicy>, sample: Sample) => {
    const policy = withMetric(metric);
    return after(policy, [sample]).metrics[0]?.last?.phase;
  };
  const low = { compare: '<', value: 0.02, of: 'candidate' } as const;
  const high = { compare: '>=', value: 0.05, of: 'candidate' } as const;

  it('follows the table of Argo Rollouts', () => {
    expect(phase({ success: low }, at(100, 1))).toBe('Successful');
    expect(phase({ success: low }, at(100, 2))).toBe('Failed');
    expect(phase({ success: null, failure: high }, at(100, 4))).toBe('Successful');
    expect(phase({ success: null, failure: high }, at(100, 5))).toBe('Failed');
    expect(phase({ success: low, failure: high }, at(100, 3))).toBe('Inconclusive');
    expect(phase({ success: { ...low, value: 1 }, failure: high }, at(100, 9))).toBe('Failed');
    expect(phase({ success: low, failure: high }, at(100, 0))).toBe('Successful');
  });

  it('does not copy "no condition is Successful"', () => {
    expect(phase({ success: null, failure: null }, at(100, 0))).toBe('Inconclusive');
  });

  it('AR#2101: a value that cannot be told is never good, whichever conditions are set', () => {
    const ratio = { compare: '<', value: 1.2, of: 'ratio' } as const;
    const worse = { compare: '>', value: 1.5, of: 'ratio' } as const;
    for (const baseline of [null, arm(0)]) {
      expect(phase({ success: ratio }, at(100, 0, baseline))).toBe('Inconclusive');
      expect(phase({ success: null, failure: worse }, at(100, 0, baseline))).toBe('Inconclusive');
      expect(phase({ success: low, failure: worse }, at(100, 0, baseline))).toBe('Inconclusive');
      expect(phase({ success: ratio, failure: high }, at(100, 50, baseline))).toBe('Failed');
    }
    expect(phase({ ...LATENCY }, sampleAt(0, { ...arm(100), latency: {} }, arm(900)))).toBe('Inconclusive');
    expect(phase({ success: null, failure: { ...low, value: Number.NaN } }, at(100, 0))).toBe('Inconclusive');
  });

  it('compares rates as ratios; a baseline without errors counts as half an error', () => {
    const ratio = { compare: '<=', value: 1.5, of: 'ratio' } as const;
    expect(phase({ success: ratio }, at(100, 1, arm(900, 9)))).toBe('Successful');
    expect(phase({ success: ratio }, at(100, 2, arm(900, 9)))).toBe('Failed');
    expect(phase({ success: ratio }, at(100, 0, arm(900, 0)))).toBe('Successful');
    expect(phase({ success: ratio }, at(100, 1, arm(900, 0)))).toBe('Failed');
  });

  it('compares latency quantiles', () => {
    const slower = (share: number) => sampleAt(0, { requests: 100, errors: 0, latency: latency({ 20: 100 - share, 60: share }) }, arm(900));
    expect(phase({ ...LATENCY }, slower(4))).toBe('Successful');
    expect(phase({ ...LATENCY }, slower(9))).toBe('Failed');
  });

  it('takes a latency beyond the histogram on both sides for unknown, not for equal', () => {
    const beyond = { requests: 100, errors: 0, latency: latency({ 1e15: 100 }) };
    expect(phase({ ...LATENCY }, sampleAt(0, beyond, beyond))).toBe('Inconclusive');
  });
});

describe('windows', () => {
  it('are widened until they have the requests a measurement needs, and never overlap', () => {
    const policy = withMetric({ minRequests: 100 });
    const few = (look: number, errors: number) => sampleAt(look, arm(40, errors), arm(400));
    const state = after(policy, [few(0, 0), few(1, 0), few(2, 1), few(3, 0)]);
    expect(state.metrics[0]?.last).toMatchObject({ candidate: 1 / 120 });
    expect(state.metrics[0]?.candidate.requests).toBe(40);
    expect(state.metrics[0]?.successful).toBe(1);
  });

  it("are the metric's own", () => {
    const policy: ThresholdPolicy = { ...POLICY, metrics: [ERROR_RATE, { ...LATENCY, minRequests: 250 }] };
    const state = after(policy, [good(0), good(1), good(2)]);
    expect(state.metrics.map((metric) => metric.successful)).toEqual([3, 1]);
  });
});

describe('consecutiveSuccessLimit', () => {
  const policy = withMetric({ consecutiveSuccessLimit: 3, failureLimit: 2, inconclusiveLimit: -1 });

  it('is what a pass needs', () => {
    expect(finish(policy, [good(0), good(1), good(2)]).phase).toBe('Successful');
    expect(finish(policy, [good(0), good(1), bad(2), good(3)])).toMatchObject({
      phase: 'Inconclusive',
      reason: 'error rate was not good 3 times in a row',
    });
    expect(finish(withMetric({ consecutiveSuccessLimit: 3, failureLimit: -1 }), [good(0), bad(1), good(2)]).phase).toBe('Failed');
  });

  it('shows in the metric during the bake, and still lets it fail', () => {
    const enough = [good(0), good(1), good(2)];
    expect(running(policy, enough)).toMatchObject({ phase: 'Running', metrics: [{ phase: 'Successful' }] });
    expect(running(policy, [...enough, bad(3), bad(4), bad(5)]).phase).toBe('Failed');
  });
});

describe('FAILURES A: analysis says "good" without evidence', () => {
  it('AR#4479: every measurement an error or a failure is no success', () => {
    const mixed = withMetric({ failureLimit: -1, consecutiveErrorLimit: -1 });
    expect(finish(mixed, [bad(0), unreadable(1), bad(2), unreadable(3), bad(4)])).toMatchObject({
      phase: 'Inconclusive',
      reason: 'error rate was never good',
    });
    expect(finish(mixed, [unreadable(0), unreadable(1)])).toMatchObject({
      phase: 'Inconclusive',
      reason: 'the metrics could not be read: prometheus answered 503',
    });
  });

  it('AR#1329: an analysis that ends before its first measurement is Inconclusive', () => {
    expect(finish(POLICY, [])).toMatchObject({ phase: 'Inconclusive', reason: 'nothing was measured before the bake ended' });
    expect(finish({ ...POLICY, noData: 'fail' }, []).phase).toBe('Failed');
  });

  it('AR#3850: an inconclusive measurement is told during the bake, so that the rollout can pause', () => {
    const policy = withMetric({ success: { compare: '<', value: 1.2, of: 'ratio' } });
    expect(running(policy, [sampleAt(0, arm(100), null)]).phase).toBe('Inconclusive');
  });

  it('AR#4535: malformed values are errors', () => {
    const broken = { requests: 100, errors: Number.NaN, latency: {} };
    expect(finish(POLICY, [good(0), sampleAt(1, broken)]).metrics[0]?.phase).toBe('Successful');
    expect(
      running(
        POLICY,
        [0, 1, 2, 3, 4].map((look) => sampleAt(look, broken)),
      ).phase,
    ).toBe('Error');
    expect(finish(POLICY, [sampleAt(0, broken)])).toMatchObject({
      phase: 'Inconclusive',
      reason: 'the metrics could not be read: the error count of the new version is NaN',
    });
  });

  it('AR bluegreen docs: time alone turns nothing into a pass', () => {
    expect(finish(POLICY, [], T0 + 1e12).phase).toBe('Inconclusive');
    expect(finish(POLICY, [good(0)], T0 + 1e12).phase).toBe('Inconclusive');
  });

  it('FL#1011: traffic that stops during the analysis is not a pass', () => {
    const silent = [3, 4, 5].map((look) => sampleAt(look, arm(0), arm(900)));
    const verdict = finish(POLICY, [good(0), good(1), good(2), ...silent]);
    expect(verdict).toMatchObject({
      phase: 'Inconclusive',
      reason: 'no request reached the new version in the last 30 s, so nothing says how it is now',
    });
    expect(finish(POLICY, [good(0), good(1), good(2), ...silent.slice(0, 2)]).phase).toBe('Successful');
  });
});

describe('FAILURES B: no data, low traffic', () => {
  it('AR#180, AR#1905: no traffic at all', () => {
    const nothing = [0, 1, 2].map((look) => sampleAt(look, arm(0), arm(900)));
    expect(finish(POLICY, nothing)).toMatchObject({ phase: 'Inconclusive', reason: 'no request reached the new version' });
    expect(finish({ ...POLICY, noData: 'fail' }, nothing).phase).toBe('Failed');
    expect(finish(POLICY, [sampleAt(0, null, null)]).phase).toBe('Inconclusive');
  });

  it('Kayenta nanStrategy: too few requests are not a pass, and the sentence says how many are missing', () => {
    expect(finish(POLICY, [sampleAt(0, arm(12), arm(900))])).toMatchObject({
      phase: 'Inconclusive',
      reason: 'only 12 of 100 requests needed reached the new version',
      candidateRequests: 12,
    });
  });

  it('AR#3503: no errors counted is a rate of 0 where there were requests', () => {
    expect(finish(POLICY, [good(0)]).metrics[0]).toMatchObject({ candidate: 0, phase: 'Successful' });
  });

  it('Flagger: a metrics outage has a budget of its own and never counts as a failed check', () => {
    const outage = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => unreadable(from + i));
    expect(running(POLICY, [good(0), ...outage(1, 5)]).phase).toBe('Running');
    expect(running(POLICY, [good(0), ...outage(1, 6)])).toMatchObject({ phase: 'Error' });
    expect(finish(POLICY, [...outage(0, 4), good(4)]).phase).toBe('Successful');
    expect(running(POLICY, [...outage(0, 4), good(4), ...outage(5, 9)]).phase).toBe('Running');
    expect(finish({ ...POLICY, noData: 'fail' }, [good(0), ...outage(1, 4)]).phase).toBe('Inconclusive');
  });
});

describe('one sample is judged once', () => {
  it('ignores duplicates, older, overlapping and empty samples', () => {
    const samples = [good(0), good(1), good(2)];
    const state = after(POLICY, samples);
    const overlapping = { ...bad(1), at: T0 + 5 * LOOK };
    const again = [...samples, bad(1), overlapping, { ...bad(3), at: bad(3).fromAt }, { ...bad(0), at: T0 - 1, fromAt: T0 - LOOK }];
    for (const sample of again) expect(observeSample(POLICY, state, sample)).toEqual(state);
  });

  it('counts a block that spans an outage, and the outage itself', () => {
    const spanning = { ...good(2), fromAt: T0 + LOOK };
    const state = after(POLICY, [good(0), unreadable(1), spanning]);
    expect(state).toMatchObject({ candidateRequests: 200, unreadable: 1, readable: 2 });
  });
});
