import { expect, it } from 'vitest';
import { configured, planned } from '../test/worlds/story.ts';
import { stepsForTraffic } from './app-steps.ts';
import { OutsideError } from './core/errors.ts';
import { isIntact } from './core/release/plan.ts';
import { fullPlanText } from './cli/_plan-text.ts';

const AUTO = { strategy: { kind: 'canary', steps: 'auto' } };

/** An edge that serves so many requests a second. */
function edge(rate: number) {
  const since = Date.now() - 10_000;
  return async () => {
    const requests = Math.round(((Date.now() - since) * rate) / 1000);
    return { epoch: 'e', at: Date.now(), versions: { old: { requests, byClass: {}, latency: {} } } };
  };
}

it('steps: "auto" become the steps that fit the traffic the edge sees, explained in the plan', async () => {
  const plan = planned(configured(AUTO));
  const now = () => Date.now();
  const busy = await stepsForTraffic({ stats: edge(230), now })(plan);
  expect(busy.apps[0]?.strategy).toMatchObject({
    steps: [{ weight: 2 }, { kind: 'bake' }, { weight: 10 }, { kind: 'bake' }, { weight: 50 }, { kind: 'bake' }],
    explained: expect.stringMatching(/^for 200 requests a second: at 2 %/),
  });
  expect(busy.apps[0]?.strategy).not.toHaveProperty('auto');
  expect(isIntact(busy)).toBe(true);
  expect(fullPlanText(busy, [], 0)).toMatch(
    /canary: 2 % for 20 min → 10 % for 5 min → 50 % for 2 min → 100 %[^]*Steps chosen\n {2}web: for 200 requests/,
  );
});

it('a plan made again has the same hash; without an edge or traffic the steps are the usual ones', async () => {
  const now = () => Date.now();
  const plan = planned(configured(AUTO));
  const choose = stepsForTraffic({ stats: edge(33), now });
  expect((await choose(plan)).hash).toBe((await choose(plan)).hash);
  const none = async () => {
    throw new OutsideError('EDGE_UNREACHABLE', 'down');
  };
  for (const stats of [none, edge(0)])
    expect((await stepsForTraffic({ stats, now })(plan)).apps[0]?.strategy).toMatchObject({
      steps: [{ weight: 5 }, {}, { weight: 25 }, {}, { weight: 50 }, {}],
      explained: 'the edge sees no traffic now, so these are the usual steps',
    });
});

it('what is said about the traffic counts more than what is seen, and harm makes it careful', async () => {
  const strategy = configured({ strategy: { kind: 'canary', steps: 'auto', auto: { harm: 50, requestsPerSecond: 1000 } } });
  const plan = await stepsForTraffic({ stats: edge(1), now: () => Date.now() })(planned(strategy));
  expect(plan.apps[0]?.strategy).toMatchObject({
    steps: [{ weight: 0.1 }, {}, { weight: 0.5 }, {}, { weight: 2 }, {}, { weight: 10 }, {}, { weight: 50 }, {}],
  });
  expect(() => configured({ ...AUTO, analysis: false })).toThrow(/say the steps yourself/);
});
