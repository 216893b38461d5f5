import { takesFrom } from '../../access/governance.ts';
import { changedSettings } from '../../changes/differences.ts';
import type { Governance } from '../../access/governance.ts';
import type { ResolvedApp, ResolvedEnvironment } from '../../changes/environment.ts';
import { inDependencyOrder } from '../../changes/order.ts';
import { UserError } from '../../errors.ts';
import { dependenciesAmong, type KnownApp, type KnownManifest, lasting, refuseUnknown, rulesOf } from './make-plan.ts';
import { holdOn } from '../state/holds.ts';
import { type LeftAlone, type Plan, type PlannedApp, type Source, type VersionRef, withHash } from './plan.ts';

export interface PromotionInput {
  /** Where the versions go. */
  readonly environment: ResolvedEnvironment;
  readonly manifest: KnownManifest;
  /** Where they have proved themselves. */
  readonly from: KnownManifest;
  /** Only these. */
  readonly only?: readonly string[];
  readonly breakGlass?: string | undefined;
  /** Rules of where they come from. */
  readonly fromGovernance?: Governance | undefined;
}

interface Candidate {
  readonly app: ResolvedApp;
  readonly known: KnownApp & { readonly stable: VersionRef };
}

/**
 * What is stable in one environment, to another: the same artifacts by digest, nothing is built, with the settings
 * and the strategy of where they go.
 * @throws UserError `UNKNOWN_APP`, `NOTHING_TO_PROMOTE`, `PROMOTION_NOT_ALLOWED`.
 */
export function makePromotionPlan(input: PromotionInput): Plan {
  const { environment, manifest, from } = input;
  refuseOrigin(input);
  const names = environment.apps.map(({ app }) => app);
  refuseUnknown(input.only ?? [], names);
  const order = inDependencyOrder(environment.apps.map(({ app, dependsOn }) => ({ name: app, dependsOn })));
  const unchanged: LeftAlone[] = [];
  const chosen = order.flatMap((name): Candidate[] => {
    const app = environment.apps.find((one) => one.app === name);
    if (app === undefined) return [];
    const known = from.apps[name];
    const reason = whyNot(app, known, manifest.apps[name], input);
    if (reason === null && known?.stable != null) return [{ app, known: { ...known, stable: known.stable } }];
    unchanged.push(reason ?? { app: name, reason: 'nothing changed' });
    return [];
  });
  if (chosen.length === 0 && Object.values(from.apps).every(({ stable }) => stable === null))
    throw new UserError(
      'NOTHING_TO_PROMOTE',
      `Nothing is healthy in ${from.environment} yet.`,
      `Deploy there first: sluice deploy -e ${from.environment}`,
    );
  const apps = chosen.map(({ app }) => app);
  return withHash({
    schema: 1,
    workspace: environment.workspace,
    environment: environment.name,
    kind: 'deploy',
    source: sourceOf(chosen),
    apps: chosen.map((one) => promoted(one, apps, environment, manifest, from)),
    unchanged,
    deadlines: environment.deadlines,
    promotedFrom: from.environment,
    // What is promoted has been checked where it comes from.
    ...(chosen.length === 0 ? {} : rulesOf(input, [], [])),
  });
}

function refuseOrigin({ environment: { name, governance }, from, fromGovernance, breakGlass }: PromotionInput): void {
  if (governance === undefined || breakGlass !== undefined || takesFrom(governance, from.environment, fromGovernance)) return;
  const { promoteFrom, branches } = governance;
  const rule =
    promoteFrom === null
      ? `takes ${(branches ?? []).join(', ')} only, and ${from.environment} other branches as well`
      : `takes versions from ${promoteFrom.join(', ') || 'nowhere'} only`;
  throw new UserError(
    'PROMOTION_NOT_ALLOWED',
    `${name} ${rule}.`,
    `Promote from an environment that it trusts, give ${from.environment} the same \`branches\`, or name it in environments.${name}.promoteFrom.`,
  );
}

function whyNot(
  app: ResolvedApp,
  known: KnownApp | undefined,
  here: KnownApp | undefined,
  { only, from }: PromotionInput,
): LeftAlone | null {
  if (only !== undefined && only.length > 0 && !only.includes(app.app)) return { app: app.app, reason: 'not asked for' };
  if (known?.stable == null) return { app: app.app, reason: `nothing of it is healthy in ${from.environment}`, keptBack: 'unhealthy' };
  const { stable } = known;
  if (here?.stable?.artifact === stable.artifact && changedSettings(here.stable, app).length === 0)
    return { app: app.app, reason: 'runs this version already' };
  const held = holdOn(here?.held ?? [], { ...app, fingerprint: known.fingerprint ?? '' });
  return held === null ? null : { app: app.app, reason: `held by release ${held.release} (${held.reason})`, keptBack: 'held' };
}

function promoted(
  { app, known }: Candidate,
  chosen: readonly ResolvedApp[],
  environment: ResolvedEnvironment,
  manifest: KnownManifest,
  from: KnownManifest,
): PlannedApp {
  return {
    ...lasting(app),
    dependsOn: dependenciesAmong(app.app, chosen, environment.apps),
    reason: `healthy in ${from.environment} as version ${known.stable.id}`,
    fingerprint: known.fingerprint ?? '',
    artifact: known.stable.artifact,
    stable: manifest.apps[app.app]?.stable ?? null,
    build: null,
    run: app.run,
    health: app.health,
    strategy: app.strategy,
  };
}

/** One commit when all the versions came from it, else none. */
function sourceOf(chosen: readonly Candidate[]): Source {
  const commits = new Set(chosen.map(({ known }) => known.stable.commit));
  const [commit] = commits;
  return { commit: commits.size === 1 ? (commit ?? null) : null, branch: null, dirty: false };
}
