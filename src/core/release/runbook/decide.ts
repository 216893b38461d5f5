import type { Decision, Effect, EffectBody } from './effects.ts';
import type { Cause, ReleaseEvent } from '../state/events.ts';
import type { Attempt, ReleaseState } from '../state/state.ts';

/** Nothing to do and nothing to wait for. */
export const NOTHING: Decision = { effects: [], wakeAt: null };

/** After an outage longer than a deadline, an effect still gets this long, ms. */
const GRACE_MS = 10_000;
const FIRST_BACKOFF_MS = 250;
const LONGEST_BACKOFF_MS = 10_000;
/** Unforeseen errors (bugs of ours) are not worth more tries. */
const BUG_TRIES = 3;

/** Look again then. */
export function wait(until: number): Decision {
  return { effects: [], wakeAt: until };
}

export function merge(decisions: readonly Decision[]): Decision {
  const times = decisions.map((decision) => decision.wakeAt).filter((at) => at !== null);
  return { effects: decisions.flatMap((decision) => decision.effects), wakeAt: times.length === 0 ? null : Math.min(...times) };
}

/** Events decided on now; nothing to do outside. */
export function record(lane: string, key: string, now: number, ...events: readonly ReleaseEvent[]): Decision {
  return { effects: [{ kind: 'record', events, lane, key: `${lane}/${key}`, deadline: now + GRACE_MS }], wakeAt: null };
}

/** One wish: what to do, in which lane, and until when it is worth trying. */
export interface Wish {
  readonly lane: string;
  readonly key: string;
  readonly body: EffectBody;
  readonly deadline: number;
}

/**
 * The effect, unless it failed before: then after a back-off (0.25 s doubling to 10 s), or
 * `otherwise` once the deadline has passed or trying again cannot help.
 */
export function attempt(state: ReleaseState, wish: Wish, now: number, otherwise: (failed: Attempt) => Decision): Decision {
  const key = `${wish.lane}/${wish.key}`;
  const effect: Effect = { ...wish.body, lane: wish.lane, key, deadline: Math.max(wish.deadline, now + GRACE_MS) };
  const failed = state.attempts[key];
  if (failed === undefined) return { effects: [effect], wakeAt: null };
  if (isHopeless(failed) || now >= wish.deadline) return otherwise(failed);
  return paced(effect, failed, now, wish.deadline);
}

/** The effect again and again with back-off: for putting things back, where giving up is decided elsewhere. */
export function persist(state: ReleaseState, wish: Wish, now: number): Decision {
  const key = `${wish.lane}/${wish.key}`;
  const effect: Effect = { ...wish.body, lane: wish.lane, key, deadline: Math.max(wish.deadline, now + GRACE_MS) };
  const failed = state.attempts[key];
  return failed === undefined ? { effects: [effect], wakeAt: null } : paced(effect, failed, now, wish.deadline);
}

export function technical(app: string | null, failed: Attempt): Cause {
  return { kind: 'technical', app, code: failed.code, message: failed.message };
}

function paced(effect: Effect, failed: Attempt, now: number, deadline: number): Decision {
  const backoff = Math.min(LONGEST_BACKOFF_MS, FIRST_BACKOFF_MS * 2 ** (failed.count - 1));
  const again = failed.lastAt + backoff;
  return now >= again ? { effects: [effect], wakeAt: null } : wait(Math.min(again, Math.max(deadline, now + 1)));
}

function isHopeless(failed: Attempt): boolean {
  return failed.blame === 'user' || (failed.blame === 'bug' && failed.count >= BUG_TRIES);
}
