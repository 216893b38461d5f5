import { type ApprovalRefusal, approvalRefusal } from '../../access/approval.ts';
import type { ReleaseEvent } from './events.ts';
import type { ReleaseState } from './state.ts';

export interface Refusal {
  readonly code: 'RELEASE_ENDED' | 'TOO_LATE' | 'NOT_PAUSED' | 'APP_UNKNOWN' | 'NOTHING_TO_PROMOTE' | ApprovalRefusal['code'];
  readonly message: string;
  readonly hint: string;
}

/** Why a person's command makes no sense now, or null when it does. Checked as it is appended. */
export function refusal(state: ReleaseState, event: ReleaseEvent, at: number): Refusal | null {
  const { id } = state;
  const isOver = state.stage === 'ended' || state.stage === 'closed';
  if (isOver) {
    const hint = `See \`sluice status ${id}\`; \`sluice retry ${id}\` runs its plan again, \`sluice rollback\` goes back to the version before.`;
    return { code: 'RELEASE_ENDED', message: `release ${id} is over (${state.outcome ?? 'ended'})`, hint };
  }
  switch (event.type) {
    case 'PromoteRequested':
      if (event.app !== null && state.rollouts[event.app] === undefined) {
        return {
          code: 'APP_UNKNOWN',
          message: `release ${id} has no app ${event.app}`,
          hint: `It has ${Object.keys(state.rollouts).join(', ')}.`,
        };
      }
      return tooLate(state, 'promote') ?? turning(state) ?? tooEarly(state);
    case 'PauseRequested':
      return tooLate(state, 'pause') ?? turning(state);
    case 'ResumeRequested': {
      const isPaused = state.pause !== null || Object.values(state.rollouts).some((rollout) => rollout.pause !== null);
      return isPaused
        ? null
        : { code: 'NOT_PAUSED', message: `release ${id} is not paused`, hint: `\`sluice status ${id}\` shows what it is doing.` };
    }
    case 'ApprovalGiven':
      return state.stage === 'awaiting' ? approvalRefusal(state, event.by, event.planHash, at) : notAsked(state);
    case 'ApprovalRejected':
      // A no before anybody was asked would be lost.
      return state.stage === 'awaiting' && state.preparation.approval !== null ? null : notAsked(state);
    case 'AbortRequested':
      return tooLate(state, 'abort') ?? turning(state);
    default:
      return null;
  }
}

/** Nothing is out yet, and no word but an approval takes it there. */
function tooEarly({ id, stage }: ReleaseState): Refusal | null {
  if (!['checking', 'awaiting', 'scheduled', 'preparing'].includes(stage)) return null;
  const message = `release ${id} is ${stage}: nothing of it is out yet`;
  return { code: 'NOTHING_TO_PROMOTE', message, hint: `\`sluice status ${id}\` shows what it waits for.` };
}

function notAsked({ id }: ReleaseState): Refusal {
  return {
    code: 'NOTHING_TO_APPROVE',
    message: `release ${id} does not wait for approval`,
    hint: `\`sluice status ${id}\` shows what it is doing.`,
  };
}

function tooLate(state: ReleaseState, verb: string): Refusal | null {
  if (state.stage !== 'finishing') return null;
  const hint = 'Every app is out and healthy. To go back, run `sluice rollback` once it has finished.';
  return { code: 'TOO_LATE', message: `release ${state.id} is retiring old versions: too late to ${verb}`, hint };
}

function turning(state: ReleaseState): Refusal | null {
  if (state.stage !== 'restoring') return null;
  const hint = `\`sluice status -w ${state.id}\` follows it.`;
  return { code: 'TOO_LATE', message: `release ${state.id} is already being put back (${state.cause?.message ?? ''})`, hint };
}
