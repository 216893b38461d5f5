import type { BackendCounts } from './runtime.ts';

/**
 * Finds failures that HAProxy does not log. When a version drops the connection before it answers, and the
 * client's own connection has carried a request before, HAProxy closes the client's connection without a word and
 * writes no line (http_ana.c, `abort_keep_alive`), so that the client may repeat. Nor does it count such a request
 * as finished, but it did count it as begun: begun, neither under way nor finished, is lost.
 */
export interface Lost {
  /** How many were lost in the token's backend before it was the token's, or before we looked. */
  begin(token: string, worker: number, counts: BackendCounts | undefined): void;
  /**
   * Two readings, one after the other: a request that ends just while one is taken is not yet lost.
   * @returns how many more were lost than known before.
   */
  settle(token: string, worker: number, first: BackendCounts | undefined, second: BackendCounts | undefined): number;
}

export function createLost(): Lost {
  /** Lost until now, by worker and token: a new worker counts from zero. */
  const known = new Map<string, number>();
  return {
    begin: (token, worker, counts) => void known.set(`${worker} ${token}`, lostIn(counts)),
    settle(token, worker, first, second) {
      const before = known.get(`${worker} ${token}`) ?? 0;
      const now = Math.max(before, Math.min(lostIn(first), lostIn(second)));
      known.set(`${worker} ${token}`, now);
      return now - before;
    },
  };
}

function lostIn(counts: BackendCounts | undefined): number {
  return counts === undefined ? 0 : Math.max(0, counts.begun - counts.inFlight - counts.finished);
}
