import type { Reading, SourceSettings } from '../core/analysis/reading.ts';

/**
 * Where numbers about versions come from. Whatever a source is like, it answers with monotone counters by
 * version: answers (or jobs, orders…), how many of them were bad, and how long they took. So every source is
 * judged by the same tests, and one sample is never counted twice.
 */
export interface MetricSource {
  readonly kind: string;
  /** Whether these settings make sense. @throws UserError `METRIC_SOURCE_INVALID`, naming what is wrong. */
  check(settings: SourceSettings): void;
  /** An analysis begins: what comes from now on will be asked for. Repeatable; needs no `stop` where it keeps nothing. */
  start(query: MetricQuery): Promise<void>;
  /**
   * The counters now. `previous` is the last answer (null: none yet), and the same `previous` may be given
   * again: nothing is lost or counted twice. A version that nothing is known of is left out.
   * @throws OutsideError when they cannot be read or believed: never zero, never a bad value.
   */
  collect(query: MetricQuery, previous: Reading | null, signal: AbortSignal): Promise<Reading>;
  /** The analysis is over. Repeatable. */
  stop(query: MetricQuery): Promise<void>;
}

export interface MetricQuery {
  readonly environment: string;
  readonly app: string;
  readonly versions: readonly string[];
  readonly settings: SourceSettings;
}
