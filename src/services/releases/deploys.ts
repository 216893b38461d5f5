import type { Planner } from '../planning/planner.ts';
import { UserError } from '../../core/errors.ts';
import type { Plan } from '../../core/release/plan/plan.ts';
import type { ReleaseState } from '../../core/release/state/state.ts';
import type { Engine, ReleaseRow } from '../../engine/face.ts';
import { exactPlan } from '../planning/exact-plans.ts';
import type { SeenPlans } from '../planning/seen-plans.ts';

interface Parts {
  readonly engine: Engine;
  readonly planner: Planner;
  readonly seen: SeenPlans;
}

export interface PlanAsked {
  readonly environment: string;
  readonly apps?: readonly string[] | undefined;
  readonly force?: boolean | undefined;
  readonly liftHold?: boolean | undefined;
  readonly breakGlass?: string | undefined;
}

export interface Requested {
  readonly id: string | null;
  readonly plan: Plan;
  readonly message: string;
}

export interface RollbackAsked {
  readonly environment: string;
  readonly app?: string | undefined;
  readonly to?: string | undefined;
  readonly preview?: boolean | undefined;
  readonly planHash?: string | undefined;
  readonly by: string;
}

export interface RolledBack {
  readonly action: 'abort' | 'following' | 'release' | 'preview';
  readonly id: string | null;
  readonly plan: Plan | null;
  readonly message: string;
}

/** The plan for the workspace as it stands now, on top of what runs now. */
export async function makePlan({ engine, planner }: Pick<Parts, 'engine' | 'planner'>, asked: PlanAsked): Promise<Plan> {
  const { environment, apps, force, liftHold, breakGlass } = asked;
  // The environment's name is checked before anything is read about it.
  await planner.environment(environment);
  return planner.plan({
    environment,
    manifest: await engine.manifest(environment),
    ...(apps === undefined ? {} : { only: apps }),
    ...(force === undefined ? {} : { force }),
    ...(liftHold === undefined ? {} : { liftHold }),
    ...(breakGlass === undefined ? {} : { breakGlass }),
  });
}

/**
 * Plan and release. Where the caller has looked at a plan, exactly that one is released or none.
 * @throws UserError `PLAN_STALE`, and as `Planner.plan` and `Engine.request`.
 */
export async function deploy(
  parts: Parts,
  asked: PlanAsked & {
    readonly planHash?: string | undefined;
    readonly plan?: Readonly<Record<string, unknown>> | undefined;
    readonly by: string;
  },
): Promise<Requested> {
  const plan =
    asked.plan === undefined
      ? parts.seen.agreed(asked.planHash, await makePlan(parts, asked))
      : await exactPlan(parts, asked.plan as unknown as Plan, asked.liftHold === true);
  if (plan.apps.length === 0) return { id: null, plan, message: nothingToDo(plan) };
  const id = await parts.engine.request(plan, { by: asked.by, ...(asked.liftHold === true ? { liftHold: true } : {}) });
  return { id, plan, message: `release ${id} of ${names(plan)} to ${plan.environment}${keptBackText(plan)}` };
}

/**
 * The plan of an ended release once more; the hold that its end has put on the version is lifted.
 * @throws UserError `RELEASE_UNKNOWN`, `RELEASE_ACTIVE`, `NOTHING_TO_RETRY`.
 */
export async function retry(parts: Parts, id: string, by: string): Promise<Requested> {
  const old = await releaseOf(parts.engine, id);
  if (old.outcome === null)
    throw new UserError(
      'RELEASE_ACTIVE',
      `release ${id} is still under way`,
      `\`sluice status -w ${id}\` follows it; \`sluice abort ${id}\` ends it.`,
    );
  const plan = await parts.planner.retry({ plan: old.plan, manifest: await parts.engine.manifest(old.plan.environment) });
  const next = await parts.engine.request(plan, { by, retryOf: id, liftHold: true });
  return { id: next, plan, message: `release ${next} tries ${id} again` };
}

/**
 * Put back: a release under way is aborted; otherwise the version before is released.
 * @throws UserError `RELEASE_ACTIVE` (a version was named while a release is under way), `PLAN_STALE`, and as `Planner.rollback`.
 */
export async function rollback(parts: Parts, asked: RollbackAsked): Promise<RolledBack> {
  const { environment, app, to, by } = asked;
  await parts.planner.environment(environment);
  const active = await parts.engine.releases({ environment, active: true, ...(app === undefined ? {} : { app }) });
  if (active.length > 0) return putBack(parts, active, asked);
  const fresh = await parts.planner.rollback({
    environment,
    manifest: await parts.engine.manifest(environment),
    ...(app === undefined ? {} : { apps: [app] }),
    ...(to === undefined ? {} : { to }),
  });
  if (asked.preview === true)
    return { action: 'preview', id: null, plan: parts.seen.remember(fresh), message: `${names(fresh)} would go back` };
  const plan = parts.seen.agreed(asked.planHash, fresh);
  const id = await parts.engine.request(plan, { by });
  return { action: 'release', id, plan, message: `release ${id} takes ${names(plan)} back` };
}

/** Those that still wait for their turn first, or they would start as soon as the others are back. */
async function putBack({ engine }: Parts, active: readonly ReleaseRow[], asked: RollbackAsked): Promise<RolledBack> {
  const states = (await Promise.all(active.map((row) => releaseOf(engine, row.id)))).toSorted(
    (a, b) => Number(b.stage === 'queued') - Number(a.stage === 'queued') || b.requestedAt - a.requestedAt,
  );
  const ids = states.map((state) => state.id);
  const last = states.at(-1);
  if (last === undefined) throw new Error('nothing is under way');
  const list = ids.join(', ');
  if (asked.to !== undefined) {
    throw new UserError(
      'RELEASE_ACTIVE',
      `release ${list} is under way in ${asked.environment}`,
      `\`sluice abort ${last.id}\` puts it back; then \`sluice rollback --to ${asked.to}\`.`,
    );
  }
  if (asked.preview === true) return { action: 'preview', id: last.id, plan: null, message: `release ${list} would be put back` };
  // A rollback under way is what is asked for; to abort it would bring the bad version back.
  const open = states.filter((state) => state.plan.kind === 'deploy' && state.stage !== 'restoring' && state.outcome === null);
  if (open.length === 0) return { action: 'following', id: last.id, plan: null, message: `release ${list} already takes it back` };
  for (const state of open) await engine.command(state.id, { kind: 'abort', by: asked.by, reason: 'rollback' });
  return { action: 'abort', id: last.id, plan: null, message: `release ${open.map((state) => state.id).join(', ')} is being put back` };
}

/**
 * Say yes: to the plan of a release that waits for approval before anything happens, or else to go on past a pause.
 * @throws UserError `NOTHING_TO_APPROVE`, and as `approvalRefusal` says.
 */
export async function approve(
  engine: Engine,
  id: string,
  asked: {
    readonly by: string;
    readonly app?: string | undefined;
    readonly planHash?: string | undefined;
    readonly note?: string | undefined;
  },
): Promise<string> {
  const { by, app, planHash, note } = asked;
  const state = await releaseOf(engine, id);
  if (state.stage !== 'awaiting') return goOn(engine, state, by, app ?? null);
  await engine.command(id, { kind: 'approve', by, planHash: planHash ?? state.plan.hash, ...(note === undefined ? {} : { note }) });
  const missing = (state.plan.approval?.number ?? 1) - (state.preparation.approval?.given.length ?? 0) - 1;
  return missing > 0 ? `the plan of release ${id} is approved by ${by}; ${missing} more needed` : `the plan of release ${id} is approved`;
}

/** Say no: a plan that waits for approval ends there; what is under way is put back. */
export async function reject(engine: Engine, id: string, by: string, reason: string): Promise<string> {
  const { stage } = await releaseOf(engine, id);
  if (stage === 'awaiting') {
    await engine.command(id, { kind: 'reject', by, reason });
    return `release ${id} is rejected; nothing has been changed`;
  }
  await engine.command(id, { kind: 'abort', by, reason: `rejected: ${reason}` });
  return `release ${id} is being put back`;
}

/**
 * Go on past a pause that waits for a person: a pause step, the switch of a blue/green release, or somebody's `pause`.
 * @throws UserError `NOTHING_TO_APPROVE`.
 */
async function goOn(engine: Engine, state: ReleaseState, by: string, app: string | null): Promise<string> {
  const { id } = state;
  if (state.pause !== null && app === null) {
    await engine.command(id, { kind: 'resume', by });
    return `release ${id} goes on`;
  }
  const paused = Object.values(state.rollouts).filter((rollout) => rollout.pause !== null && (app === null || rollout.app.app === app));
  const waiting = paused.filter((rollout) => rollout.pause?.reason !== 'inconclusive').map((rollout) => rollout.app.app);
  if (waiting.length === 0) {
    const inconclusive = paused.map((rollout) => rollout.app.app);
    const what =
      inconclusive.length > 0
        ? `${inconclusive.join(', ')} has no evidence either way, which is not a question of approval`
        : `release ${id} does not wait for approval`;
    const hint =
      inconclusive.length > 0
        ? `\`sluice resume ${id}\` looks again, \`sluice promote ${id}\` goes on without.`
        : `\`sluice status ${id}\` shows what it is doing.`;
    throw new UserError('NOTHING_TO_APPROVE', what, hint);
  }
  // App by app: a promote of the whole release would also end the bakes of apps that wait for nobody.
  for (const name of waiting) await engine.command(id, { kind: 'promote', by, full: false, app: name });
  return `${waiting.join(', ')} goes on`;
}

/** @throws UserError `RELEASE_UNKNOWN`. */
export async function releaseOf(engine: Engine, id: string): Promise<ReleaseState> {
  const state = await engine.release(id);
  if (state === null) throw new UserError('RELEASE_UNKNOWN', `there is no release ${id}`, '`sluice history` lists them.');
  return state;
}

function nothingToDo({ environment, unchanged, promotedFrom }: Plan): string {
  const back = unchanged.filter(({ keptBack }) => keptBack !== undefined);
  const all = back.map(({ app, reason }) => `${app} (${reason})`).join(', ');
  if (back.some(({ keptBack }) => keptBack === 'held'))
    return `nothing is deployed, because it is held back: ${all}. Correct it and \`sluice deploy\` again; \`sluice deploy --lift-hold\` takes it as it is`;
  if (back.length > 0) return `nothing is promoted: ${all}. \`sluice deploy -e ${promotedFrom ?? environment}\` comes first`;
  if (unchanged.length === 0) return 'nothing can be deployed: the configuration has no apps';
  const gone = unchanged.filter(({ reason }) => reason.startsWith('no longer')).map(({ app }) => app);
  return `nothing to deploy: nothing changed in ${environment}${gone.length === 0 ? '' : `; ${gone.join(', ')} runs on, and is no longer in the configuration`}`;
}

/** What a release leaves out although it has changed; empty when it takes all that has. */
function keptBackText({ unchanged }: Plan): string {
  const back = unchanged.filter(({ keptBack }) => keptBack !== undefined);
  return back.length === 0 ? '' : `; held back: ${back.map(({ app, reason }) => `${app} (${reason})`).join(', ')}`;
}

function names(plan: Plan): string {
  return plan.apps.map((app) => app.app).join(', ');
}
