import type { ResolvedApp, ResolvedEnvironment } from '../../changes/environment.ts';
import { inDependencyOrder } from '../../changes/order.ts';
import { UserError } from '../../errors.ts';
import type { KnownApp, KnownManifest } from './make-plan.ts';
import { dependenciesAmong, lasting, refuseBranch, refuseUnknown, rulesOf } from './make-plan.ts';
import type { Plan, PlannedApp, Source } from './plan.ts';
import { versionId, withHash } from './plan.ts';

export interface RollbackInput {
  readonly environment: ResolvedEnvironment;
  readonly manifest: KnownManifest;
  /** Apps to put back. An app goes back before those it depends on. */
  readonly apps: readonly string[];
  /** Version id, or its beginning, from the app's history; without it, the newest that is not held. */
  readonly to?: string;
}

type Earlier = KnownApp['history'][number];

/**
 * Back to versions that were stable before, with the run settings they had, all traffic at once.
 * @throws UserError `UNKNOWN_APP`, `NOTHING_TO_ROLL_BACK_TO`, `UNKNOWN_VERSION`.
 */
export function makeRollbackPlan(input: RollbackInput): Plan {
  const { environment, manifest } = input;
  refuseUnknown(
    input.apps,
    environment.apps.map((app) => app.app),
  );
  if (input.to !== undefined && input.apps.length !== 1) {
    throw new UserError(
      'UNKNOWN_VERSION',
      `Version ${input.to} belongs to one app, but ${input.apps.length} apps are to be rolled back.`,
      'Name the one app.',
    );
  }
  const chosen = environment.apps.filter((app) => input.apps.includes(app.app));
  const dependents = new Map(chosen.map((app) => [app.app, dependentsAmong(app.app, chosen, environment.apps)]));
  const order = inDependencyOrder([...dependents].map(([name, dependsOn]) => ({ name, dependsOn })));
  const targets = order.flatMap((name) => {
    const app = chosen.find((other) => other.app === name);
    return app === undefined ? [] : [{ app, target: rollbackTarget(name, manifest.apps[name] ?? null, input.to) }];
  });
  return withHash({
    schema: 1,
    workspace: environment.workspace,
    environment: environment.name,
    kind: 'rollback',
    source: sourceOf(targets.map(({ target }) => target)),
    apps: targets.map(({ app, target }) => putBack(app, target, manifest, dependents.get(app.app) ?? [])),
    unchanged: [],
    deadlines: environment.deadlines,
  });
}

function putBack(app: ResolvedApp, target: Earlier, manifest: KnownManifest, dependsOn: readonly string[]): PlannedApp {
  return {
    ...lasting(app),
    dependsOn,
    reason: `back to version ${target.version.id} of release ${target.release}`,
    fingerprint: target.fingerprint,
    artifact: target.version.artifact,
    stable: manifest.apps[app.app]?.stable ?? null,
    build: null,
    run: target.version.run,
    health: target.version.health,
    strategy: app.strategy.kind === 'recreate' ? app.strategy : { kind: 'allAtOnce', soakMs: app.strategy.soakMs },
  };
}

function rollbackTarget(app: string, known: KnownApp | null, to: string | undefined): Earlier {
  const stable = known?.stable?.id ?? null;
  const earlier = (known?.history ?? []).filter((entry) => entry.version.id !== stable);
  if (to === undefined) {
    const held = new Set(known?.held.map((entry) => entry.version));
    const target = earlier.find((entry) => !held.has(entry.version.id));
    if (target !== undefined) return target;
    const why = known === null || stable === null ? 'it has never been healthy here' : 'no earlier version is on record';
    throw new UserError(
      'NOTHING_TO_ROLL_BACK_TO',
      `${app} has nothing to go back to: ${why}.`,
      'Fix it forward: commit a correction and deploy.',
    );
  }
  const matches = earlier.filter((entry) => entry.version.id.startsWith(to));
  const ids = [...new Set(matches.map((entry) => entry.version.id))];
  if (ids.length === 1 && matches[0] !== undefined) return matches[0];
  const choice = [...new Set(earlier.map((entry) => entry.version.id))].join(', ') || 'none';
  if (stable !== null && to !== '' && stable.startsWith(to)) {
    throw new UserError('NOTHING_TO_ROLL_BACK_TO', `${app} already runs version ${stable}.`, `Earlier versions: ${choice}.`);
  }
  const problem =
    ids.length > 1 ? `"${to}" could be several versions of ${app}: ${ids.join(', ')}.` : `${app} has no earlier version "${to}".`;
  throw new UserError('UNKNOWN_VERSION', problem, `Earlier versions, newest first: ${choice}.`);
}

/** Apps of the plan that need this one, seen through apps that are not in the plan. */
function dependentsAmong(name: string, chosen: readonly ResolvedApp[], all: readonly ResolvedApp[]): string[] {
  return chosen
    .map((app) => app.app)
    .filter((other) => dependenciesAmong(other, chosen, all).includes(name))
    .toSorted();
}

/** One commit when all the versions came from it, else none. */
function sourceOf(targets: readonly Earlier[]): Source {
  const commits = new Set(targets.map((target) => target.version.commit));
  const [commit] = commits;
  return { commit: commits.size === 1 ? (commit ?? null) : null, branch: null, dirty: false };
}

/**
 * The same plan again after it did not succeed, on top of what is stable now and under the rules that the environment
 * has now. Apps that got there in the meantime are left alone.
 * @throws UserError `NOTHING_TO_RETRY`, `BRANCH_NOT_ALLOWED`.
 */
export function makeRetryPlan(before: Plan, manifest: KnownManifest, environment: ResolvedEnvironment): Plan {
  const old = before.kind === 'rollback' ? before : underRulesOf(before, environment, manifest);
  const there = old.apps.filter((app) => isThere(app, manifest.apps[app.app] ?? null)).map((app) => app.app);
  const apps = old.apps.filter((app) => !there.includes(app.app));
  if (apps.length === 0) {
    throw new UserError(
      'NOTHING_TO_RETRY',
      'Everything this release was to bring is stable already.',
      'Use sluice deploy --force to deploy it once more.',
    );
  }
  return withHash({
    ...old,
    apps: apps.map((app) => ({
      ...app,
      dependsOn: app.dependsOn.filter((name) => !there.includes(name)),
      stable: manifest.apps[app.app]?.stable ?? null,
    })),
    unchanged: [...old.unchanged, ...there.map((app) => ({ app, reason: 'stable already' }))],
  });
}

/** A plan from before the environment had its rules is no way round them. */
function underRulesOf(old: Plan, environment: ResolvedEnvironment, manifest: KnownManifest): Plan {
  const { approval, window: _window, checks: _checks, hash: _hash, ...rest } = old;
  if (old.promotedFrom === undefined) refuseBranch({ environment, source: old.source, breakGlass: old.breakGlass?.reason });
  const names = new Set(old.apps.map(({ app }) => app));
  const checked = old.promotedFrom === undefined ? environment.apps.filter((app) => app.checked === true && names.has(app.app)) : [];
  return withHash({ ...rest, ...rulesOf({ environment, manifest, breakGlass: old.breakGlass?.reason }, checked, approval?.authors ?? []) });
}

function isThere(app: PlannedApp, known: KnownApp | null): boolean {
  if (known?.stable === null || known?.stable === undefined || known.fingerprint !== app.fingerprint) return false;
  return known.stable.id === versionId(app.artifact ?? known.stable.artifact, app.run, app.health);
}
