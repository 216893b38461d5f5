import { expect, it } from 'vitest';
import { withHash } from '../../src/core/release/plan/plan.ts';
import { seeded } from './random.ts';
import { simulate } from './run.ts';
import { type ScenarioRelease, scenarioOf } from './scenario.ts';

/**
 * AR#4604: an instance died in the middle, and the analysis counted as passed. Here a version is well until it has all the
 * traffic, then dies, while it answers no request badly: only a look at its health can tell.
 */
it('a version that dies with all the traffic on it goes back, whatever the strategy', { timeout: 60_000 }, () => {
  const tried: Record<string, number> = {};
  for (let seed = 1; seed <= 600; seed += 1) {
    const story = scenarioOf(seeded(seed), { crashes: false, commands: false });
    const first = story.releases[0] as ScenarioRelease;
    const app = first.plan.apps.find(
      ({ stable, routes, strategy }) => stable !== null && routes.length > 0 && strategy.kind !== 'recreate',
    );
    const behaviour = app === undefined ? undefined : first.behaviours[app.app];
    if (app === undefined || behaviour === undefined) continue;
    const dying = {
      ...behaviour,
      build: 'ok',
      healthy: true,
      smoke: true,
      errorRate: 0,
      dies: true,
      traffic: 400,
      metricsDown: false,
    } as const;
    const failures = { deploy: 0, shift: 0, retire: 0 };
    const plan = withHash({ ...first.plan, apps: [{ ...app, dependsOn: [] }] });
    const release = {
      ...first,
      plan,
      behaviours: { [app.app]: { ...dying, failures } },
      commands: [{ after: 5_000, kind: 'full' }],
    } as const;
    const { violations, states, stables } = simulate(seed, { scenario: { ...story, releases: [release] } });
    const state = states.get('r1');
    expect({ seed, violations, outcome: state?.outcome, stable: stables[app.app]?.id }).toEqual({
      seed,
      violations: [],
      outcome: 'RolledBack',
      stable: app.stable?.id,
    });
    tried[app.strategy.kind] = (tried[app.strategy.kind] ?? 0) + 1;
  }
  for (const kind of ['canary', 'blueGreen', 'allAtOnce']) expect(tried[kind] ?? 0).toBeGreaterThan(20);
});
