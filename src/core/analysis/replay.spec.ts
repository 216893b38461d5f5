import { describe, expect, it } from 'vitest';
import { type Behaviour, configured, tell } from '../../../test/worlds/story.ts';
import { forecast } from './forecast.ts';
import type { AnalysisPolicy } from './policy.ts';
import { SEQUENTIAL_DEFAULTS } from './policy.ts';
import { type Entry, replayOf, tryPolicy } from './replay.ts';

const BAKE = 20_000;
const lenient = {
  judge: 'threshold',
  interval: 1000,
  minRequests: 100,
  metrics: [{ measure: 'errorRate', success: '< 20 %', minRequests: 10, inconclusiveLimit: -1 }],
};
const sequential = { judge: 'sequential', interval: 1000, initialDelay: 2000, minRequests: 100, errors: { passMargin: 0.05 } };
const compared = { judge: 'kayenta', interval: 1000, minPoints: 8, metrics: [{ measure: 'errorRate', minRequests: 40 }] };
const strategyOf = (analysis: object, more: object = {}) =>
  configured({ strategy: { kind: 'canary', steps: [{ weight: 50, bake: BAKE }], soak: '10s' }, analysis, ...more });
const policyOf = (analysis: object): AnalysisPolicy => {
  const strategy = strategyOf(analysis);
  if (strategy.kind !== 'canary' || strategy.analysis === null) throw new Error('no analysis');
  return strategy.analysis;
};
/** From second 5 of the bake on, one answer in ten is bad. */
const worsens: Behaviour = (at) => ({ requests: 50, errors: at > 5000 ? 5 : 0 });
const told = (analysis: object, candidate: Behaviour, more: object = {}): readonly Entry[] =>
  tell({ strategy: strategyOf(analysis, more), candidate }).log;

describe('replay', () => {
  it.each([
    ['threshold', lenient],
    ['sequential', sequential],
    ['kayenta', compared],
  ] as const)('finds every look and comes to every verdict of the record again (%s)', (_, analysis) => {
    const events = told(analysis, worsens, { analyses: [{ name: 'beside', dryRun: true, ...lenient }] });
    const { looks, verdicts } = replayOf(events);
    expect(verdicts.length).toBeGreaterThan(0);
    expect(verdicts.filter(({ matches }) => !matches)).toEqual([]);
    const collected = events.filter(({ data }) => data.type === 'SampleCollected' && data.sample !== null);
    expect(looks.length).toBe(collected.length);
    expect(new Set(looks.map((look) => look.analysis))).toEqual(new Set([null, 'beside']));
  });

  it('tells when a sample, or a verdict, is not what it was', () => {
    const events = told(sequential, worsens);
    const changed = (change: (entry: Entry) => Entry) => replayOf(events.map(change)).verdicts.map(({ matches }) => matches);
    expect(changed((entry) => entry)).not.toContain(false);
    let isFirst = true;
    const oneErrorLess = changed((entry) => {
      const { data } = entry;
      if (data.type !== 'SampleCollected' || data.sample?.candidate == null || data.sample.candidate.errors === 0 || !isFirst) return entry;
      isFirst = false;
      const candidate = { ...data.sample.candidate, errors: data.sample.candidate.errors - 1 };
      return { ...entry, data: { ...data, sample: { ...data.sample, candidate } } };
    });
    expect(oneErrorLess).toContain(false);
    const otherWord = changed((entry) =>
      entry.data.type === 'AnalysisCompleted'
        ? { ...entry, data: { ...entry.data, verdict: { ...entry.data.verdict, reason: `${entry.data.verdict.reason}!` } } }
        : entry,
    );
    expect(otherWord).toContain(false);
  });
});

describe('a back-test', () => {
  const [bake] = replayOf(told(lenient, worsens)).bakes;

  it('with the policy that was in force says what was said', () => {
    expect(bake).toMatchObject({ app: 'web', setting: { share: 0.5 } });
    expect(tryPolicy(policyOf(lenient), bake!)).toMatchObject({ phase: 'Successful' });
  });

  it.each([
    ['threshold', { ...lenient, metrics: [{ ...lenient.metrics[0], success: '< 1 %' }] }],
    ['sequential', { ...sequential, latency: false }],
    ['kayenta', compared],
  ] as const)('with another says when that would have failed, and at what cost (%s)', (_, analysis) => {
    const tried = tryPolicy(policyOf(analysis), bake!);
    expect(tried).toMatchObject({ app: 'web', phase: 'Failed', reason: expect.stringMatching(/\d+(\.\d+)? %/) });
    const seen = bake!.samples.filter(({ at }) => at - bake!.startedAt <= tried.afterMs);
    expect(tried.badRequests).toBe(seen.reduce((sum, { candidate }) => sum + (candidate?.errors ?? 0), 0));
    expect(tried.badRequests).toBeGreaterThan(0);
    expect(tried.afterMs).toBeLessThan(BAKE);
  });
});

describe('a forecast of the Kayenta judge', () => {
  it('finds the bad, and does not fail the good', () => {
    const traffic = { name: 'forecast', requestsPerSecond: 200, share: 0.5, seconds: 90, errorRate: 0.001 };
    const policy = policyOf({ ...compared, minPoints: 10, metrics: [{ measure: 'errorRate' }, { measure: 'p95' }] });
    const [good, bad] = [{}, { errorRate: 0.1 }].map((candidate) => forecast(policy, [traffic], { ...traffic, candidate }, 4, 7));
    expect(good).toMatchObject({ failed: 0, passed: 4 });
    expect(bad).toMatchObject({ failed: 4, passed: 0 });
  });
});

describe('a forecast', () => {
  const policy = { ...SEQUENTIAL_DEFAULTS, initialDelayMs: 0 };
  const traffic = { name: 'forecast', requestsPerSecond: 200, share: 0.5, seconds: 120, errorRate: 0.001 };

  it('of the same seed is the same, and counts every run once', () => {
    const once = forecast(policy, [traffic], { ...traffic, candidate: { errorRate: 0.02 } }, 6, 7);
    expect(forecast(policy, [traffic], { ...traffic, candidate: { errorRate: 0.02 } }, 6, 7)).toEqual(once);
    expect(once.failed + once.passed + once.inconclusive).toBe(6);
  });

  it('finds the worse sooner than the bad, and does not fail the good', () => {
    const [good, bad, worse] = [{}, { errorRate: 0.02 }, { errorRate: 0.2 }].map((candidate) =>
      forecast(policy, [traffic], { ...traffic, candidate }, 6, 7),
    );
    expect(good).toMatchObject({ failed: 0, failedAfterMs: null });
    expect([bad?.failed, worse?.failed]).toEqual([6, 6]);
    expect(worse?.failedAfterMs?.median).toBeLessThanOrEqual(bad?.failedAfterMs?.median ?? 0);
    expect(bad?.failedAfterMs?.p95).toBeGreaterThanOrEqual(bad?.failedAfterMs?.median ?? Infinity);
  });
});
