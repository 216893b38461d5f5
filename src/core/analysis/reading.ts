import type { EdgeStats, VersionCounters } from '../app/traffic.ts';
import type { Unproven } from './sample.ts';

/**
 * One look at monotone counters, kept in the log so that the next look can be turned into a block by
 * subtraction. `cursor`: how far the source had read, in its own words; handed back to it at the next look.
 */
export interface Reading extends EdgeStats {
  readonly versions: Readonly<Record<string, Counters>>;
  readonly cursor?: Readonly<Record<string, string | number>>;
}

/** `errors`: of sources that count what went bad apart from what was done, where one may be known later than the other. */
export interface Counters extends VersionCounters {
  readonly errors?: number;
  /** Of what a zero proves nothing, because the source has no such series; left out: of nothing. */
  readonly unknown?: readonly Unproven[];
}

/** Where an analysis has its numbers from. What stands beside `kind` is the source's own, and checked by it. */
export interface SourceSettings {
  readonly kind: string;
  readonly [setting: string]: SettingValue;
}

export type SettingValue = string | number | boolean | null | readonly SettingValue[] | { readonly [key: string]: SettingValue };

/** The data plane itself: every request of every version, with nothing to set up. */
export const EDGE_SOURCE: SourceSettings = { kind: 'edge' };
