import type { PlannedApp, Strategy } from '../release/plan/plan.ts';

/** What a rollout takes when all is well: not counted are the build and starting up, which take what they take. */
export interface Expected {
  readonly ms: number;
  /** It also waits for a person, for as long as that takes. */
  readonly person: boolean;
}

/** A first deploy has nothing to be compared with, so its steps are left out. */
export function expectedOf({ strategy, stable }: Pick<PlannedApp, 'strategy' | 'stable'>): Expected {
  return stable === null ? { ms: soakOf(strategy), person: false } : { ms: stepsOf(strategy) + soakOf(strategy), person: asksOf(strategy) };
}

/** Apps that depend on each other go one after another. */
export function expectedOfAll(apps: readonly PlannedApp[]): Expected {
  const ends = new Map<string, number>();
  for (const app of apps) {
    const from = Math.max(0, ...app.dependsOn.map((name) => ends.get(name) ?? 0));
    ends.set(app.app, from + expectedOf(app).ms);
  }
  return { ms: Math.max(0, ...ends.values()), person: apps.some((app) => expectedOf(app).person) };
}

function soakOf(strategy: Strategy): number {
  return strategy.kind === 'recreate' ? 0 : strategy.soakMs;
}

function stepsOf(strategy: Strategy): number {
  if (strategy.kind === 'blueGreen') return strategy.bakeMs;
  if (strategy.kind !== 'canary') return 0;
  return strategy.steps.reduce((sum, step) => sum + (step.kind === 'weight' ? 0 : (step.forMs ?? 0)), 0);
}

function asksOf(strategy: Strategy): boolean {
  if (strategy.kind === 'blueGreen') return strategy.confirm;
  return strategy.kind === 'canary' && strategy.steps.some((step) => step.kind === 'pause' && step.forMs === null);
}
