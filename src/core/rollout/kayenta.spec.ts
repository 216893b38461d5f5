import { describe, expect, it } from 'vitest';
import { type Behaviour, configured, tell } from '../../../test/worlds/story.ts';

const BAKE = 20_000;
const kayenta = {
  judge: 'kayenta',
  interval: 1000,
  minPoints: 10,
  metrics: [
    { measure: 'errorRate', group: 'errors', minRequests: 40 },
    { measure: 'p95', group: 'latency', minRequests: 40 },
  ],
};
const story = (candidate: Behaviour, analysis: object = kayenta, more: object = {}, untilMs = 120_000) =>
  tell({
    strategy: configured({
      strategy: { kind: 'canary', steps: [25, 50].map((weight) => ({ weight, bake: BAKE })), soak: '10s' },
      analysis,
      ...more,
    }),
    candidate,
    untilMs,
  });
const well: Behaviour = () => ({ requests: 50 });
/** From the second second of the minute on now and then more errors, as they come. */
const worse: Behaviour = (at) => ({ requests: 50, errors: 5 + (Math.round(at / 1000) % 4) });
const slower: Behaviour = () => ({ requests: 50, ms: 90 });

describe('a rollout judged by Kayenta', () => {
  it('promotes a good candidate, after whole bakes', () => {
    const { state, weights, log } = story(well);
    expect(state.outcome).toBe('Succeeded');
    expect(weights.map(([, weight]) => weight)).toEqual([25, 50, 100]);
    expect((weights[1]?.[0] ?? 0) - (weights[0]?.[0] ?? 0)).toBeGreaterThanOrEqual(BAKE);
    const verdicts = log.flatMap(({ data }) => (data.type === 'AnalysisCompleted' ? [data.verdict] : []));
    expect(verdicts.map(({ phase }) => phase)).toEqual(['Successful', 'Successful']);
    expect(verdicts[0]?.reason).toMatch(/^score 100 of 100 on \d+ points of each version \(asked: 95\)$/);
  });

  it.each([
    ['fails more often', worse, /^score 50 of 100 \(below 75 fails\): errorRate is High with 1[0-9.]+ % against 0 % of the old version/],
    ['is slower', slower, /^score 50 of 100 \(below 75 fails\): p95 is High with 1[0-9.]+ ms against [0-9.]+ ms of the old version/],
  ] as const)('takes back one that %s, as soon as there are points enough', (_, candidate, reason) => {
    const { state, when, weights } = story(candidate);
    expect(state).toMatchObject({ outcome: 'RolledBack', cause: { code: 'ANALYSIS_FAILED', message: expect.stringMatching(reason) } });
    const began = weights[0]?.[0] ?? 0;
    expect(when('RollbackStarted')).toBeGreaterThanOrEqual(began + 10_000);
    expect(when('RollbackStarted')).toBeLessThan(began + BAKE);
  });

  it('holds one that gets too few requests for its points, and one that nobody can measure', () => {
    const HELD = BAKE + 15_000;
    expect(story(() => ({ requests: 9 }), kayenta, {}, HELD).state.rollouts['web']).toMatchObject({
      phase: 'Paused',
      reason: expect.stringMatching(/^only \d of 10 points needed of errorRate could be taken$/),
    });
    expect(story(() => null, kayenta, {}, 2 * BAKE + 15_000).state.rollouts['web']).toMatchObject({
      phase: 'Paused',
      reason: 'the metrics could not be read: connection refused',
    });
  });

  it('ends a bake early where that is allowed', () => {
    const { state, weights } = story(well, { ...kayenta, early: { minBake: 12_000 } });
    expect(state.outcome).toBe('Succeeded');
    expect((weights[1]?.[0] ?? 0) - (weights[0]?.[0] ?? 0)).toBeLessThan(BAKE);
  });

  it('watches in the background, through all bakes', () => {
    const analyses = [{ name: 'points', during: 'background', ...kayenta, maxPoints: 20 }];
    const late: Behaviour = (at) => (at > 25_000 ? { requests: 50, errors: 20 } : { requests: 50 });
    const { state, when, weights } = story(
      late,
      { judge: 'threshold', interval: 1000, metrics: [{ measure: 'errorRate', success: '< 99 %' }] },
      { analyses },
    );
    expect(state).toMatchObject({ outcome: 'RolledBack', cause: { message: expect.stringMatching(/^points: score 50 of 100/) } });
    expect(when('RollbackStarted')).toBeGreaterThan(weights[1]?.[0] ?? Infinity);
  });

  it('by dry run has no consequences', () => {
    const analyses = [{ name: 'points', dryRun: true, ...kayenta }];
    const lenient = { judge: 'threshold', interval: 1000, metrics: [{ measure: 'errorRate', success: '< 99 %' }] };
    const { state, log } = story(worse, lenient, { analyses });
    expect(state.outcome).toBe('Succeeded');
    const noted = log.flatMap(({ data }) => (data.type === 'AnalysisCompleted' && data.analysis === 'points' ? [data.verdict.phase] : []));
    expect(noted).toEqual(['Failed', 'Failed']);
  });
});
