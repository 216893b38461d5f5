import { approversText } from '../../core/access/approval.ts';
import type { ReleaseState, RolloutState } from '../../core/release/state/state.ts';
import { isOut, stepsOf } from '../../core/rollout/steps.ts';

/** What a release waits for a person to say, and which command says it. */
export interface WaitingFor {
  readonly app: string | null;
  readonly message: string;
  readonly commands: readonly string[];
}

/**
 * What people are waited for, empty while something still goes on without them (another app's rollout, a
 * pause with a time of its own).
 */
export function waitingForPerson(state: ReleaseState): readonly WaitingFor[] {
  const { id, pause } = state;
  if (state.stage === 'awaiting' && state.preparation.approval !== null && state.plan.approval !== undefined) {
    const message = `its plan needs approval by ${approversText(state.plan.approval)}`;
    return [{ app: null, message, commands: [`sluice approve ${id}`, `sluice reject ${id} --reason "…"`] }];
  }
  if (state.stage !== 'rolling') return [];
  if (pause !== null) {
    const reason = pause.reason === null ? '' : `: ${pause.reason}`;
    return [{ app: null, message: `paused by ${pause.by}${reason}`, commands: [`sluice resume ${id}`, `sluice abort ${id}`] }];
  }
  const rollouts = Object.values(state.rollouts);
  if (rollouts.some((rollout) => isUnderWay(rollout) || isTimed(rollout))) return [];
  return rollouts.flatMap((rollout) => {
    if (rollout.pause === null) return [];
    const isOpen = rollout.pause.reason === 'inconclusive';
    const commands = isOpen
      ? [`sluice resume ${id}`, `sluice promote ${id}`, `sluice abort ${id}`]
      : [`sluice approve ${id}`, `sluice reject ${id} --reason "…"`];
    return [{ app: rollout.app.app, message: rollout.pause.message, commands }];
  });
}

/** What is fully out only waits for the others. */
function isUnderWay(rollout: RolloutState): boolean {
  return rollout.phase === 'Progressing' && !isOut(rollout);
}

/** A pause step that ends by itself. */
function isTimed(rollout: RolloutState): boolean {
  const step = stepsOf(rollout)[rollout.step];
  return rollout.pause?.reason === 'pauseStep' && step?.kind === 'pause' && step.forMs !== null;
}

/** A release in short, for `--json`. */
export function summaryOf(state: ReleaseState) {
  const { id, plan, by, retryOf, requestedAt, endedAt, stage, outcome, reason } = state;
  return {
    release: id,
    environment: plan.environment,
    kind: plan.kind,
    commit: plan.source.commit,
    planHash: plan.hash,
    by,
    retryOf,
    requestedAt,
    endedAt,
    stage,
    outcome,
    reason,
    waitingFor: waitingForPerson(state),
    heldBack: plan.unchanged.filter(({ keptBack }) => keptBack !== undefined),
    rollouts: Object.fromEntries(
      Object.entries(state.rollouts).map(([app, rollout]) => [
        app,
        {
          phase: rollout.phase,
          stage: rollout.stage,
          version: rollout.candidate?.id ?? null,
          stable: rollout.app.stable?.id ?? null,
          weights: rollout.weights,
          reason: rollout.reason,
        },
      ]),
    ),
  };
}
