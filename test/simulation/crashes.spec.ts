import { expect, it } from 'vitest';
import { seeded } from './random.ts';
import { simulate } from './run.ts';
import { scenarioOf } from './scenario.ts';

/**
 * Invariant 5: with crashes before or after any effect, a release ends as it does without. Compared where
 * the story does not itself depend on the clock: one release, nobody interferes, ample or no traffic.
 */
it('ends the same with and without crashes, and starts nothing twice', { timeout: 300_000 }, () => {
  let compared = 0;
  for (let seed = 1; seed <= 4_000; seed += 1) {
    const story = scenarioOf(seeded(seed), { crashes: true, commands: false });
    const [release] = story.releases;
    if (release === undefined || story.crashes.length === 0) continue;
    const steady = Object.entries(release.behaviours).map(([app, one]) => [
      app,
      { ...one, traffic: 400, dies: false, errorRate: one.errorRate < 0.1 ? 0 : 1, failures: { deploy: 0, shift: 0, retire: 0 } },
    ]);
    const scenario = { ...story, releases: [{ ...release, behaviours: Object.fromEntries(steady) }] };
    const calm = simulate(seed, { scenario: { ...scenario, crashes: [] } });
    const shaken = simulate(seed, { scenario });
    const ending = (outcome: typeof calm) => ({
      // Whether a second app had traffic yet when the first one failed depends on the clock; that it went back does not.
      outcomes: [...outcome.states.values()].map((state) =>
        ['Failed', 'Errored', 'RolledBack'].includes(state.outcome ?? '') ? 'went back' : state.outcome,
      ),
      // A first deploy that already serves when another app fails is kept; whether it did is a matter of the clock, too.
      stables: Object.fromEntries(
        Object.entries(outcome.stables).map(([app, stable]) => [app, scenario.initial[app] === null ? null : (stable?.id ?? null)]),
      ),
    });
    expect({ seed, violations: shaken.violations, ...ending(shaken) }).toEqual({ seed, violations: [], ...ending(calm) });
    compared += 1;
  }
  expect(compared).toBeGreaterThan(2_000);
});

it('the same seed gives the same story, event by event', () => {
  for (let seed = 1; seed <= 50; seed += 1) expect(simulate(seed).log).toEqual(simulate(seed).log);
});
