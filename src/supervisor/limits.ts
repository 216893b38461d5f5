import { DEFAULT_PORTS, type PortRange } from './free-port.ts';

/** Clocks and sizes of a supervisor; the defaults suit production, tests shorten them. */
export interface Limits {
  /** Pause before the first restart, ms; doubled with each run that ended quickly. */
  readonly backoffMs: number;
  readonly backoffMsMax: number;
  /** A run that lasted this long was a good one: the next restart comes quickly again. */
  readonly stableMs: number;
  /** Time a version without a health path must stay up to be called healthy, ms. */
  readonly settleMs: number;
  readonly logBytesMax: number;
  /** Rotated files kept per instance, besides the current one. */
  readonly logFiles: number;
  readonly ports: PortRange;
}

export const DEFAULT_LIMITS: Limits = {
  backoffMs: 200,
  backoffMsMax: 30_000,
  stableMs: 10_000,
  settleMs: 1_000,
  logBytesMax: 10 * 1024 * 1024,
  logFiles: 3,
  ports: DEFAULT_PORTS,
};

/** Runs in a row that ended quickly until a version is called crash-looping. */
export const QUICK_ENDS_FAILED = 3;
