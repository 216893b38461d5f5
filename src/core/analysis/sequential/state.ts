import type { SequentialPolicy } from '../policy.ts';
import { startTimeline, type Timeline } from '../timeline.ts';
import { UNKNOWN_BASELINE, type Baseline } from './baseline.ts';
import type { Hits } from './binary.ts';
import { BETTER_STAKES, WORSE_ODDS } from './block.ts';
import { NO_BUCKETS, type Buckets } from './buckets.ts';
import { NO_DISPERSION, type Dispersion } from './dispersion.ts';
import { TILTS } from './ordered.ts';
import { HELD_BACK, startFail, startPass, type FailProcess, type PassProcess } from './process.ts';

/** What the judge is told of the bake besides its policy. */
export interface AnalysisSetting {
  /** Share of requests the candidate should get, 0…1; 1: there is no baseline; null: not known. */
  readonly share: number | null;
  /** How long the bake is planned to last, ms; null: not known. */
  readonly bakeMs: number | null;
  /** Bakes of the rollout that share `alphaFail`. */
  readonly bakes: number;
}

export const UNKNOWN_SETTING: AnalysisSetting = { share: null, bakeMs: null, bakes: 1 };

/** Planned length of a bake where none is told: half an hour. */
export const USUAL_BAKE_MS = 1_800_000;
/** Candidate requests without which nothing fails. */
export const LEAST_TO_FAIL = 20;
/** Evidence at which the traffic itself counts as wrong. */
export const TRAFFIC_NEEDED = Math.log(1e4);
/** Fine buckets per bucket of what is only kept to be shown, and of strata. */
export const COARSE = 4;

/** Everything the sequential judge remembers: at most 16 kB of plain JSON, whatever the traffic. */
export interface SequentialState extends Timeline {
  readonly judge: 'sequential';
  readonly setting: AnalysisSetting;
  /** Start of the present capped block; null before the first judged sample. */
  readonly blockAt: number | null;
  /** Stake given out so far. */
  readonly released: number;
  /** Predicted baselines by stratum; '' is all traffic, or all that is in no stratum of its own. */
  readonly baselines: Readonly<Record<string, Baseline>>;
  readonly fail: Readonly<Record<string, FailProcess>>;
  readonly pass: Readonly<Record<string, PassCount>>;
  /** That the candidate is cut off from traffic, and that the baseline alone is above the error limit. */
  readonly silence: FailProcess;
  readonly unhealthy: FailProcess;
  /** Noise between the arms beyond chance: of errors, and of latencies above the median. */
  readonly dispersion: { readonly errors: Dispersion; readonly latency: Dispersion };
  readonly totals: { readonly candidate: Totals; readonly baseline: Totals };
  /** Set once, by the first test that is decided. */
  readonly decided: Decided | null;
}

/** A pass process with what it counted, for estimates. */
export interface PassCount extends PassProcess {
  readonly candidate: Hits;
  readonly baseline: Hits;
}

export interface Totals {
  readonly requests: number;
  readonly errors: number;
  readonly latency: Buckets;
}

export interface Decided {
  readonly phase: 'Failed' | 'Inconclusive';
  readonly at: number;
  readonly test: string;
  readonly reason: string;
}

/** One test that can fail a candidate: its share of the risk, and how many alternatives it weighs. */
export interface FailTest {
  readonly name: 'errors' | 'latency' | 'limit';
  readonly weight: number;
  readonly alternatives: number;
}

export interface PassTest {
  /** `errors`, `limit`, or the quantile as `p95`. */
  readonly name: string;
  readonly quantile: number | null;
}

/** With all traffic on the candidate there is nothing to compare with: only the error limit is left. */
export function isAlone(setting: AnalysisSetting): boolean {
  return setting.share !== null && setting.share >= 1;
}

const ALONE_TO_FAIL: readonly FailTest[] = [{ name: 'limit', weight: 1, alternatives: WORSE_ODDS.length }];

/** Asked for at every look, and the same for every bake of a policy. */
const failTestsOf = new WeakMap<SequentialPolicy, readonly FailTest[]>();

export function failTests(policy: SequentialPolicy, setting: AnalysisSetting): readonly FailTest[] {
  if (isAlone(setting)) return ALONE_TO_FAIL;
  const known = failTestsOf.get(policy);
  if (known !== undefined) return known;
  const errors = WORSE_ODDS.length;
  const ofErrors = policy.latency === null ? 1 : 0.4;
  const tests: readonly FailTest[] = [
    { name: 'errors', weight: policy.errors.strict ? ofErrors / 2 : ofErrors, alternatives: errors },
    ...(policy.errors.strict ? [{ name: 'limit', weight: ofErrors / 2, alternatives: errors } as const] : []),
    ...(policy.latency === null ? [] : [{ name: 'latency', weight: 0.6, alternatives: TILTS.length } as const]),
  ];
  failTestsOf.set(policy, tests);
  return tests;
}

const ERRORS: PassTest = { name: 'errors', quantile: null };
const LIMIT: PassTest = { name: 'limit', quantile: null };
const ALONE: readonly PassTest[] = [LIMIT];

const passTestsOf = new WeakMap<SequentialPolicy, readonly PassTest[]>();

export function passTests(policy: SequentialPolicy, setting: AnalysisSetting): readonly PassTest[] {
  if (isAlone(setting)) return ALONE;
  const known = passTestsOf.get(policy);
  if (known !== undefined) return known;
  const quantiles = (policy.latency?.quantiles ?? []).map((quantile): PassTest => ({
    name: `p${Number((quantile * 100).toFixed(3))}`,
    quantile,
  }));
  const tests = [ERRORS, LIMIT, ...quantiles];
  passTestsOf.set(policy, tests);
  return tests;
}

/** Log-evidence needed to fail, and to pass. */
export function failNeeded(policy: SequentialPolicy, setting: AnalysisSetting): number {
  return Math.log(Math.max(1, setting.bakes) / policy.alphaFail);
}

export function passNeeded(policy: SequentialPolicy): number {
  return -Math.log(policy.alphaPass);
}

export function startSequential(policy: SequentialPolicy, at: number, setting: AnalysisSetting): SequentialState {
  const nothing: Totals = { requests: 0, errors: 0, latency: NO_BUCKETS };
  const none: Hits = { n: 0, k: 0 };
  return {
    ...startTimeline(at),
    judge: 'sequential',
    setting,
    blockAt: null,
    released: 0,
    baselines: { '': UNKNOWN_BASELINE },
    fail: Object.fromEntries(failTests(policy, setting).map((test) => [test.name, startFail(test.alternatives)])),
    pass: Object.fromEntries(
      passTests(policy, setting).map((test) => [test.name, { ...startPass(BETTER_STAKES), candidate: none, baseline: none }]),
    ),
    silence: startFail(1),
    unhealthy: startFail(WORSE_ODDS.length),
    dispersion: { errors: NO_DISPERSION, latency: NO_DISPERSION },
    totals: { candidate: nothing, baseline: nothing },
    decided: null,
  };
}

/** Stake not given out yet counts as 1 in every fail process. */
export function heldBack(state: SequentialState): number {
  return Math.max(0, HELD_BACK - state.released);
}
