import type { ReleaseEvent } from '../../src/core/release/state/events.ts';
import { isIntact, type VersionRef } from '../../src/core/release/plan/plan.ts';
import type { ReleaseState, RolloutState } from '../../src/core/release/state/state.ts';
import type { Scenario } from './scenario.ts';
import type { World } from './world.ts';
import type { Recording } from './run.ts';

export interface Moment {
  readonly before: ReleaseState | null;
  readonly after: ReleaseState;
  readonly event: ReleaseEvent;
  readonly at: number;
  /** All events so far, this one too. */
  readonly log: readonly Recording[];
  readonly world: World;
  readonly violations: string[];
}

/** The invariants of the design, looked at from outside the runbook after every event; numbers as in DESIGN. */
export function checkEvent(moment: Moment): void {
  const { after, event, violations } = moment;
  const say = (invariant: number, message: string) =>
    violations.push(`invariant ${invariant}, release ${after.id}, after ${event.type}: ${message}`);
  if (event.type === 'WeightsShifted') {
    const rollout = after.rollouts[event.app];
    if (rollout !== undefined) {
      checkEvidence(moment, rollout, say);
      checkMonotone(moment, rollout, say);
    }
  }
  if (event.type === 'WeightsShifted' || event.type === 'VersionRetired') checkWeights(moment, event.app, say);
  if (event.type === 'VersionRetired') checkLastCopy(moment, event.app, event.version, say);
  if (event.type === 'ReleaseRequested' && !isIntact(event.plan)) say(9, 'the plan is not what its hash says');
  if (event.type === 'RolloutFinished') checkFinished(moment, event.app, say);
  if (event.type === 'RolloutFinished' || event.type === 'VersionRetired') checkReached(moment, event.app, say);
  checkSchema(moment, say);
  if (after.plan.approval !== undefined && CHANGES.has(event.type) && after.stage !== 'restoring') checkApproved(moment, say);
}

/** Facts that change something outside, going forward. */
const CHANGES: ReadonlySet<string> = new Set([
  'RestorePointMade',
  'MigrationsApplied',
  'ProjectionsReady',
  'RolloutStarted',
  'ArtifactBuilt',
  'VersionDeployed',
  'WeightsShifted',
]);

/** 8. Once the schema no longer suits the old version, no traffic and no worker goes back to it. */
function checkSchema({ before, after, event }: Moment, say: Say): void {
  if (after.stage !== 'restoring' || before === null || after.preparation.migrations?.old.works !== false) return;
  if (event.type === 'WeightsShifted') {
    const rollout = before.rollouts[event.app];
    const { stable = null } = rollout?.app ?? {};
    const candidate = rollout?.candidate;
    if (stable === null || candidate == null) return;
    if ((rollout?.weights[candidate.id] ?? 0) > 0 && event.weights[stable.id] === 100)
      say(8, `traffic of ${event.app} went back to ${stable.id}`);
  }
  if (
    event.type === 'VersionDeployed' &&
    before.rollouts[event.app]?.app.stable?.id === event.version &&
    before.rollouts[event.app]?.oldStopped
  )
    say(8, `${event.version} of ${event.app} was started again`);
}

/** 9. Enough other people with the role said yes to this very plan, in time, nobody said no, and what they looked at still runs. */
function checkApproved({ after, at, log }: Moment, say: Say): void {
  const rule = after.plan.approval;
  const mine = log.filter(({ release }) => release === after.id);
  const asked = mine.find(({ event }) => event.type === 'ApprovalRequested')?.event;
  if (rule === undefined || asked?.type !== 'ApprovalRequested') return say(9, 'nobody was asked');
  const name = (person: string) => person.trim().toLowerCase();
  const authors = new Set([after.by, ...rule.authors].map(name));
  const yes = mine.flatMap((entry) => {
    const { event } = entry;
    if (event.type !== 'ApprovalGiven' || event.planHash !== after.plan.hash || entry.at >= asked.expiresAt) return [];
    const by = name(event.by);
    return !authors.has(by) && (rule.from.length === 0 || rule.from.some(({ people }) => people.includes(by))) ? [by] : [];
  });
  if (new Set(yes).size < rule.number) say(9, `${new Set(yes).size} of ${rule.number} approved`);
  const started = mine.find(({ event }) => event.type === 'ReservationsAcquired');
  if (started === undefined || started.at >= asked.expiresAt)
    say(9, `started at ${started?.at ?? at}, after the approval's end at ${asked.expiresAt}`);
  const moved = after.plan.apps.filter(({ app, stable }) => after.rollouts[app]?.app.stable?.id !== stable?.id);
  if (moved.length > 0) say(9, `${moved.map(({ app }) => app).join(', ')} ran something else when it was approved`);
}

type Say = (invariant: number, message: string) => void;

/** 1. No rollout reaches 100 % without evidence, counted in the world, not in the runbook's own books. */
function checkEvidence({ after, world }: Moment, rollout: RolloutState, say: Say): void {
  const { app, candidate } = rollout;
  if (candidate === null || app.stable === null || rollout.weights[candidate.id] !== 100 || after.stage !== 'rolling') return;
  if (app.strategy.kind !== 'canary' || app.strategy.analysis === null || rollout.full !== null || rollout.promoted) return;
  if (!app.strategy.steps.some((step) => step.kind === 'bake')) return;
  const version = world.versions.get(`${app.app}/${candidate.id}`);
  if ((version?.requests ?? 0) < app.strategy.analysis.minRequests)
    say(1, `${app.app} reached 100 % on ${version?.requests ?? 0} requests`);
  const { judge, onInconclusive } = app.strategy.analysis;
  // Kayenta's judge compares, and nothing else: it lets a version pass that is as bad as the one before.
  const asBefore = judge === 'kayenta' ? (world.versions.get(`${app.app}/${app.stable.id}`)?.behaviour.errorRate ?? 0) : 0;
  const errorRate = version?.behaviour.errorRate ?? 0;
  if (onInconclusive !== 'promote' && errorRate >= 0.3 && errorRate > asBefore) say(1, `${app.app} reached 100 % with ${errorRate} errors`);
  if (version?.behaviour.metricsDown === true) say(1, `${app.app} reached 100 % although nobody could see how it did`);
}

/** 7. Going forward, the candidate's weight never falls. */
function checkMonotone({ before, after }: Moment, rollout: RolloutState, say: Say): void {
  if (after.stage !== 'rolling' || rollout.candidate === null) return;
  const was = before?.rollouts[rollout.app.app]?.weights[rollout.candidate.id] ?? 0;
  const is = rollout.weights[rollout.candidate.id] ?? 0;
  if (is < was) say(7, `${rollout.app.app} went from ${was} % to ${is} % while rolling forward`);
}

/** 2. Traffic only goes to versions that run; weights sum to 100. */
function checkWeights({ after, world }: Moment, app: string, say: Say): void {
  const weights = world.weights.get(app);
  const rollout = after.rollouts[app];
  if (weights === undefined || rollout === undefined || rollout.app.strategy.kind === 'recreate') return;
  const sum = Object.values(weights).reduce((a, b) => a + b, 0);
  if (Math.abs(sum - 100) > 1e-9) say(2, `${app}: weights sum to ${sum}`);
  for (const [id, weight] of Object.entries(weights)) {
    if (weight > 0 && world.versions.get(`${app}/${id}`)?.running !== true) say(2, `${app}: ${id} has ${weight} % and does not run`);
  }
}

/** 2. The old version goes only while the new one is healthy: it would be the last healthy copy. */
function checkLastCopy({ after, world }: Moment, app: string, version: string, say: Say): void {
  const rollout = after.rollouts[app];
  if (after.stage !== 'finishing' || rollout?.candidate == null || version !== rollout.app.stable?.id) return;
  if (!world.isHealthy(app, rollout.candidate.id)) say(2, `${app}: ${version} was retired although ${rollout.candidate.id} is not healthy`);
}

/** Old versions are stopped on proofs that are at most so old: 30 s, and what two looks and a stop may take, ms. */
const PROOF_AGE_MS = 40_000;

/** 1 and 2. The old version goes, and a release ends well, only while users reach the new one: seen from the edge, a short while ago. */
function checkReached({ after, world }: Moment, app: string, say: Say): void {
  const rollout = after.rollouts[app];
  if (rollout?.candidate == null || after.stage !== 'finishing' || rollout.app.routes.length === 0) return;
  const ms = world.unreachableMs(app, rollout.candidate.id);
  if (ms > PROOF_AGE_MS || (ms > 0 && world.versions.get(`${app}/${rollout.candidate.id}`)?.behaviour.unreachableAfterMs === 0))
    say(1, `${app}: users have not reached ${rollout.candidate.id} for ${ms} ms`);
}

/** 3. What became stable runs and has all traffic before the old one is forgotten. */
function checkFinished({ after, world }: Moment, app: string, say: Say): void {
  const rollout = after.rollouts[app];
  const candidate = rollout?.candidate;
  if (rollout === undefined || candidate === null || candidate === undefined) return say(3, `${app} finished without a version`);
  if (world.versions.get(`${app}/${candidate.id}`)?.running !== true) say(3, `${app} finished on a version that does not run`);
  const traffic = world.weights.get(app)?.[candidate.id];
  if (rollout.app.routes.length > 0 && traffic !== 100) say(3, `${app} finished with ${traffic} % of the traffic`);
}

/** 4, 5 and 6 at the end: everything is over, what is stable runs and serves, and nothing else is left running. */
export function checkEnd(end: {
  readonly scenario: Scenario;
  readonly states: ReadonlyMap<string, ReleaseState>;
  readonly stables: Readonly<Record<string, VersionRef | null>>;
  readonly world: World;
  readonly violations: string[];
}): void {
  const { states, stables, world, violations } = end;
  for (const state of states.values()) if (state.stage !== 'closed') violations.push(`invariant 4: ${state.id} is still ${state.stage}`);
  const excused = new Set([...states.values()].flatMap((state) => (isUncleaned(state) ? Object.keys(state.rollouts) : [])));
  for (const [app, stable] of Object.entries(stables)) {
    if (excused.has(app)) continue;
    if (stable !== null && world.versions.get(`${app}/${stable.id}`)?.running !== true)
      violations.push(`invariant 2: ${app}: stable ${stable.id} does not run`);
    const weights = world.weights.get(app);
    if (stable !== null && weights !== undefined && weights[stable.id] !== 100)
      violations.push(`invariant 3: ${app}: stable ${stable.id} has ${weights[stable.id] ?? 0} %`);
    const left = [...world.versions].filter(
      ([key, version]) => key.startsWith(`${app}/`) && version.running && version.ref.id !== stable?.id,
    );
    if (left.length > 0) violations.push(`invariant 5: ${app}: ${left.map(([key]) => key).join(', ')} left running`);
  }
}

/** The release itself says that something is left over: the outside would not do it. */
function isUncleaned(state: ReleaseState): boolean {
  return (
    state.outcome === 'RollbackFailed' ||
    /could not be/.test(state.reason ?? '') ||
    Object.values(state.attempts).some((attempt) => attempt.count > 3)
  );
}
