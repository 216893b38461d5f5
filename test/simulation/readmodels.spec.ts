import { expect, it } from 'vitest';
import { evolve } from '../../src/core/release/state/evolve.ts';
import type { VersionRef } from '../../src/core/release/plan/plan.ts';
import { type EnvironmentApp, projectApp } from '../../src/core/release/state/readmodels.ts';
import type { ReleaseState } from '../../src/core/release/state/state.ts';
import { simulate } from './run.ts';

/**
 * What the lists say is stable is what the next release starts from and goes back to. It has to be what really is, after
 * every story: a copy that serves and is in no list would be cleared away by the next release that fails.
 */
it('the read models name as stable what really is', { timeout: 60_000 }, () => {
  let kept = 0;
  for (let seed = 1; seed <= 1_500; seed += 1) {
    const { scenario, log, stables } = simulate(seed);
    const entries = new Map(Object.entries(scenario.initial).map(([app, stable]) => [app, entryOf(app, stable)]));
    const states = new Map<string, ReleaseState>();
    for (const { release, event, at } of log) {
      const state = evolve(states.get(release) ?? null, event, at);
      states.set(release, state);
      for (const [app, entry] of entries)
        if ('app' in event && event.app === app) entries.set(app, projectApp(entry, event, state, at) ?? entry);
      if (event.type === 'StableRestored' && event.kept) kept += 1;
    }
    const listed = Object.fromEntries([...entries].map(([app, entry]) => [app, entry.stable?.id ?? null]));
    const real = Object.fromEntries(Object.entries(stables).map(([app, stable]) => [app, stable?.id ?? null]));
    expect({ seed, listed }).toEqual({ seed, listed: real });
  }
  expect(kept).toBeGreaterThan(25);
});

function entryOf(app: string, stable: VersionRef | null): EnvironmentApp {
  return { app, platform: 'simulated', stable, fingerprint: null, weights: {}, release: null, since: 0, history: [], held: [] };
}
