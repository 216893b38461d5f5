import { describe, expect, it } from 'vitest';
import { next } from '../release/runbook/next.ts';
import { type Behaviour, configured, type Does, NEW, tell } from '../../../test/worlds/story.ts';

const BAKE = 20_000;
const canary = (weights: readonly number[] = [50], bake: number = BAKE) => ({
  kind: 'canary',
  steps: weights.map((weight) => ({ weight, bake })),
  soak: '10s',
});
/** One good measurement a second on anything below 5 % errors. */
const threshold = {
  judge: 'threshold',
  interval: 1000,
  minRequests: 100,
  metrics: [{ measure: 'errorRate', success: '< 5 %', minRequests: 10, inconclusiveLimit: -1 }],
};
const well: Behaviour = () => ({ requests: 50 });
const down: Behaviour = () => null;
/** Good enough for nobody to complain, too few to prove anything. */
const few: Behaviour = () => ({ requests: 2 });
const badFrom =
  (from: number, only: string | null = null): Behaviour =>
  (at, { analysis }): Does => ({ requests: 50, errors: at >= from && (only === null || analysis === only) ? 30 : 0 });

describe('what is done where nothing is proven', () => {
  const story = (onInconclusive: string | undefined, candidate: Behaviour, more: object = {}) =>
    tell({
      strategy: configured({
        strategy: canary(),
        analysis: { ...threshold, ...(onInconclusive === undefined ? {} : { onInconclusive }), ...more },
      }),
      candidate,
      untilMs: 50_000,
    });

  it('pause, unless something else is said', () => {
    for (const said of [undefined, 'pause']) {
      const { state, when } = story(said, few);
      expect(state.rollouts['web']).toMatchObject({ phase: 'Paused', reason: 'only 40 of 100 requests needed reached the new version' });
      expect(when('RolloutPaused')).toBeGreaterThanOrEqual(BAKE);
      expect(state.outcome).toBeNull();
    }
  });

  it('extend bakes once more as long, and takes what is proven then', () => {
    const late = story('extend', few, { minRequests: 60 });
    expect(late.state.outcome).toBe('Succeeded');
    expect(late.weights.at(-1)?.[0]).toBeGreaterThan(BAKE + 5000);
    expect(late.weights.at(-1)?.[0]).toBeLessThan(2 * BAKE);
    expect(late.when('RolloutPaused')).toBeNull();
    const never = story('extend', few);
    expect(never.when('RolloutPaused')).toBeGreaterThanOrEqual(2 * BAKE);
  });

  it('rollback puts it back', () => {
    const { state, when } = story('rollback', few);
    expect(state).toMatchObject({ outcome: 'RolledBack', cause: { code: 'ANALYSIS_INCONCLUSIVE' } });
    expect(when('RollbackStarted')).toBeGreaterThanOrEqual(BAKE);
  });

  it('promote goes on, but never on fewer requests than are needed', () => {
    const undecided = [{ measure: 'p95', success: '< 1 s', failure: '> 2 s', minRequests: 10, inconclusiveLimit: -1 }];
    const slowish: Behaviour = () => ({ requests: 50, ms: 800 });
    expect(story('promote', slowish, { metrics: undecided }).state.outcome).toBe('Succeeded');
    expect(story('pause', slowish, { metrics: undecided }).state.rollouts['web']?.phase).toBe('Paused');
    expect(story('promote', few).state.rollouts['web']?.phase).toBe('Paused');
  });

  it('metrics that cannot be read hold a release under every policy', () => {
    for (const said of ['pause', 'extend', 'rollback', 'promote']) {
      const { state, weights } = story(said, down);
      expect([said, state.outcome, state.rollouts['web']?.phase, weights.length]).toEqual([said, null, 'Paused', 1]);
    }
  });

  it('no traffic is inconclusive, or bad where the policy says so; never good', () => {
    const silent: Behaviour = () => ({ requests: 0 });
    expect(story(undefined, silent).state.rollouts['web']?.phase).toBe('Paused');
    expect(story('promote', silent).state.rollouts['web']?.phase).toBe('Paused');
    expect(story(undefined, silent, { noData: 'fail' }).state).toMatchObject({ outcome: 'RolledBack', cause: { code: 'ANALYSIS_FAILED' } });
  });
});

describe('the end of a bake', () => {
  it('comes later by the time of which nobody knows anything', () => {
    const usual = { strategy: configured({ strategy: canary(), analysis: threshold }), candidate: well, untilMs: 100_000 };
    const laterBy = (more: object) =>
      (tell({ ...usual, ...more }).when('RolloutPromoted') ?? 0) - (tell(usual).when('RolloutPromoted') ?? 0);
    const away = { recordedAfter: (at: number) => (at > 5000 && at < 6000 ? 12_000 : 0) };
    // What was counted on while nobody looked tells of all that time.
    expect(laterBy(away)).toBeLessThan(1500);
    const restarted = laterBy({ ...away, restarts: [16_000] });
    expect(restarted).toBeGreaterThan(11_000);
    expect(restarted).toBeLessThan(13_500);
    const unreachable = laterBy({ candidate: (at: number) => (at > 5000 && at < 8000 ? null : { requests: 50 }), restarts: [7500] });
    expect(unreachable).toBeGreaterThan(2000);
    expect(unreachable).toBeLessThan(4500);
  });

  it('comes after a look that reaches to it, not after one that was recorded then', () => {
    const { state, log } = tell({
      strategy: configured({ strategy: canary(), analysis: threshold }),
      candidate: well,
      recordedAfter: (at) => (at > 18_500 && at < 19_600 ? 5000 : 0),
      untilMs: 100_000,
    });
    expect(log.some(({ at, data }) => data.type === 'SampleCollected' && (data.sample?.at ?? at) < at - 4000)).toBe(true);
    expect(state.outcome).toBe('Succeeded');
  });

  it('is told by what was looked at, however late that is recorded', () => {
    const { state } = tell({
      strategy: configured({ strategy: canary(), analysis: threshold }),
      candidate: well,
      recordedAfter: (at) => (at > 19_900 ? 3000 : 0),
      untilMs: 100_000,
    });
    expect(state.outcome).toBe('Succeeded');
  });

  it('is not told by a look of long ago: a control plane that was away looks once more', () => {
    const { state } = tell({ strategy: configured({ strategy: canary(), analysis: threshold }), candidate: well, untilMs: BAKE + 55 });
    expect(state.rollouts['web']?.analysis?.seenUntil).toBeGreaterThan(BAKE);
    const kinds = (at: number) => next(state, at).effects.map((effect) => effect.kind);
    expect(kinds(BAKE + 5000)).toEqual(['record']);
    expect(kinds(BAKE + 600_000)).toEqual(['collect']);
  });

  it('does not wait for an edge whose clock is behind', () => {
    const { state, when } = tell({
      strategy: configured({ strategy: canary(), analysis: threshold }),
      candidate: well,
      clockBehindMs: 600_000,
      untilMs: 50_000,
    });
    expect(state.rollouts['web']?.phase).toBe('Paused');
    expect(when('RolloutPaused')).toBeLessThan(BAKE + 3000);
  });

  it('nor is it longer where that clock is ahead', () => {
    const { state, when } = tell({
      strategy: configured({ strategy: canary(), analysis: threshold }),
      candidate: well,
      clockBehindMs: -600_000,
      untilMs: 50_000,
    });
    expect(state.rollouts['web']?.reason).toContain('the clocks of edge and control plane disagree');
    expect(when('RolloutPaused')).toBeLessThan(BAKE + 3000);
  });

  it('comes after a look at the very end, also where it was put off', () => {
    const { log } = tell({
      strategy: configured({ strategy: canary(), analysis: { ...threshold, interval: '7s', onInconclusive: 'extend' } }),
      candidate: few,
      untilMs: 50_000,
    });
    const looks = log.filter(({ data }) => data.type === 'SampleCollected').map(({ at }) => at);
    const paused = log.find(({ data }) => data.type === 'RolloutPaused')?.at ?? 0;
    expect(paused).toBeGreaterThanOrEqual(2 * BAKE);
    expect(looks.findLast((at) => at <= paused)).toBeGreaterThan(2 * BAKE);
  });

  const sequential = { judge: 'sequential', interval: 1000, initialDelay: 2000, minRequests: 100, errors: { passMargin: 0.02 } };

  it('comes early where that is asked for, something is proven and the least bake is over', () => {
    const run = (early: object | undefined) =>
      tell({ strategy: configured({ strategy: canary([50], 600_000), analysis: { ...sequential, ...early } }), candidate: well });
    const late = run({ early: { minBake: '1m' } });
    expect(late.state.outcome).toBe('Succeeded');
    const promotedAt = late.when('RolloutPromoted') ?? 0;
    expect(promotedAt).toBeGreaterThanOrEqual(60_000);
    expect(promotedAt).toBeLessThan(300_000);
    expect(run(undefined).when('RolloutPromoted')).toBeGreaterThanOrEqual(600_000);
  });

  it('does not come early on measurements that were good so far', () => {
    const run = (metric: object) =>
      tell({
        strategy: configured({
          strategy: canary([50], 60_000),
          analysis: { ...threshold, early: { minBake: '5s' }, metrics: [{ ...threshold.metrics[0], ...metric }] },
        }),
        candidate: well,
      }).when('RolloutPromoted');
    expect(run({})).toBeGreaterThanOrEqual(60_000);
    expect(run({ consecutiveSuccessLimit: 10 })).toBeLessThan(20_000);
  });

  it('an early pass asks for p99 too', () => {
    const strategy = configured({ strategy: 'canary', analysis: { early: true } });
    expect(strategy).toMatchObject({ analysis: { early: { minBakeMs: 300_000 }, latency: { quantiles: [0.5, 0.95, 0.99] } } });
  });

  it('a failure comes at once, whatever is left of the bake', () => {
    const { state, when, log } = tell({
      strategy: configured({ strategy: canary([50], 1_800_000), analysis: sequential }),
      candidate: badFrom(5000),
    });
    const failedAt = when('RolloutFailed') ?? Infinity;
    const look = log.findLast(({ data, at }) => data.type === 'SampleCollected' && at <= failedAt);
    expect(state.outcome).toBe('RolledBack');
    expect(failedAt).toBeLessThan(40_000);
    expect(failedAt - (look?.at ?? 0)).toBe(0);
    expect(
      (when('WeightsShifted', (event) => event.type === 'WeightsShifted' && event.weights[NEW.id] === 0) ?? Infinity) - failedAt,
    ).toBeLessThan(100);
  });

  it('each step needs evidence of its own', () => {
    const dwindling: Behaviour = (at) => ({ requests: at < BAKE + 1000 ? 50 : 1 });
    const { state, weights } = tell({
      strategy: configured({ strategy: canary([5, 25]), analysis: threshold }),
      candidate: dwindling,
      untilMs: 70_000,
    });
    expect(weights.map(([, weight]) => weight)).toEqual([5, 25]);
    expect(state.rollouts['web']).toMatchObject({ phase: 'Paused', pause: { reason: 'inconclusive' } });
  });
});

describe('several analyses of one rollout', () => {
  const named = (analyses: readonly object[], weights: readonly number[] = [5, 25]) =>
    configured({ strategy: canary(weights), analysis: threshold, analyses: analyses.map((one) => ({ ...threshold, ...one })) });

  it('one in the background goes on through all steps, and is decided with the last', () => {
    const { state, log } = tell({ strategy: named([{ name: 'orders', during: 'background' }]), candidate: well });
    const started = log.filter(({ data }) => data.type === 'SampleCollected' && data.analysis === 'orders' && data.sample === null);
    expect(started).toHaveLength(1);
    const completed = log.flatMap(({ data }) => (data.type === 'AnalysisCompleted' ? [data.analysis ?? 'own'] : []));
    expect(completed).toEqual(['own', 'orders', 'own']);
    expect(state.outcome).toBe('Succeeded');
  });

  it('one in the background fails the rollout in any step, at once', () => {
    const { state, when } = tell({
      strategy: named([{ name: 'orders', during: 'background' }]),
      candidate: badFrom(BAKE + 5000, 'orders'),
    });
    expect(state).toMatchObject({
      outcome: 'RolledBack',
      cause: { message: expect.stringMatching(/^orders: errorRate failed with [0-9.]+ %/) },
    });
    expect(when('RolloutFailed')).toBeLessThan(BAKE + 8000);
  });

  it('one of each step begins anew', () => {
    const { log } = tell({ strategy: named([{ name: 'orders', during: 'step' }]), candidate: well });
    expect(log.filter(({ data }) => data.type === 'SampleCollected' && data.analysis === 'orders' && data.sample === null)).toHaveLength(2);
  });

  it('one after promotion looks while the old version is kept, and brings it back', () => {
    const strategy = named([{ name: 'after', during: 'afterPromotion' }], [50]);
    const good = tell({ strategy, candidate: well });
    const promotedAt = good.when('RolloutPromoted') ?? Infinity;
    const looks = good.log.filter(({ data }) => data.type === 'SampleCollected' && data.analysis === 'after');
    expect(looks.length).toBeGreaterThanOrEqual(9);
    expect(looks.every(({ at }) => at > promotedAt)).toBe(true);
    expect(good.state.outcome).toBe('Succeeded');
    const bad = tell({ strategy, candidate: badFrom(promotedAt + 2000, 'after') });
    expect(bad.state).toMatchObject({ outcome: 'RolledBack', cause: { code: 'ANALYSIS_FAILED' } });
    expect(bad.weights.map(([, weight]) => weight)).toEqual([50, 100, 0]);
  });

  it('a dry run is looked at and noted, without consequences', () => {
    const { state, log } = tell({ strategy: named([{ name: 'trial', dryRun: true }]), candidate: badFrom(0, 'trial') });
    expect(state.outcome).toBe('Succeeded');
    expect(log.flatMap(({ data }) => (data.type === 'AnalysisCompleted' && data.analysis === 'trial' ? [data.verdict.phase] : []))).toEqual(
      ['Failed', 'Failed'],
    );
  });

  it('a dry-run metric counts neither way, and is not enough alone', () => {
    const trial = { ...threshold.metrics[0], name: 'trial', success: '< 0.1 %', dryRun: true };
    const run = (metrics: readonly object[]) =>
      tell({
        strategy: configured({ strategy: canary(), analysis: { ...threshold, metrics } }),
        candidate: () => ({ requests: 50, errors: 1 }),
      });
    const { state } = run([...threshold.metrics, trial]);
    expect(state.outcome).toBe('Succeeded');
    expect(state.rollouts['web']?.verdict?.metrics).toMatchObject([
      { phase: 'Successful' },
      { name: 'trial', phase: 'Failed', dryRun: true },
    ]);
    expect(() => run([trial])).toThrow(/all metrics are dryRun, so nothing would be judged/);
  });
});

describe('where a policy is said', () => {
  it('a source is told where the judge is going to cut its latencies', () => {
    const prometheus = { kind: 'prometheus', url: 'http://prometheus:9090', requests: 'r', errors: 'e', latency: 'l_bucket' };
    const policy = (analysis: object) => {
      const strategy = configured({ strategy: 'canary', analysis });
      return strategy.kind === 'canary' ? strategy.analysis : null;
    };
    // Edges that every client library has.
    const usual = [5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000];
    expect(policy({ source: prometheus })).toMatchObject({ latency: { edgesMs: usual }, source: { bucketsMs: usual } });
    const own = { ...prometheus, bucketsMs: [100, 30] };
    expect(policy({ source: own })).toMatchObject({ latency: { edgesMs: [30, 100] }, source: { bucketsMs: [100, 30] } });
    for (const analysis of [
      { source: prometheus, latency: false },
      { source: prometheus, judge: 'threshold' },
    ])
      expect(policy(analysis)?.source).not.toHaveProperty('bucketsMs');
  });

  it('an environment has defaults, an app its own, and the app in the environment the last word', () => {
    const strategy = (app: object, production: object) => configured({ strategy: 'canary', ...app }, { production });
    const interval = (of: ReturnType<typeof strategy>) => (of.kind === 'canary' ? of.analysis?.intervalMs : null);
    expect(interval(strategy({}, { analysis: { interval: '3s' } }))).toBe(3000);
    expect(interval(strategy({ analysis: { interval: '5s' } }, { analysis: { interval: '3s' } }))).toBe(5000);
    expect(
      interval(
        strategy({ analysis: { interval: '5s' } }, { analysis: { interval: '3s' }, apps: { web: { analysis: { interval: '7s' } } } }),
      ),
    ).toBe(7000);
    const kept = strategy({ analysis: { alphaFail: 0.02 } }, { analysis: { interval: '3s' } });
    expect(kept).toMatchObject({ analysis: { intervalMs: 3000, alphaFail: 0.02 } });
  });

  it('a template takes arguments, and what is said beside it counts more', () => {
    const orders = {
      judge: 'sequential',
      interval: '5s',
      latency: false,
      source: {
        kind: 'prometheus',
        url: '{{where}}',
        requests: 'orders_total{shop="{{shop}}",version="{{version}}"}',
        errors: 'orders_failed',
      },
    };
    const strategy = configured(
      {
        strategy: 'canary',
        analyses: [
          {
            name: 'berlin',
            template: 'orders',
            with: { where: 'http://prometheus:9090', shop: 'berlin' },
            interval: '9s',
            during: 'background',
          },
        ],
      },
      { templates: { orders } },
    );
    expect(strategy).toMatchObject({
      analyses: [
        {
          name: 'berlin',
          during: 'background',
          policy: {
            intervalMs: 9000,
            source: { url: 'http://prometheus:9090', requests: 'orders_total{shop="berlin",version="{{version}}"}' },
          },
        },
      ],
    });
    expect(() => configured({ analysis: { template: 'ordres' } }, { templates: { orders } })).toThrow(
      /no template "ordres"; there are orders/,
    );
  });

  it('arguments of a template may be limits, times and numbers too', () => {
    const limits = {
      judge: 'threshold',
      interval: '{{every}}',
      minRequests: '{{requests}}',
      metrics: [{ measure: '{{what}}', success: '< {{limit}} ms', failureLimit: '{{tolerated}}' }],
    };
    const strategy = (args: object) =>
      configured({ strategy: 'canary', analysis: { template: 'limits', with: args } }, { templates: { limits } });
    const all = { every: '7s', requests: 40, what: 'p95', limit: 300, tolerated: 2 };
    expect(strategy(all)).toMatchObject({
      analysis: {
        intervalMs: 7000,
        minRequests: 40,
        metrics: [{ measure: { quantile: 0.95 }, success: { compare: '<', value: 300 }, failureLimit: 2 }],
      },
    });
    expect(() => strategy({ ...all, limit: 'much' })).toThrow(/metrics.*comparison such as/s);
    const { limit: _, ...rest } = all;
    expect(() => strategy(rest)).toThrow(/the template "limits" asks for limit/);
  });
});
