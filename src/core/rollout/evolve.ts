import { observeSample, startAnalysis, type JudgeState } from '../analysis/judge.ts';
import type { AnalysisPolicy, NamedAnalysis } from '../analysis/policy.ts';
import type { Reading } from '../analysis/reading.ts';
import type { AnalysisSetting } from '../analysis/sequential/state.ts';
import type { ReleaseEvent } from '../release/state/events.ts';
import type { PlannedApp } from '../release/plan/plan.ts';
import type { RolloutAnalysis, RolloutPhase, RolloutStage, RolloutState } from '../release/state/state.ts';
import { candidateWeight, isShared, namedOf, policyOf, settingOf, settingOfNamed, stepsOf } from './steps.ts';

/** A rollout before anything happened. */
export function newRollout(app: PlannedApp, at: number): RolloutState {
  return {
    app,
    stage: 'waiting',
    stageSince: at,
    phase: 'Pending',
    candidate: null,
    deployed: false,
    healthy: false,
    weights: app.stable !== null && isShared(app) ? { [app.stable.id]: 100 } : {},
    shifted: false,
    step: 0,
    stepSince: at,
    pausedMs: 0,
    pause: null,
    analysis: null,
    verdict: null,
    provenAt: null,
    restarts: null,
    edgeProof: { state: 'none', since: at },
    failedCheck: null,
    full: null,
    promoted: false,
    cause: null,
    oldStopped: false,
    oldHealthy: false,
    oldDeployed: false,
    trafficRestored: false,
    candidateRetired: false,
    oldRetired: false,
    reason: null,
  };
}

/** Decisions to go forward; one made just before the release turned round has no meaning any more. */
const FORWARD: ReadonlySet<string> = new Set([
  'RolloutStarted',
  'RolloutSkipped',
  'StepStarted',
  'RolloutPaused',
  'RolloutResumed',
  'RolloutPromoted',
]);

/** What one event of this app does to its rollout. `restoring`: the release is being put back. */
export function evolveRollout(rollout: RolloutState, event: ReleaseEvent, at: number, restoring: boolean): RolloutState {
  if (restoring && FORWARD.has(event.type)) return rollout;
  switch (event.type) {
    case 'RolloutStarted':
      return enter(rollout, 'building', at);
    case 'ArtifactBuilt': {
      const built = { ...rollout, candidate: event.version };
      if (restoring) return built;
      return enter(built, rollout.app.strategy.kind === 'recreate' && rollout.app.stable !== null ? 'stoppingOld' : 'deploying', at);
    }
    case 'RolloutSkipped':
      return { ...enter(rollout, 'skipped', at), reason: event.reason };
    case 'VersionDeployed':
      return deployed(rollout, event.version, at, restoring);
    case 'VersionHealthy':
      return healthy(rollout, event, at, restoring);
    case 'SmokePassed':
      return restoring || rollout.stage !== 'smoking' ? rollout : startSteps({ ...rollout, healthy: true }, at);
    case 'VersionUnhealthy':
      return failedCheck(rollout, event.version, { code: 'UNHEALTHY', message: event.reason });
    case 'SmokeFailed':
      return failedCheck(rollout, event.version, { code: 'SMOKE_FAILED', message: event.reason });
    case 'RoutesProven':
      return proven(rollout, event.version, at, restoring);
    case 'RoutesBroken': {
      const next = failedCheck(rollout, event.version, { code: 'NOT_SERVED', message: event.reason });
      return isAskedAgain(rollout, event.version, restoring) ? { ...next, edgeProof: { state: 'broken', since: at } } : next;
    }
    case 'StepStarted':
      return event.step <= rollout.step ? rollout : startStep({ ...rollout, pause: null, promoted: isWaved(rollout) }, event.step, at);
    case 'WeightsShifted':
      return shifted(rollout, event, at, restoring);
    case 'SampleCollected':
      return sampled(rollout, event, at);
    case 'AnalysisCompleted':
      if (event.analysis !== undefined) return { ...rollout, reason: `${event.analysis}: ${event.verdict.reason}` };
      return { ...rollout, verdict: event.verdict, reason: event.verdict.reason };
    case 'RolloutPaused':
      // A `promote` may have left that step in the meantime.
      if (event.step !== rollout.step || rollout.stage !== 'stepping') return rollout;
      return { ...rollout, pause: { reason: event.reason, since: at, message: event.message }, reason: event.message };
    case 'RolloutResumed':
      return { ...rollout, pausedMs: rollout.pausedMs + (rollout.pause === null ? 0 : at - rollout.pause.since), pause: null };
    case 'RolloutPromoted':
      return startNamed(enter(rollout, 'soaking', at), at, 'afterPromotion');
    case 'RolloutFailed':
      return { ...enter(rollout, 'failed', at), cause: event.cause, pause: null, reason: event.cause.message };
    case 'StableRestored':
      return { ...enter(rollout, 'restored', at), pause: null };
    case 'VersionRetired':
      return retired(rollout, event.version, at, restoring);
    case 'RolloutFinished':
      return enter(rollout, 'done', at);
    default:
      return rollout;
  }
}

/** A person's `promote`: leave the present pause or step; `full`: skip everything up to 100 %. */
export function promoteRollout(rollout: RolloutState, full: string | null, at: number): RolloutState {
  const leaving = { ...rollout, pause: null, reason: null };
  if (full !== null && rollout.full === null && !['soaking', 'ready', 'done', 'failed', 'restored', 'skipped'].includes(rollout.stage)) {
    const skipping = { ...leaving, full, analysis: null, also: {} };
    const isThere = candidateWeight(rollout) === 100 && rollout.edgeProof.state !== 'open';
    return rollout.stage === 'stepping' ? startStep(skipping, isThere ? 1 : 0, at) : skipping;
  }
  if (rollout.stage === 'soaking') return { ...leaving, pausedMs: 0, stageSince: Math.min(rollout.stageSince, at - soakLeftOver(rollout)) };
  if (rollout.stage !== 'stepping') return rollout;
  const step = stepsOf(rollout)[rollout.step];
  if (step === undefined || step.kind === 'weight') return leaving;
  return startStep({ ...leaving, promoted: leaving.promoted || step.kind === 'bake' }, rollout.step + 1, at);
}

/** `resume` of a pause that waits for a person: an inconclusive analysis looks again from the start, other pauses are left. */
export function resumeRollout(rollout: RolloutState, at: number): RolloutState {
  if (rollout.pause === null) return rollout;
  if (rollout.pause.reason !== 'inconclusive') return promoteRollout(rollout, null, at);
  const again = { ...rollout, pause: null, reason: null };
  return startStep(rollout.also === undefined ? again : { ...again, also: {} }, rollout.step, at);
}

/** The phase people see (Argo Rollouts: Progressing, Paused, Healthy, Degraded; plus Pending before it starts). */
export function phaseOf(rollout: RolloutState, releasePaused: boolean): RolloutPhase {
  switch (rollout.stage) {
    case 'waiting':
      return 'Pending';
    case 'done':
    case 'skipped':
      return 'Healthy';
    case 'failed':
    case 'restored':
      return 'Degraded';
    default:
      return rollout.pause !== null || (releasePaused && rollout.stage === 'stepping') ? 'Paused' : 'Progressing';
  }
}

function enter(rollout: RolloutState, stage: RolloutStage, at: number): RolloutState {
  return { ...rollout, stage, stageSince: at, pausedMs: 0 };
}

function failedCheck(rollout: RolloutState, version: string, check: NonNullable<RolloutState['failedCheck']>): RolloutState {
  if (version !== rollout.candidate?.id) return { ...rollout, reason: check.message };
  return { ...rollout, healthy: false, failedCheck: check, reason: check.message };
}

function deployed(rollout: RolloutState, version: string, at: number, restoring: boolean): RolloutState {
  if (version === rollout.candidate?.id) {
    const next = { ...rollout, deployed: true };
    return restoring || rollout.stage !== 'deploying' ? next : enter(next, 'verifying', at);
  }
  return { ...rollout, oldDeployed: true };
}

function healthy(
  rollout: RolloutState,
  event: Extract<ReleaseEvent, { type: 'VersionHealthy' }>,
  at: number,
  restoring: boolean,
): RolloutState {
  const { version } = event;
  const restarts = event.restarts ?? null;
  if (version !== rollout.candidate?.id) return { ...rollout, oldHealthy: true };
  if (restoring) return rollout;
  if (rollout.restarts !== null && restarts !== null && restarts > rollout.restarts) {
    const times = restarts - rollout.restarts;
    const message = `it runs, but has ended ${times === 1 ? 'once' : `${times} times`} by itself since it was first seen healthy`;
    return failedCheck(rollout, version, { code: 'UNHEALTHY', message });
  }
  const proven = { ...rollout, provenAt: at, restarts: rollout.restarts ?? restarts };
  if (rollout.stage === 'verifying') {
    return rollout.app.smoke === null ? startSteps({ ...proven, healthy: true }, at) : enter(proven, 'smoking', at);
  }
  return rollout.stage === 'soaking' ? enter(proven, 'ready', at) : proven;
}

function startSteps(rollout: RolloutState, at: number): RolloutState {
  return startStep(enter(rollout, 'stepping', at), 0, at);
}

function startStep(left: RolloutState, step: number, at: number): RolloutState {
  const rollout = withEvidence(left);
  const started = { ...rollout, step, stepSince: at, pausedMs: 0, analysis: startsAnalysis(rollout, step, at) };
  const kind = stepsOf(started)[step]?.kind;
  const isWatched = (kind === 'bake' || kind === 'pause') && candidateWeight(started) > 0;
  return isWatched ? startNamed(startNamed(started, at, 'background'), at, 'step') : withoutNamed(started, 'step');
}

/** What is known as a step is left is kept: the risk of failing a good version is one for the whole rollout, and evidence adds up. */
function withEvidence(rollout: RolloutState): RolloutState {
  const named = namedOf(rollout).flatMap(({ name, during }): [string, RolloutAnalysis | undefined][] =>
    during === 'step' ? [[name, rollout.also?.[name]]] : [],
  );
  const left = [['', rollout.analysis ?? undefined] as const, ...named].flatMap(([name, analysis]) =>
    analysis === undefined ? [] : [[name, analysis.judge] as const],
  );
  return left.length === 0 ? rollout : { ...rollout, evidence: { ...rollout.evidence, ...Object.fromEntries(left) } };
}

/** `onInconclusive: promote` goes on without proof, as a person's `promote` would. */
function isWaved(rollout: RolloutState): boolean {
  const isBake = stepsOf(rollout)[rollout.step]?.kind === 'bake';
  const isAllowed = policyOf(rollout)?.onInconclusive === 'promote' && rollout.verdict?.phase === 'Inconclusive';
  return rollout.promoted || (isBake && isAllowed);
}

/** Starts the further analyses of one kind; one in the background goes on where it is. */
function startNamed(rollout: RolloutState, at: number, during: 'step' | 'background' | 'afterPromotion'): RolloutState {
  const wanted = namedOf(rollout).filter((named) => named.during === during);
  const also = during === 'afterPromotion' ? {} : rollout.also;
  if (wanted.length === 0) return also === rollout.also ? rollout : { ...rollout, ...(rollout.also === undefined ? {} : { also: {} }) };
  const started = wanted.map((named) => {
    const known = during === 'background' ? also?.[named.name] : undefined;
    return [
      named.name,
      known ?? begun(named.policy, at, settingOfNamed(rollout, named, rollout.step), evidenceOf(rollout, named)),
    ] as const;
  });
  return { ...rollout, also: { ...also, ...Object.fromEntries(started) } };
}

function withoutNamed(rollout: RolloutState, during: 'step'): RolloutState {
  if (rollout.also === undefined) return rollout;
  const gone = new Set(namedOf(rollout).flatMap((named) => (named.during === during ? [named.name] : [])));
  return { ...rollout, also: Object.fromEntries(Object.entries(rollout.also).filter(([name]) => !gone.has(name))) };
}

/** Of the steps before, where the analysis is one of steps. */
function evidenceOf({ evidence }: RolloutState, { name, during }: NamedAnalysis): JudgeState | undefined {
  return during === 'step' ? evidence?.[name] : undefined;
}

/** Each bake proves itself; what spoke against the candidate before is carried on. A pause with traffic on the candidate is watched too. */
function startsAnalysis(rollout: RolloutState, step: number, at: number): RolloutState['analysis'] {
  const policy = policyOf(rollout);
  const kind = stepsOf(rollout)[step]?.kind;
  if (policy === null || (kind !== 'bake' && kind !== 'pause') || candidateWeight(rollout) === 0) return null;
  return begun(policy, at, settingOf(rollout, step), rollout.evidence?.['']);
}

function begun(policy: AnalysisPolicy, at: number, setting: AnalysisSetting, before: JudgeState | null = null): RolloutAnalysis {
  return { startedAt: at, lastSampleAt: at, seenUntil: at, reading: null, judge: startAnalysis(policy, at, setting, before) };
}

function shifted(
  rollout: RolloutState,
  { weights, toProve }: Extract<ReleaseEvent, { type: 'WeightsShifted' }>,
  at: number,
  restoring: boolean,
): RolloutState {
  const moved: RolloutState = { ...rollout, weights, edgeProof: { state: toProve ? 'open' : 'none', since: at } };
  const mine = candidateWeight(moved);
  const next = { ...moved, shifted: rollout.shifted || mine > 0 };
  if (restoring) return { ...next, trafficRestored: mine === 0 };
  return toProve ? next : pastShift(next, at);
}

/** The weight of the present step is reached: on to the next one. */
function pastShift(rollout: RolloutState, at: number): RolloutState {
  const step = stepsOf(rollout)[rollout.step];
  const isReached = rollout.stage === 'stepping' && step?.kind === 'weight' && step.weight === candidateWeight(rollout);
  return isReached ? startStep(rollout, rollout.step + 1, at) : rollout;
}

/** The answer is about the stable version, whose users have just come back to it. */
function isAskedAgain({ app, edgeProof, trafficRestored }: RolloutState, version: string, restoring: boolean): boolean {
  return restoring && trafficRestored && edgeProof.state === 'open' && version === app.stable?.id;
}

function proven(rollout: RolloutState, version: string, at: number, restoring: boolean): RolloutState {
  if (isAskedAgain(rollout, version, restoring)) return { ...rollout, edgeProof: { state: 'proven', since: at } };
  if (restoring || version !== rollout.candidate?.id || rollout.edgeProof.state === 'none') return rollout;
  return pastShift({ ...rollout, edgeProof: { state: 'proven', since: at } }, at);
}

function sampled(rollout: RolloutState, event: Extract<ReleaseEvent, { type: 'SampleCollected' }>, at: number): RolloutState {
  if (event.analysis !== undefined) return sampledNamed(rollout, event.analysis, event, at);
  const policy = policyOf(rollout);
  const { analysis } = rollout;
  if (policy === null || analysis === null) return rollout;
  const unseenMs = rollout.pause === null ? unseenBefore(event.reading, analysis, policy.intervalMs, at) : 0;
  return { ...rollout, pausedMs: rollout.pausedMs + unseenMs, analysis: looked(policy, analysis, event, at) };
}

function looked(
  policy: AnalysisPolicy,
  analysis: RolloutAnalysis,
  { sample, reading }: Extract<ReleaseEvent, { type: 'SampleCollected' }>,
  at: number,
): RolloutAnalysis {
  const lookedAt = sample?.at ?? reading?.at ?? at;
  return {
    ...analysis,
    reading: reading ?? analysis.reading,
    lastSampleAt: Math.max(analysis.lastSampleAt, at),
    // A look begins after the one before was recorded, whatever the source's clock says.
    seenUntil: Math.max(analysis.seenUntil, Math.min(at, Math.max(lookedAt, analysis.lastSampleAt))),
    judge: sample === null ? analysis.judge : observeSample(policy, analysis.judge, sample),
  };
}

/**
 * A bake is time of which somebody knows: it lasts longer by what was missed, where the first look came late (a control
 * plane died as the bake began) or the source has begun to count again since the last one (an edge was restarted).
 */
function unseenBefore(reading: Reading | null, { startedAt, reading: last }: RolloutAnalysis, intervalMs: number, at: number): number {
  if (reading === null || reading.epoch === last?.epoch) return 0;
  // Two readings are told apart by the clock of their source, which may be another than ours.
  const sinceMs = last === null ? at - startedAt : reading.at - last.at;
  return Math.max(0, sinceMs - intervalMs);
}

function sampledNamed(
  rollout: RolloutState,
  name: string,
  event: Extract<ReleaseEvent, { type: 'SampleCollected' }>,
  at: number,
): RolloutState {
  const analysis = rollout.also?.[name];
  const named = namedOf(rollout).find((one) => one.name === name);
  if (analysis === undefined || named === undefined) return rollout;
  return { ...rollout, also: { ...rollout.also, [name]: looked(named.policy, analysis, event, at) } };
}

function retired(rollout: RolloutState, version: string, at: number, restoring: boolean): RolloutState {
  if (version === rollout.candidate?.id) return { ...rollout, candidateRetired: true, deployed: false };
  if (rollout.stage === 'stoppingOld' && !restoring) return enter({ ...rollout, oldStopped: true }, 'deploying', at);
  // A worker's old version that was just being stopped when the release turned round is down all the same.
  if (restoring && rollout.app.strategy.kind === 'recreate') return { ...rollout, oldStopped: true };
  return { ...rollout, oldRetired: true };
}

function soakLeftOver(rollout: RolloutState): number {
  return rollout.app.strategy.kind === 'recreate' ? 0 : rollout.app.strategy.soakMs;
}
