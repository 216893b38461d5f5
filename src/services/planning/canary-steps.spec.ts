import { expect, it } from 'vitest';
import { configured, planned } from '../../../test/worlds/story.ts';
import { stepsForTraffic } from './canary-steps.ts';
import { OutsideError } from '../../core/errors.ts';
import { isIntact } from '../../core/release/plan/plan.ts';
import { fullPlanText } from '../../cli/view/plan.ts';

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
  const busy = await stepsForTraffic({ stats: edge(230), now }).choose(plan);
  expect(busy.apps[0]?.strategy).toMatchObject({
    steps: [{ weight: 20 }, { kind: 'bake' }, { weight: 50 }, { kind: 'bake' }],
    explained: expect.stringMatching(/^for 200 requests a second: at 20 %/),
  });
  expect(busy.apps[0]?.strategy).not.toHaveProperty('auto');
  expect(isIntact(busy)).toBe(true);
  expect(fullPlanText(busy, [], 0)).toMatch(
    /canary: 20 % for 3 min 30 s → 50 % for 1 min 30 s → 100 %[^]*Steps chosen\n {2}web: for 200 requests/,
  );
});

it('a plan made again has the same hash; without an edge or traffic the steps are the usual ones', async () => {
  const now = () => Date.now();
  const plan = planned(configured(AUTO));
  const traffic = stepsForTraffic({ stats: edge(33), now });
  expect((await traffic.choose(plan)).hash).toBe((await traffic.choose(plan)).hash);
  const none = async () => {
    throw new OutsideError('EDGE_UNREACHABLE', 'down');
  };
  for (const stats of [none, edge(0)])
    expect((await stepsForTraffic({ stats, now }).choose(plan)).apps[0]?.strategy).toMatchObject({
      steps: [{ weight: 5 }, {}, { weight: 25 }, {}, { weight: 50 }, {}],
      explained: 'the edge sees no traffic now, so these are the usual steps',
    });
});

it('what is said about the traffic counts more than what is seen, and harm makes it careful', async () => {
  const strategy = configured({ strategy: { kind: 'canary', steps: 'auto', auto: { harm: 50, requestsPerSecond: 1000 } } });
  const plan = await stepsForTraffic({ stats: edge(1), now: () => Date.now() }).choose(planned(strategy));
  expect(plan.apps[0]?.strategy).toMatchObject({
    steps: [{ weight: 0.2 }, {}, { weight: 1 }, {}, { weight: 5 }, {}, { weight: 20 }, {}, { weight: 50 }, {}],
  });
  expect(() => configured({ ...AUTO, analysis: false })).toThrow(/say the steps yourself/);
});

it('says of steps that people chose when they are too short for this traffic, and nothing where they are not', async () => {
  const said = async (app: object, rate: number) => {
    // Each look comes two seconds after the one before, by its own clock.
    let at = 0;
    const stats = async () => {
      at += 2000;
      return { epoch: 'e', at, versions: { old: { requests: (at * rate) / 1000, byClass: {}, latency: {} } } };
    };
    return stepsForTraffic({ stats, now: () => at }).notices(planned(configured({ strategy: 'canary', ...app })));
  };
  expect(await said({}, 5)).toEqual([
    'web: at the present 5 requests a second the new version gets about 440 in 30 min at 5 %, 750 in 10 min at 25 %, 1500 in 10 min at 50 %; a good one needs about 4500 to 8600 in each bake to show that it is good, so it may have to wait for a person. Longer bakes, larger shares or wider margins need less; `steps: "auto"` chooses them for the traffic.',
  ]);
  expect(await said({ analysis: { onInconclusive: 'rollback' } }, 0)).toEqual([
    expect.stringMatching(/^web: the edge sees no requests now; a good one needs about 4500 .*, so it may be put back all the same\./),
  ]);
  for (const app of [{ analysis: false }, { analysis: 'kayenta' }, { strategy: 'allAtOnce' }, AUTO]) expect(await said(app, 5)).toEqual([]);
  expect(await said({}, 5000)).toEqual([]);
});
