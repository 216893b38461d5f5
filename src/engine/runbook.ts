import type { Decision, Effect } from '../core/release/runbook/effects.ts';
import type { ReleaseEvent } from '../core/release/state/events.ts';
import type { ReleaseState } from '../core/release/state/state.ts';

/** The pure half that the engine executes. */
export interface Runbook {
  evolve(state: ReleaseState | null, event: ReleaseEvent, at: number): ReleaseState;
  next(state: ReleaseState, now: number): Decision;
}

/** Carries out effects through ports. */
export interface Performer {
  /**
   * Carry out one effect and return the events that say how it went. At least once: idempotent by `effect.key`.
   * @throws FencedError when somebody else has taken over; anything else becomes an `EffectFailed` event,
   *   unless `signal` was fired: then the effect was interrupted and the runbook is asked again.
   */
  perform(effect: Effect, context: PerformContext): Promise<readonly ReleaseEvent[]>;
}

export interface PerformContext {
  readonly release: string;
  readonly environment: string;
  readonly fence: number;
  readonly signal: AbortSignal;
  readonly state: ReleaseState;
}
