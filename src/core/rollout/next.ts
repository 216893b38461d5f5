import { finishAnalysis, verdictOf } from '../analysis/judge.ts';
import type { AnalysisPolicy } from '../analysis/policy.ts';
import type { Verdict } from '../analysis/sample.ts';
import { attempt, merge, NOTHING, record, technical, wait } from '../release/decide.ts';
import type { Decision, EffectBody } from '../release/effects.ts';
import type { Cause } from '../release/events.ts';
import { versionId, type VersionRef } from '../release/plan.ts';
import type { ReleaseState, RolloutAnalysis, RolloutState } from '../release/state.ts';
import { candidateWeight, isOut, policyOf, soakMs, stepsOf } from './steps.ts';

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
  if (now < endsAt) return wait(endsAt);
  return verify(state, rollout, now, 'verify-soaked', endsAt + rollout.app.deadlines.healthyMs);
}

function step(state: ReleaseState, rollout: RolloutState, now: number): Decision {
  const { app } = rollout;
  const policy = policyOf(rollout);
  const verdict = policy === null || rollout.analysis === null ? null : verdictOf(policy, rollout.analysis.judge, now);
  if (verdict?.phase === 'Failed') return failOn(rollout, verdict, now);
  const pauseSince = rollout.pause?.since ?? state.pause?.since;
  if (pauseSince !== undefined) return stayPaused(state, rollout, pauseSince, now);
  if (verdict?.phase === 'Error' || verdict?.phase === 'Inconclusive') return pauseOn(rollout, verdict, now);

  const current = stepsOf(rollout)[rollout.step];
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
      return bake(state, rollout, policy, current.forMs, now);
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

function bake(state: ReleaseState, rollout: RolloutState, policy: AnalysisPolicy | null, forMs: number, now: number): Decision {
  const endsAt = rollout.stepSince + rollout.pausedMs + forMs;
  const { analysis } = rollout;
  if (policy === null || analysis === null) return bakeOnHealth(state, rollout, endsAt, now);
  if (now >= endsAt && analysis.lastSampleAt >= endsAt) return concludeBake(rollout, policy, analysis, now);
  return merge([
    wait(Math.max(endsAt, now + 1)),
    collect(rollout, analysis, Math.min(analysis.lastSampleAt + policy.intervalMs, endsAt), now),
  ]);
}

/** Without an analysis the proof of a bake is that the version is still healthy when it ends. */
function bakeOnHealth(state: ReleaseState, rollout: RolloutState, endsAt: number, now: number): Decision {
  if (now < endsAt) return wait(endsAt);
  if (rollout.provenAt !== null && rollout.provenAt >= endsAt) {
    return record(rollout.app.app, `step/${rollout.step + 1}`, now, { type: 'StepStarted', app: rollout.app.app, step: rollout.step + 1 });
  }
  return verify(state, rollout, now, `verify/${rollout.step}`, endsAt + rollout.app.deadlines.healthyMs);
}

function concludeBake(rollout: RolloutState, policy: AnalysisPolicy, analysis: RolloutAnalysis, now: number): Decision {
  const verdict = finishAnalysis(policy, analysis.judge, now);
  if (verdict.phase === 'Failed') return failOn(rollout, verdict, now);
  if (verdict.phase !== 'Successful') return pauseOn(rollout, verdict, now);
  const { app } = rollout.app;
  return record(
    app,
    `step/${rollout.step + 1}`,
    now,
    { type: 'AnalysisCompleted', app, verdict },
    { type: 'StepStarted', app, step: rollout.step + 1 },
  );
}

function collect(rollout: RolloutState, analysis: RolloutAnalysis, due: number, now: number): Decision {
  const isFirstLook = analysis.reading === null && analysis.lastSampleAt === analysis.startedAt;
  if (!isFirstLook && now < due) return wait(due);
  const { app, candidate } = rollout;
  if (candidate === null) return NOTHING;
  const key = `${app.app}/collect/${rollout.step}/${analysis.startedAt}/${analysis.lastSampleAt}/${analysis.reading === null ? 'first' : 'next'}`;
  const baseline = candidateWeight(rollout) === 100 ? null : (app.stable?.id ?? null);
  const effect = {
    kind: 'collect',
    app,
    candidate: candidate.id,
    baseline,
    previous: analysis.reading,
    since: analysis.lastSampleAt,
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
  const policy = policyOf(rollout);
  if (policy === null || rollout.analysis === null) return NOTHING;
  return collect(rollout, rollout.analysis, rollout.analysis.lastSampleAt + policy.intervalMs * PAUSED_SLOWER, now);
}

function failOn(rollout: RolloutState, verdict: Verdict, now: number): Decision {
  const { app } = rollout.app;
  const cause: Cause = { kind: 'verdict', app, code: 'ANALYSIS_FAILED', message: verdict.reason };
  return record(
    app,
    'fail',
    now,
    { type: 'AnalysisCompleted', app, verdict },
    { type: 'RolloutFailed', app, cause },
    { type: 'RollbackStarted', cause },
  );
}

function pauseOn(rollout: RolloutState, verdict: Verdict, now: number): Decision {
  const { app } = rollout.app;
  const pause = { type: 'RolloutPaused', app, step: rollout.step, reason: 'inconclusive', message: verdict.reason } as const;
  return record(app, `inconclusive/${rollout.step}/${rollout.stepSince}`, now, { type: 'AnalysisCompleted', app, verdict }, pause);
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
