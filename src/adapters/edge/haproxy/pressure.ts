import type { EdgeRules } from '../../../core/app/traffic.ts';

/** HAProxy is crowded from this share of its connections on, and no longer below the other one for so long. */
const CROWDED_FROM = 0.75;
const CALM_BELOW = 0.5;
const CALM_MS = 60_000;

/** How long HAProxy waits for clients while it is crowded, at most, ms: about a second to ask, or to go on. */
const CROWDED_HEAD_MS = 2_000;
const CROWDED_IDLE_MS = 1_000;
const CROWDED_BODY_MS = 5_000;

/** Tells when so many clients are connected that those who do nothing have to go, because HAProxy cannot choose the oldest to close. */
export interface Pressure {
  readonly isCrowded: boolean;
  /** Take a reading. @returns whether `isCrowded` has changed. */
  look(connections: number, most: number, now: number): boolean;
}

export function createPressure(): Pressure {
  let isCrowded = false;
  let busyAt = 0;
  return {
    get isCrowded() {
      return isCrowded;
    },
    look(connections, most, now) {
      if (connections >= most * CALM_BELOW) busyAt = now;
      const before = isCrowded;
      if (connections >= most * CROWDED_FROM) isCrowded = true;
      else if (isCrowded && now - busyAt > CALM_MS) isCrowded = false;
      return isCrowded !== before;
    },
  };
}

/** The rules by which HAProxy goes while it is crowded: it waits less, and what it takes is the same. */
export function crowdedRules(rules: EdgeRules): EdgeRules {
  const { headMs, idleMs, bodyMs, answerMs } = rules.timeouts;
  const timeouts = {
    headMs: Math.min(headMs, CROWDED_HEAD_MS),
    idleMs: Math.min(idleMs, CROWDED_IDLE_MS),
    bodyMs: Math.min(bodyMs, CROWDED_BODY_MS),
    answerMs,
  };
  return { ...rules, timeouts };
}

/** What `show info` says about connections of users: how many there are, and how many there may be. Null when it does not say. */
export function connectionsIn(info: string): { readonly connections: number; readonly most: number } | null {
  const number = (name: string): number => Number(new RegExp(`^${name}: (\\d+)$`, 'm').exec(info)?.[1] ?? Number.NaN);
  const [connections, most] = [number('CurrConns'), number('Maxconn')];
  return Number.isNaN(connections) || Number.isNaN(most) || most === 0 ? null : { connections, most };
}
