import type { Plan } from '../plan/plan.ts';
import type { ReleaseStage, ReleaseState } from '../state/state.ts';
import { type AnyStage, early, held, ownerOf, type Preparation, type PreparationEvent } from './index.ts';

/** The stages of a release before its rollouts, as facts come in. `prepare.ts` asks for them in the same order. */

export function firstStage(plan: Plan): ReleaseStage {
  return early.find(({ planned }) => plan[planned] !== undefined)?.during ?? 'queued';
}

/** A fact that comes after the release has turned round is kept as evidence; it moves nothing forward. */
export function foldPreparation(state: ReleaseState, event: PreparationEvent, at: number): ReleaseState {
  const { stage } = ownerOf(event);
  const { kept, failed, isDone = false } = stage.fold(state, event, at);
  const next = withPreparation(state, { ...kept, ...(failed === undefined ? {} : { failed }) });
  if (!isDone) return next;
  return held.includes(stage) ? stepOn(next, at) : past(stage, next, at);
}

/** Whether a release that stands in line may still start: nothing that its stages established is over. */
export function mayStart(state: ReleaseState, at: number): boolean {
  return early.every((stage) => (stage.lapsed?.(state, at) ?? null) === null);
}

/** The apps are its own: on to what is left before the rollouts, or to those. */
export function acquired(state: ReleaseState, at: number): ReleaseState {
  const mine = { ...withPreparation(state, { acquiredAt: at }), stage: 'preparing', stageSince: at, waitingFor: null } as const;
  return stepOn(mine, at);
}

/** The stage that comes next once the apps are the release's own; null: none is left. */
export function leftToPrepare(state: ReleaseState): AnyStage | null {
  return held.find((stage) => state.plan[stage.planned] !== undefined && !stage.isDone(state)) ?? null;
}

function past(stage: AnyStage, state: ReleaseState, at: number): ReleaseState {
  if (state.stage !== stage.during) return state;
  const later = early.slice(early.indexOf(stage) + 1).find(({ planned }) => state.plan[planned] !== undefined);
  return { ...state, stage: later?.during ?? 'queued', stageSince: at };
}

function stepOn(state: ReleaseState, at: number): ReleaseState {
  if (state.stage !== 'preparing') return state;
  return { ...state, stage: leftToPrepare(state) === null ? 'rolling' : 'preparing', stageSince: at };
}

function withPreparation(state: ReleaseState, change: Partial<Preparation>): ReleaseState {
  return { ...state, preparation: { ...state.preparation, ...change } };
}
