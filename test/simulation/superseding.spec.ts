import { describe, expect, it } from 'vitest';
import { withHash, type Concurrency, type PlannedApp, type Strategy } from '../../src/core/release/plan/plan.ts';
import { seeded } from './random.ts';
import { simulate, type Outcome } from './run.ts';
import { type Behaviour, type Scenario, type ScenarioRelease, scenarioOf, versionOf } from './scenario.ts';

/**
 * AR#3331, AR#3354: a second deploy during the first one left both stuck. Here the second comes at every moment at which
 * anything happens to the first, whatever the first is doing, good or bad, for each way of standing in line.
 */
const STORIES = 40;
const MOMENTS = 60;

describe.each(['queue', 'supersede'] as const)('a second deploy (%s) at every moment of the first', (concurrency) => {
  it('ends, succeeds, and is what runs; the first ends too', { timeout: 120_000 }, () => {
    const firsts: Record<string, number> = {};
    let tried = 0;
    for (let seed = 1; seed <= STORIES; seed += 1) {
      const story = scenarioOf(seeded(seed), { crashes: false, commands: false });
      const first = story.releases[0] as ScenarioRelease;
      for (const at of momentsOf(simulate(seed, { scenario: { ...story, releases: [first] } }))) {
        const second = goodDeployOf(first, at, concurrency);
        const result = simulate(seed, { scenario: { ...story, releases: [first, second] } satisfies Scenario });
        const outcome = result.states.get('r2')?.outcome;
        const where = `seed ${seed}, ${at} ms`;
        expect({ where, violations: result.violations, outcome }).toEqual({ where, violations: [], outcome: 'Succeeded' });
        const expected = Object.fromEntries(second.plan.apps.map(({ app }) => [app, versionOf(app, 'r2').id]));
        const stable = Object.fromEntries(Object.keys(expected).map((app) => [app, result.stables[app]?.id]));
        expect({ where, stable }).toEqual({ where, stable: expected });
        const ended = result.states.get('r1')?.outcome ?? 'none';
        firsts[ended] = (firsts[ended] ?? 0) + 1;
        tried += 1;
      }
    }
    expect(tried).toBeGreaterThan(500);
    expect(firsts['none'] ?? 0).toBe(0);
    // A matrix in which no first deploy is ever cut short, or none ever gets through, tests nothing there.
    expect(firsts['Succeeded'] ?? 0).toBeGreaterThan(20);
    if (concurrency === 'supersede') expect(firsts['Aborted'] ?? 0).toBeGreaterThan(100);
  });
});

/** Each time at which something happened, and just after it; evenly chosen where there are many. */
function momentsOf({ log }: Outcome): readonly number[] {
  const all = [...new Set(log.flatMap(({ at }) => [at, at + 1]))];
  const stride = Math.max(1, Math.ceil(all.length / MOMENTS));
  return all.filter((_, index) => index % stride === 0);
}

const GOOD: Behaviour = {
  build: 'ok',
  startMs: 200,
  healthy: true,
  smoke: true,
  errorRate: 0,
  dies: false,
  unreachableAfterMs: null,
  failures: { deploy: 0, shift: 0, retire: 0 },
  traffic: 400,
  metricsDown: false,
};

/** The same apps once more, well behaved, and waiting for no person. */
function goodDeployOf(first: ScenarioRelease, at: number, concurrency: Concurrency): ScenarioRelease {
  const { plan } = first;
  const apps = plan.apps.map((app): PlannedApp => ({ ...app, concurrency, strategy: withoutPeople(app.strategy) }));
  return {
    id: 'r2',
    at,
    plan: withHash({ ...plan, source: { ...plan.source, commit: 'r2' }, apps }),
    behaviours: Object.fromEntries(apps.map(({ app }) => [app, GOOD])),
    commands: [],
    staged: null,
  };
}

function withoutPeople(strategy: Strategy): Strategy {
  if (strategy.kind === 'blueGreen') return { ...strategy, confirm: false };
  if (strategy.kind !== 'canary') return strategy;
  return { ...strategy, steps: strategy.steps.filter((step) => step.kind !== 'pause' || step.forMs !== null) };
}
