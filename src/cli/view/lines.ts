import { isPreparationEvent, ownerOf } from '../../core/release/preparations/index.ts';
import type { Tone } from '../../core/release/preparations/stage.ts';
import type { Cause, Recorded, ReleaseEvent } from '../../core/release/state/events.ts';
import type { ReleaseState, RolloutState } from '../../core/release/state/state.ts';
import { soakMs, stepsOf } from '../../core/rollout/steps.ts';
import { duration } from './words.ts';

export interface Line {
  readonly app: string | null;
  readonly text: string;
  readonly tone: Tone;
}

/** Turns a release's events into lines for people: one for each that means something, none said twice. */
export function createLines(): (entry: Recorded, state: ReleaseState) => Line | null {
  const said = new Set<string>();
  return (entry, state) => {
    const line = lineOf(entry.data, state);
    if (line === null) return null;
    // What happens again and again (waiting, trying) is said when it is new; weights may come back to what they were.
    const key = `${entry.type}/${line.app}/${line.text}`;
    if (said.has(key) && entry.type !== 'WeightsShifted') return null;
    said.add(key);
    return line;
  };
}

/** `state` is the state after the event. */
function lineOf(event: ReleaseEvent, state: ReleaseState): Line | null {
  if (isPreparationEvent(event)) {
    const { stage, tone } = ownerOf(event);
    return { app: null, text: stage.words.event(event), tone };
  }
  switch (event.type) {
    case 'ReleaseRequested': {
      const { plan, by, retryOf } = event;
      const again = retryOf === null ? '' : `, again after ${retryOf}`;
      return plain(
        null,
        `${plan.kind} of ${plan.apps.map((app) => app.app).join(', ')} to ${plan.environment}, asked for by ${by}${again}`,
      );
    }
    case 'PromoteRequested':
      return plain(event.app, `${event.by} says promote${event.full ? ', all the way' : ''}`);
    case 'PauseRequested':
      return attention(null, `paused by ${event.by}${because(event.reason)}`);
    case 'ResumeRequested':
      return plain(null, `${event.by} says resume`);
    case 'AbortRequested':
      return bad(null, `${event.by} says abort${because(event.reason)}`);
    case 'ReservationsAcquired':
    case 'ReservationFreed':
    case 'ReservationsReleased':
    case 'SampleCollected':
      return null;
    case 'ReservationBusy':
      return plain(event.app, `waits for release ${event.holder}`);
    case 'FinishingStarted':
      return good(null, 'everything is out and healthy; old versions are stopped');
    case 'RollbackStarted':
      // Where it began in an app, that app's line has said why.
      return bad(null, event.cause.app !== null ? 'everything is put back' : `everything is put back: ${event.cause.message}`);
    // The outcome is the command's own answer.
    case 'ReleaseEnded':
      return null;
    case 'EffectFailed':
      return bad(event.app, `${event.effect} did not work: ${event.message} (${event.code})`);
    default: {
      const rollout = state.rollouts[event.app];
      return rollout === undefined ? null : rolloutLine(event, rollout, state.stage === 'restoring');
    }
  }
}

type RolloutEvent = Exclude<
  Extract<ReleaseEvent, { readonly app: string | null }>,
  { type: 'PromoteRequested' | 'ReservationBusy' | 'ReservationFreed' | 'SampleCollected' | 'EffectFailed' }
>;

function rolloutLine(event: RolloutEvent, rollout: RolloutState, restoring: boolean): Line | null {
  const { app } = event;
  switch (event.type) {
    case 'RolloutStarted':
      return plain(app, rollout.app.artifact === null ? 'builds' : 'starts');
    case 'ArtifactBuilt':
      return plain(app, `version ${event.version.id} ${event.reused ? 'is built already' : 'is built'}`);
    case 'RolloutSkipped':
      return plain(app, `left alone: ${event.reason}`);
    case 'VersionDeployed':
      return plain(
        app,
        `version ${event.version} is started${rollout.app.routes.length > 0 && event.version === rollout.candidate?.id ? ', without traffic' : ''}`,
      );
    case 'VersionHealthy':
      return plain(app, `version ${event.version} is healthy`);
    case 'VersionUnhealthy':
      return bad(app, `version ${event.version} is not healthy: ${event.reason}`);
    case 'SmokePassed':
      return plain(app, 'smoke test passed');
    case 'SmokeFailed':
      return bad(app, `smoke test failed: ${event.reason}`);
    case 'StepStarted':
      return stepLine(rollout);
    case 'WeightsShifted':
      return shiftLine(app, event.weights, rollout, restoring);
    case 'RoutesProven':
      return plain(app, `users reach it: ${event.routes.map(({ route, status }) => `${route} ${status}`).join(', ')}`);
    case 'RoutesBroken':
      return bad(app, `users do not reach it: ${event.reason}`);
    case 'AnalysisCompleted':
      return {
        app,
        text: `analysis ${event.verdict.phase}: ${event.verdict.reason}`,
        tone: event.verdict.phase === 'Successful' ? 'good' : 'bad',
      };
    case 'RolloutPaused':
      return attention(app, event.reason === 'inconclusive' ? 'paused until a person decides' : event.message);
    case 'RolloutResumed':
      return plain(app, 'goes on');
    case 'RolloutPromoted':
      return good(app, `fully out${soakMs(rollout.app) > 0 ? `; the old version is kept for ${duration(soakMs(rollout.app))}` : ''}`);
    case 'RolloutFailed':
      return isTold(event.cause) ? null : bad(app, `failed: ${event.cause.message}`);
    case 'StableRestored':
      return plain(
        app,
        event.kept
          ? 'there is nothing to go back to: the new version stays'
          : rollout.app.stable === null
            ? 'taken away again'
            : `back on version ${rollout.app.stable.id}`,
      );
    case 'VersionRetired':
      return plain(app, `version ${event.version} is stopped`);
    case 'RolloutFinished':
      return good(app, event.note === null ? 'done' : `done; ${event.note}`);
  }
}

/** What the line before has said: the check, the smoke test or the analysis. */
function isTold(cause: Cause): boolean {
  return cause.kind === 'verdict';
}

function stepLine(rollout: RolloutState): Line | null {
  const step = stepsOf(rollout)[rollout.step];
  return step?.kind === 'bake' ? plain(rollout.app.app, `looks at it for ${duration(step.forMs)}`) : null;
}

function shiftLine(app: string, weights: Readonly<Record<string, number>>, rollout: RolloutState, restoring: boolean): Line {
  const { stable } = rollout.app;
  if (restoring && stable !== null && weights[stable.id] === 100) return good(app, `all traffic is back on version ${stable.id}`);
  const id = rollout.candidate?.id ?? '';
  return plain(app, `${weights[id] ?? 0} % of the traffic on version ${id}`);
}

export function outcomeWords(outcome: string): string {
  switch (outcome) {
    case 'RolledBack':
      return 'Rolled back';
    case 'RollbackFailed':
      return 'ROLLBACK FAILED';
    default:
      return outcome;
  }
}

function because(reason: string | null): string {
  return reason === null ? '' : `: ${reason}`;
}

function plain(app: string | null, text: string): Line {
  return { app, text, tone: 'plain' };
}

function good(app: string | null, text: string): Line {
  return { app, text, tone: 'good' };
}

function bad(app: string | null, text: string): Line {
  return { app, text, tone: 'bad' };
}

function attention(app: string | null, text: string): Line {
  return { app, text, tone: 'attention' };
}
