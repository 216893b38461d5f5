import { fitsBranch } from '../../access/governance.ts';
import { changedSettings } from '../../changes/differences.ts';
import { suggestion } from '../../text/did-you-mean.ts';
import type { ResolvedApp, ResolvedEnvironment } from '../../changes/environment.ts';
import { inDependencyOrder } from '../../changes/order.ts';
import { UserError } from '../../errors.ts';
import { correctedHold, type Hold, holdOn } from '../state/holds.ts';
import type { LeftAlone, Plan, PlannedApp, Source, VersionRef } from './plan.ts';
import { withHash } from './plan.ts';
import type { DataStages, PlannedStages } from '../preparations/index.ts';

/** What a plan needs to know of what runs now; the engine's `Manifest` has this shape. */
export interface KnownManifest {
  readonly environment: string;
  readonly apps: Readonly<Record<string, KnownApp>>;
}

export interface KnownApp {
  readonly app: string;
  readonly platform: string;
  readonly stable: VersionRef | null;
  readonly fingerprint: string | null;
  readonly history: readonly {
    readonly version: VersionRef;
    readonly fingerprint: string;
    readonly release: string;
    readonly at: number;
  }[];
  readonly held: readonly Hold[];
}

export interface PlanInput {
  readonly environment: ResolvedEnvironment;
  readonly source: Source;
  /** App → identity of its build's inputs at `source`. */
  readonly fingerprints: ReadonlyMap<string, string>;
  readonly manifest: KnownManifest;
  /** App → why its fingerprint differs from that of its stable version, one phrase; left out where that cannot be told any more. */
  readonly because?: ReadonlyMap<string, string>;
  /** Only these apps, and these even when nothing changed. */
  readonly only?: readonly string[];
  /** All apps looked at, even when nothing changed. */
  readonly force?: boolean;
  /** Take versions that are held back, too. */
  readonly liftHold?: boolean;
  /** Stages that this source brings, as far as there are any. */
  readonly stages?: DataStages;
  /** Why the environment's rules have to be set aside: an emergency. */
  readonly breakGlass?: string | undefined;
}

/**
 * What a deploy of this source would do to this environment. Pure: equal inputs make equal plans.
 * @throws UserError `UNKNOWN_APP`, `BRANCH_NOT_ALLOWED`.
 */
export function makePlan(input: PlanInput): Plan {
  const { environment, manifest } = input;
  refuseUnknown(
    input.only ?? [],
    environment.apps.map((app) => app.app),
  );
  refuseBranch(input);
  const order = inDependencyOrder(nodes(environment.apps));
  const apps = order.flatMap((name) => environment.apps.filter((app) => app.app === name));
  const reasons = new Map<string, string>();
  const unchanged: LeftAlone[] = [];
  for (const app of apps) {
    const decision = decide(app, input);
    if (decision.deploy) reasons.set(app.app, decision.reason);
    else unchanged.push({ app: app.app, reason: decision.reason, ...(decision.isHeld === true ? { keptBack: 'held' } : {}) });
  }
  unchanged.push(...noLongerConfigured(environment, manifest));
  const chosen = apps.filter((app) => reasons.has(app.app));
  return withHash({
    schema: 1,
    workspace: environment.workspace,
    environment: environment.name,
    kind: 'deploy',
    source: input.source,
    apps: chosen.map((app) => ({
      ...lasting(app),
      dependsOn: dependenciesAmong(app.app, chosen, apps),
      reason: reasons.get(app.app) ?? '',
      fingerprint: input.fingerprints.get(app.app) ?? '',
      artifact: null,
      stable: manifest.apps[app.app]?.stable ?? null,
      build: app.build,
      run: app.run,
      health: app.health,
      strategy: app.strategy,
    })),
    unchanged,
    deadlines: environment.deadlines,
    ...(chosen.length === 0
      ? {}
      : {
          ...input.stages,
          ...rulesOf(
            input,
            chosen.filter((app) => app.checked === true),
            [],
          ),
        }),
  });
}

/** Longest time for all the checks of a release. */
const CHECKS_MS = 7_200_000;

type RulesInput = Pick<PlanInput, 'environment' | 'manifest' | 'breakGlass'>;

/** What comes before the rollouts: what the environment's rules ask for, or one other person's word in an emergency. */
export function rulesOf(
  { environment, manifest, breakGlass }: RulesInput,
  checked: readonly ResolvedApp[],
  authors: readonly string[],
): PlannedStages & Pick<Plan, 'breakGlass'> {
  const { approval = null, window = null, byAuthors = false, breakGlassMs = 0 } = environment.governance ?? {};
  if (breakGlass !== undefined)
    return { approval: { number: 1, from: [], expiresMs: breakGlassMs, authors: [] }, breakGlass: { reason: breakGlass } };
  const bases = checked.map(({ app }) => ({ app, base: manifest.apps[app]?.stable?.commit ?? null }));
  return {
    ...(checked.length === 0 ? {} : { checks: { apps: bases, deadlineMs: CHECKS_MS } }),
    ...(approval === null ? {} : { approval: { ...approval, authors: byAuthors ? [] : authors } }),
    ...(window === null ? {} : { window }),
  };
}

/** @throws UserError `BRANCH_NOT_ALLOWED`. */
export function refuseBranch({ environment, source, breakGlass }: Pick<PlanInput, 'environment' | 'source' | 'breakGlass'>): void {
  const branches = environment.governance?.branches ?? null;
  if (branches === null || breakGlass !== undefined) return;
  if (source.branch !== null && fitsBranch(branches, source.branch)) return;
  const what = source.branch === null ? 'no branch is checked out' : `branch ${source.branch} is checked out`;
  throw new UserError(
    'BRANCH_NOT_ALLOWED',
    `${environment.name} takes ${branches.join(', ')} only, and ${what}.`,
    `Check out ${branches[0] ?? 'the branch'}, or deploy to an environment that takes this one.`,
  );
}

function nodes(apps: readonly ResolvedApp[]): { name: string; dependsOn: readonly string[] }[] {
  return apps.map((app) => ({ name: app.app, dependsOn: app.dependsOn }));
}

interface Decision {
  readonly deploy: boolean;
  readonly reason: string;
  readonly isHeld?: boolean;
}

function decide(app: ResolvedApp, input: PlanInput): Decision {
  const known = input.manifest.apps[app.app] ?? null;
  const change = changeOf(app, known, input);
  const asked = input.only?.includes(app.app) ?? false;
  if (input.only !== undefined && !asked) {
    return { deploy: false, reason: change === null ? 'nothing changed' : `not asked for (${change})` };
  }
  const reason = change ?? (input.force === true ? 'forced' : asked ? 'asked for by name' : null);
  if (reason === null) return { deploy: false, reason: 'nothing changed' };
  if (known === null || input.liftHold === true) return { deploy: true, reason };
  const wanted = { ...app, fingerprint: input.fingerprints.get(app.app) ?? '' };
  const hold = holdOn(known.held, wanted);
  if (hold !== null) return { deploy: false, reason: heldReason(hold), isHeld: true };
  const corrected = correctedHold(known.held, wanted);
  return { deploy: true, reason: corrected === null ? reason : `${reason}; ${corrected.changed.join(', ')} changed since it was held` };
}

/** Why the app differs from what is stable, one phrase; null when it does not. */
function changeOf(app: ResolvedApp, known: KnownApp | null, input: PlanInput): string | null {
  if (known === null || known.stable === null) return 'first deploy';
  if (known.platform !== app.platform) return `platform changed from ${known.platform} to ${app.platform}`;
  if (known.fingerprint !== input.fingerprints.get(app.app)) return whyRebuilt(app, known.stable, input);
  const names = changedSettings(known.stable, app);
  return names.length === 0 ? null : `settings changed: ${names.join(', ')}`;
}

function whyRebuilt(app: ResolvedApp, stable: VersionRef, input: PlanInput): string {
  return input.because?.get(app.app) ?? (stable.commit === null ? 'source changed' : `source changed since ${stable.commit.slice(0, 7)}`);
}

function noLongerConfigured(environment: ResolvedEnvironment, manifest: KnownManifest): { app: string; reason: string }[] {
  return Object.values(manifest.apps)
    .filter((known) => known.stable !== null && !environment.apps.some((app) => app.app === known.app))
    .map((known) => ({ app: known.app, reason: 'no longer in the configuration; left running' }))
    .toSorted((a, b) => (a.app < b.app ? -1 : 1));
}

/** Apps of the plan that this one needs, seen through apps that are not in the plan. */
export function dependenciesAmong(name: string, chosen: readonly ResolvedApp[], all: readonly ResolvedApp[]): string[] {
  const direct = new Set(all.find((app) => app.app === name)?.dependsOn);
  const inPlan = new Set(chosen.map((app) => app.app));
  const through = [...direct].filter((next) => !inPlan.has(next)).flatMap((next) => dependenciesAmong(next, chosen, all));
  return [...new Set([...[...direct].filter((next) => inPlan.has(next)), ...through])].toSorted();
}

/** Settings that a plan takes from the configuration whatever version it deploys. */
export function lasting(
  app: ResolvedApp,
): Pick<PlannedApp, 'app' | 'path' | 'platform' | 'smoke' | 'routes' | 'sticky' | 'deadlines' | 'concurrency'> {
  const { path, platform, smoke, routes, sticky, deadlines, concurrency } = app;
  return { app: app.app, path, platform, smoke, routes, sticky, deadlines, concurrency };
}

/** @throws UserError `UNKNOWN_APP`. */
export function refuseUnknown(asked: readonly string[], known: readonly string[]): void {
  const unknown = asked.filter((name) => !known.includes(name));
  if (unknown.length === 0) return;
  const words = unknown.map((name) => `"${name}"`).join(', ');
  const meant = unknown.length === 1 ? suggestion(unknown[0] ?? '', known) : '';
  throw new UserError(
    'UNKNOWN_APP',
    `There is no app ${words} in this workspace.${meant}`,
    `Apps: ${known.toSorted().join(', ') || 'none'}.`,
  );
}

function heldReason({ at, release, reason }: Hold): string {
  return `held since ${isoMinute(at)} by release ${release} (${reason}); changed sources or settings lift it`;
}

/** 2026-01-31 08:15 UTC */
function isoMinute(at: number): string {
  return `${new Date(at).toISOString().slice(0, 16).replace('T', ' ')} UTC`;
}
