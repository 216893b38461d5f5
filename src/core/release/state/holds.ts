import { digestOf, type PlannedApp, type Strategy } from '../plan/plan.ts';

/** A version that failed by evidence, or that a person took back: it does not come again by itself. */
export interface Hold {
  readonly version: string;
  readonly fingerprint: string;
  /** What else it was made with: part of the configuration → identity. Left out by an earlier Sluice. */
  readonly settings?: Readonly<Record<string, string>>;
  readonly reason: string;
  readonly release: string;
  readonly at: number;
}

type Settings = Pick<PlannedApp, 'run' | 'health'> & Partial<Pick<PlannedApp, 'smoke' | 'routes' | 'sticky' | 'strategy' | 'deadlines'>>;

/** What a verdict about a version depended on besides its sources. */
export function holdSettings({ run, health, smoke, routes, sticky, strategy, deadlines }: Settings): Record<string, string> {
  const { env, ...command } = run;
  const variables = Object.entries(env);
  const parts = {
    run: command,
    env: Object.fromEntries(variables.map(([name, value]) => [name, typeof value === 'string' ? value : { fromEnv: value.fromEnv }])),
    values: Object.fromEntries(variables.map(([name, value]) => [name, typeof value === 'string' ? null : (value.identity ?? null)])),
    health,
    smoke,
    routes,
    sticky,
    strategy: strategy === undefined ? undefined : declared(strategy),
    deadlines,
  };
  return Object.fromEntries(
    Object.entries(parts).flatMap(([name, part]) => (part === undefined ? [] : [[name, digestOf(part).slice(0, 8)]])),
  );
}

/**
 * The hold that keeps this app from being deployed as it is, or null. A hold is on sources and configuration together: where a check, a
 * path or a variable was wrong, correcting it makes another version.
 */
export function holdOn(held: readonly Hold[], app: Settings & { readonly fingerprint: string }): Hold | null {
  return held.find((hold) => hold.fingerprint === app.fingerprint && changedSince(hold, app).length === 0) ?? null;
}

/** The newest hold on these sources whose configuration has changed since, with the names of what has. */
export function correctedHold(
  held: readonly Hold[],
  app: Settings & { readonly fingerprint: string },
): { readonly hold: Hold; readonly changed: readonly string[] } | null {
  const hold = held.find((one) => one.fingerprint === app.fingerprint);
  return hold === undefined ? null : { hold, changed: changedSince(hold, app) };
}

function changedSince({ settings = {} }: Hold, app: Settings): string[] {
  const now = new Map(Object.entries(holdSettings(app)));
  return Object.keys(settings).filter((name) => now.has(name) && now.get(name) !== settings[name]);
}

/** Without its steps: where Sluice chooses them they change with the traffic, and that is no correction. */
function declared(strategy: Strategy): object {
  if (strategy.kind !== 'canary') return strategy;
  const { kind, analysis, analyses, soakMs } = strategy;
  return { kind, analysis, analyses, soakMs };
}
