import type { Verdict } from '../analysis/sample.ts';
import { isBlind } from '../analysis/watching.ts';
import { attempt, merge, NOTHING, record, technical, wait } from '../release/runbook/decide.ts';
import type { Decision, EffectBody } from '../release/runbook/effects.ts';
import type { Cause } from '../release/state/events.ts';
import { versionId, type VersionRef } from '../release/plan/plan.ts';
import type { ReleaseState, RolloutState } from '../release/state/state.ts';
import {
  completed,
  endingOf,
  extendedUntil,
  finalOf,
  isLongAgo,
  hasEnough,
  mayEndEarly,
  notedFinally,
  runningOf,
  type Running,
  troubleOf,
} from './analyses.ts';
import { candidateWeight, isOut, soakMs, stepsOf } from './steps.ts';

/** While somebody keeps a rollout paused, its candidate is still watched, this many times more slowly. */
const PAUSED_SLOWER = 10;

/** The runbook of one app, going forward: build → deploy at 0 % → healthy → smoke → steps → soak → ready. */
export function nextForRollout(state: ReleaseState, rollout: RolloutState, now: number): Decision {
  if (rollout.failedCheck !== null && rollout.stage !== 'failed')
    return fail(rollout, { kind: 'verdict', app: rollout.app.app, ...rollout.failedCheck }, now);
  switch (rollout.stage) {
    case 'waiting':
      return start(state, rollout, now);
    case 'building':
      return build(state, rollout, now);
    case 'stoppingOld':
      return stopOld(state, rollout, now);
    case 'deploying':
      return deploy(state, rollout, now);
    case 'verifying':
      return verify(state, rollout, now, 'verify', rollout.stageSince + rollout.app.deadlines.healthyMs);
    case 'smoking':
      return smoke(state, rollout, now);
    case 'stepping':
      return step(state, rollout, now);
    case 'soaking':
      return soak(state, rollout, now);
    case 'ready':
    case 'done':
    case 'failed':
    case 'restored':
    case 'skipped':
      return NOTHING;
  }
}

/** Ends this rollout and turns the whole release round. */
function fail(rollout: RolloutState, cause: Cause, now: number): Decision {
  const { app } = rollout.app;
  return record(app, 'fail', now, { type: 'RolloutFailed', app, cause }, { type: 'RollbackStarted', cause });
}

function start(state: ReleaseState, rollout: RolloutState, now: number): Decision {
  const free = rollout.app.dependsOn.every((name) => {
    const other = state.rollouts[name];
    return other === undefined || isOut(other);
  });
  if (!free) return NOTHING;
  if (state.pause !== null) return paused(state, state.pause.since, rollout, now);
  return record(rollout.app.app, 'start', now, { type: 'RolloutStarted', app: rollout.app.app });
}

function build(state: ReleaseState, rollout: RolloutState, now: number): Decision {
  const { app } = rollout;
  if (app.artifact !== null) {
    const { artifact, run, health } = app;
    const version: VersionRef = { id: versionId(artifact, run, health), artifact, commit: state.plan.source.commit, run, health };
    return record(app.app, 'built', now, { type: 'ArtifactBuilt', app: app.app, version, reused: true, log: null });
  }
  return tryTo(state, rollout, 'build', { kind: 'build', app, commit: state.plan.source.commit }, app.deadlines.buildMs, now);
}

function stopOld(state: ReleaseState, rollout: RolloutState, now: number): Decision {
  const { app, candidate } = rollout;
  if (candidate?.id === app.stable?.id) return skip(rollout, now);
  return app.stable === null
    ? NOTHING
    : tryTo(state, rollout, 'stop-old', { kind: 'retire', app, version: app.stable, keep: null }, app.deadlines.progressMs, now);
}

function deploy(state: ReleaseState, rollout: RolloutState, now: number): Decision {
  const { app, candidate } = rollout;
  if (candidate === null) return NOTHING;
  if (candidate.id === app.stable?.id) return skip(rollout, now);
  return tryTo(
    state,
    rollout,
    'deploy',
    { kind: 'deploy', app, version: candidate, weights: rollout.weights },
    app.deadlines.progressMs,
    now,
  );
}

function skip(rollout: RolloutState, now: number): Decision {
  const { app } = rollout.app;
  return record(app, 'skip', now, { type: 'RolloutSkipped', app, reason: 'the build gave exactly the version that runs already' });
}

function verify(state: ReleaseState, rollout: RolloutState, now: number, key: string, until: number): Decision {
  const { app, candidate } = rollout;
  if (candidate === null) return NOTHING;
  const deadline = Math.max(until, rollout.stageSince + app.deadlines.progressMs);
  const wish = { lane: app.app, key, body: { kind: 'verify', app, version: candidate, until } satisfies EffectBody, deadline };
  return attempt(state, wish, now, (failed) => fail(rollout, technical(app.app, failed), now));
}

function smoke(state: ReleaseState, rollout: RolloutState, now: number): Decision {
  const { app, candidate } = rollout;
  if (candidate === null) return NOTHING;
  return tryTo(state, rollout, 'smoke', { kind: 'smoke', app, version: candidate }, app.deadlines.smokeMs, now);
}

function soak(state: ReleaseState, rollout: RolloutState, now: number): Decision {
  if (state.pause !== null) return paused(state, state.pause.since, rollout, now);
  const endsAt = rollout.stageSince + rollout.pausedMs + soakMs(rollout.app);
  const trouble = troubleOf(rollout, now);
  if (trouble?.verdict.phase === 'Failed') return failOn(rollout, trouble.of, trouble.verdict, now);
  const watching = collectAll(rollout, runningOf(rollout), endsAt, now);
  if (now < endsAt) return merge([wait(endsAt), watching]);
  if (watching.effects.length > 0) return watching;
  if (isUnproven(rollout, endsAt)) return probe(state, rollout, now, 'probe-soaked', endsAt);
  return verify(state, rollout, now, 'verify-soaked', endsAt + rollout.app.deadlines.healthyMs);
}

/** Whether the edge has to be asked because it was not since then; never where users do not come through it. */
function isUnproven({ edgeProof: { state, since } }: RolloutState, from: number): boolean {
  return state === 'open' || (state === 'proven' && since < from);
}

/** Ask as a user would. `from`: from when on it was to be so. */
function probe(state: ReleaseState, rollout: RolloutState, now: number, key: string, from: number): Decision {
  const { app, candidate } = rollout;
  if (candidate === null) return NOTHING;
  const until = from + app.deadlines.healthyMs;
  const deadline = Math.max(until, rollout.stageSince + app.deadlines.progressMs);
  const wish = { lane: app.app, key, body: { kind: 'probe', app, version: candidate, until } satisfies EffectBody, deadline };
  return attempt(state, wish, now, (failed) => fail(rollout, technical(app.app, failed), now));
}

/** When this rollout's proofs, of health and of the way through the edge, were last fresh: the older of the two, ms since epoch. */
export function provenSince({ provenAt, edgeProof }: RolloutState): number {
  return Math.min(provenAt ?? -Infinity, edgeProof.state === 'none' ? Infinity : edgeProof.state === 'open' ? -Infinity : edgeProof.since);
}

/** Its proofs have grown old while it waited for other apps or for people: once more, before anything is stopped. */
export function proveAgain(state: ReleaseState, rollout: RolloutState, notBefore: number, now: number): Decision {
  const { app, edgeProof, provenAt } = rollout;
  const isEdge = isUnproven(rollout, notBefore);
  const key = isEdge ? `probe-again/${edgeProof.since}` : `verify-again/${provenAt}`;
  const from = state.attempts[`${app.app}/${key}`]?.firstAt ?? now;
  return isEdge ? probe(state, rollout, now, key, from) : verify(state, rollout, now, key, from + app.deadlines.healthyMs);
}

function step(state: ReleaseState, rollout: RolloutState, now: number): Decision {
  const { app } = rollout;
  const trouble = troubleOf(rollout, now);
  if (trouble?.verdict.phase === 'Failed') return failOn(rollout, trouble.of, trouble.verdict, now);
  const pauseSince = rollout.pause?.since ?? state.pause?.since;
  if (pauseSince !== undefined) return stayPaused(state, rollout, pauseSince, now);
  if (trouble !== null) {
    const decided = unclear(rollout, trouble.of, trouble.verdict, now);
    if (decided !== null) return decided;
  }

  const current = stepsOf(rollout)[rollout.step];
  const { edgeProof } = rollout;
  if (edgeProof.state === 'open' && current?.kind === 'weight' && current.weight === candidateWeight(rollout))
    return probe(state, rollout, now, `probe/${rollout.step}/${edgeProof.since}`, edgeProof.since);
  switch (current?.kind) {
    case undefined:
      return record(app.app, 'promoted', now, { type: 'RolloutPromoted', app: app.app });
    case 'confirm':
      return pauseAt(rollout, 'confirm', 'waits for `promote` before traffic is switched', now);
    case 'pause': {
      const forMs = current.forMs;
      const message =
        forMs === null
          ? `paused at ${candidateWeight(rollout)} % until someone promotes`
          : `paused at ${candidateWeight(rollout)} % for ${seconds(forMs)}`;
      return pauseAt(rollout, 'pauseStep', message, now);
    }
    case 'weight':
      return shift(state, rollout, current.weight, now);
    case 'bake':
      return bake(state, rollout, current.forMs, now);
  }
}

function shift(state: ReleaseState, rollout: RolloutState, weight: number, now: number): Decision {
  const { app, candidate } = rollout;
  if (candidate === null || !rollout.healthy) return NOTHING;
  const stable = app.strategy.kind === 'recreate' ? null : app.stable;
  const weights = stable === null ? { [candidate.id]: 100 } : { [stable.id]: 100 - weight, [candidate.id]: weight };
  const versions = stable === null ? [candidate] : [stable, candidate];
  const since = rollout.stepSince + rollout.pausedMs - rollout.stageSince;
  return tryTo(
    state,
    rollout,
    `shift/${rollout.step}/${weight}`,
    { kind: 'shift', app, versions, weights },
    since + app.deadlines.progressMs,
    now,
  );
}

function bake(state: ReleaseState, rollout: RolloutState, forMs: number, now: number): Decision {
  const endsAt = rollout.stepSince + rollout.pausedMs + forMs;
  const running = runningOf(rollout);
  if (running.length === 0) return bakeOnHealth(state, rollout, endsAt, now);
  if (mayEndEarly(rollout, running, now)) return concludeBake(rollout, running, now);
  const ending = endingOf(rollout, running);
  const isSeen = (at: number) => now >= at && ending.every((one) => one.analysis.seenUntil >= at && !isLongAgo(one, now));
  const until = isSeen(endsAt) ? extendedUntil(rollout, running, endsAt, forMs) : endsAt;
  if (isSeen(until)) return concludeBake(rollout, running, now);
  // All looked at its end, and not all saw it: once more, after the usual time.
  const isLooked = running.every((one) => one.analysis.lastSampleAt >= until);
  return merge([now < until ? wait(until) : NOTHING, collectAll(rollout, running, isLooked ? Infinity : until, now)]);
}

/** Without an analysis the proof of a bake is that the version is still healthy when it ends. */
function bakeOnHealth(state: ReleaseState, rollout: RolloutState, endsAt: number, now: number): Decision {
  if (now < endsAt) return wait(endsAt);
  if (rollout.provenAt !== null && rollout.provenAt >= endsAt) {
    return record(rollout.app.app, `step/${rollout.step + 1}`, now, { type: 'StepStarted', app: rollout.app.app, step: rollout.step + 1 });
  }
  return verify(state, rollout, now, `verify/${rollout.step}`, endsAt + rollout.app.deadlines.healthyMs);
}

function concludeBake(rollout: RolloutState, running: readonly Running[], now: number): Decision {
  const { app } = rollout.app;
  for (const one of endingOf(rollout, running)) {
    const verdict = finalOf(one);
    if (verdict.phase === 'Failed') return failOn(rollout, one, verdict, now);
    if (verdict.phase === 'Inconclusive' && isWavedThrough(one, verdict)) continue;
    if (verdict.phase !== 'Successful') return pauseOn(rollout, one, verdict, now);
  }
  return record(app, `step/${rollout.step + 1}`, now, ...notedFinally(rollout, running), {
    type: 'StepStarted',
    app,
    step: rollout.step + 1,
  });
}

/** Nothing was proven, and the policy says to go on all the same: but never on next to nothing, or on metrics that are dark or contradict one another. */
function isWavedThrough({ policy, analysis }: Running, verdict: Verdict): boolean {
  return policy.onInconclusive === 'promote' && hasEnough(policy, verdict) && !isBlind(policy, analysis.judge, analysis.seenUntil);
}

/** No verdict is to be had. Metrics that cannot be read are nobody's fault: they hold the release, and never put it back. */
function unclear(rollout: RolloutState, of: Running, verdict: Verdict, now: number): Decision | null {
  if (verdict.phase !== 'Inconclusive') return pauseOn(rollout, of, verdict, now);
  if (of.policy.onInconclusive === 'extend') return null;
  return pauseOn(rollout, of, verdict, now);
}

function collectAll(rollout: RolloutState, running: readonly Running[], until: number, now: number): Decision {
  return merge(running.map((one) => collect(rollout, one, Math.min(one.analysis.lastSampleAt + one.policy.intervalMs, until), now)));
}

function collect(rollout: RolloutState, { name, policy, analysis }: Running, due: number, now: number): Decision {
  const isFirstLook = analysis.reading === null && analysis.lastSampleAt === analysis.startedAt;
  if (!isFirstLook && analysis.lastSampleAt >= due) return NOTHING;
  if (!isFirstLook && now < due) return wait(due);
  const { app, candidate } = rollout;
  if (candidate === null) return NOTHING;
  const of = name === null ? '' : `/${name}`;
  const key = `${app.app}/collect${of}/${rollout.step}/${analysis.startedAt}/${analysis.lastSampleAt}/${analysis.reading === null ? 'first' : 'next'}`;
  const baseline = candidateWeight(rollout) === 100 ? null : (app.stable?.id ?? null);
  const effect = {
    kind: 'collect',
    app,
    candidate: candidate.id,
    baseline,
    previous: analysis.reading,
    since: analysis.lastSampleAt,
    ...(name === null ? {} : { analysis: name }),
    ...(policy.source === undefined ? {} : { source: policy.source }),
  } as const;
  return { effects: [{ ...effect, key, lane: app.app, deadline: now + 10_000 }], wakeAt: null };
}

function stayPaused(state: ReleaseState, rollout: RolloutState, since: number, now: number): Decision {
  const current = stepsOf(rollout)[rollout.step];
  if (rollout.pause?.reason === 'pauseStep' && current?.kind === 'pause' && current.forMs !== null && state.pause === null) {
    const endsAt = rollout.pause.since + current.forMs;
    const { app } = rollout.app;
    if (now >= endsAt) return record(app, `step/${rollout.step + 1}`, now, { type: 'StepStarted', app, step: rollout.step + 1 });
    return merge([wait(endsAt), watchPaused(rollout, now)]);
  }
  return merge([paused(state, since, rollout, now), watchPaused(rollout, now)]);
}

/** A person's pause does not last for ever either: then the release goes back. */
function paused(state: ReleaseState, since: number, rollout: RolloutState, now: number): Decision {
  const expiresAt = since + state.plan.deadlines.pauseMs;
  if (now < expiresAt) return wait(expiresAt);
  const message = `nobody promoted or aborted within ${seconds(state.plan.deadlines.pauseMs)} of the pause`;
  return fail(rollout, { kind: 'technical', app: rollout.app.app, code: 'PAUSE_EXPIRED', message }, now);
}

function watchPaused(rollout: RolloutState, now: number): Decision {
  const slowly = (one: Running) => one.analysis.lastSampleAt + one.policy.intervalMs * PAUSED_SLOWER;
  return merge(runningOf(rollout).map((one) => collect(rollout, one, slowly(one), now)));
}

function failOn(rollout: RolloutState, of: Running, verdict: Verdict, now: number): Decision {
  const { app } = rollout.app;
  const code = verdict.phase === 'Failed' ? 'ANALYSIS_FAILED' : 'ANALYSIS_INCONCLUSIVE';
  const cause: Cause = { kind: 'verdict', app, code, message: told(of, verdict) };
  return record(app, 'fail', now, completed(app, of, verdict), { type: 'RolloutFailed', app, cause }, { type: 'RollbackStarted', cause });
}

/** Or back, where the policy says so and the metrics could be read. */
function pauseOn(rollout: RolloutState, of: Running, verdict: Verdict, now: number): Decision {
  if (
    verdict.phase === 'Inconclusive' &&
    of.policy.onInconclusive === 'rollback' &&
    !isBlind(of.policy, of.analysis.judge, of.analysis.seenUntil)
  )
    return failOn(rollout, of, verdict, now);
  const { app } = rollout.app;
  const pause = { type: 'RolloutPaused', app, step: rollout.step, reason: 'inconclusive', message: told(of, verdict) } as const;
  return record(app, `inconclusive/${rollout.step}/${rollout.stepSince}`, now, completed(app, of, verdict), pause);
}

function told({ name }: Running, verdict: Verdict): string {
  return name === null ? verdict.reason : `${name}: ${verdict.reason}`;
}

function pauseAt(rollout: RolloutState, reason: 'confirm' | 'pauseStep', message: string, now: number): Decision {
  const { app } = rollout.app;
  return record(app, `pause/${rollout.step}`, now, { type: 'RolloutPaused', app, step: rollout.step, reason, message });
}

/** An effect of this rollout that may be tried again for `forMs` from the stage's start; then the rollout fails. */
function tryTo(state: ReleaseState, rollout: RolloutState, key: string, body: EffectBody, forMs: number, now: number): Decision {
  const lane = rollout.app.app;
  const wish = { lane, key, body, deadline: rollout.stageSince + forMs };
  return attempt(state, wish, now, (failed) => fail(rollout, technical(lane, failed), now));
}

function seconds(ms: number): string {
  return ms >= 86_400_000
    ? `${Math.round(ms / 86_400_000)} d`
    : ms >= 60_000
      ? `${Math.round(ms / 60_000)} min`
      : `${Math.round(ms / 1000)} s`;
}
