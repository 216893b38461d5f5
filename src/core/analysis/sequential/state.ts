import { CLASS_ALTERNATIVES, COMPARED, type ClassTotals, type ComparedClass } from '../classes.ts';
import type { SequentialPolicy } from '../policy.ts';
import { carryStreams } from '../streams.ts';
import { ROUTE_ALTERNATIVES, type Routes } from '../routes.ts';
import { startTimeline, type Timeline } from '../timeline.ts';
import { UNKNOWN_BASELINE, type Baseline } from './baseline.ts';
import type { Hits } from './binary.ts';
import { BETTER_STAKES, FAILURE_ODDS, WORSE_ODDS } from './block.ts';
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
  /** Bakes of the rollout. */
  readonly bakes: number;
  /** How long they are planned to last together, ms; left out: as this one alone, and evidence is not carried from one to the next. */
  readonly rolloutMs?: number;
}

export const UNKNOWN_SETTING: AnalysisSetting = { share: null, bakeMs: null, bakes: 1 };

/** Planned length of a bake where none is told: half an hour. */
export const USUAL_BAKE_MS = 1_800_000;
/** How much longer than planned a bake may last that has shown nothing bad, and not yet enough that is good: twice as long again, and never too short to look once more. */
export function longerMs(bakeMs: number): number {
  return Math.max(2 * bakeMs, LEAST_LONGER_MS);
}
const LEAST_LONGER_MS = 150_000;
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
  /** Until when latency is not judged, for the candidate starts cold; left out: until the policy's delay after the start. */
  readonly warmUntil?: number;
  /** Routes looked at one by one; left out: the source does not tell them apart. */
  readonly routes?: Routes;
  /** What earlier bakes of the same rollout brought; left out: this is the first. */
  readonly carried?: Carried;
  /** The newest stretches, oldest first. */
  readonly recent?: readonly Stretch[];
  /** Start of the present stretch; null before the first judged sample. */
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
  readonly dispersion: { readonly errors: Dispersion; readonly latency: Dispersion; readonly classes?: Dispersion };
  readonly totals: { readonly candidate: Totals; readonly baseline: Totals };
  /** Set once, by the first test that is decided. */
  readonly decided: Decided | null;
}

/** Earlier bakes of a rollout: their evidence stays, so their number and length count for what is still to be given out. */
export interface Carried {
  readonly bakes: number;
  readonly bakedMs: number;
  readonly candidateRequests: number;
}

/** A stretch of time as the pass tests saw it. */
export interface Stretch {
  readonly fromAt: number;
  readonly hits: Readonly<Record<string, Counted>>;
}

/** Requests that a test counted, and its hits: of the candidate, then of the baseline. */
export type Counted = readonly [n: number, k: number, nb: number, kb: number];

/** A pass process with what it counted, for estimates. */
export interface PassCount extends PassProcess {
  readonly candidate: Hits;
  readonly baseline: Hits;
}

export interface Totals {
  readonly requests: number;
  readonly errors: number;
  readonly latency: Buckets;
  /** Left out where no class was told. */
  readonly classes?: ClassTotals;
}

export interface Decided {
  readonly phase: 'Failed' | 'Inconclusive';
  readonly at: number;
  readonly test: string;
  /** The class that is more frequent, where that is the cause. */
  readonly class?: ComparedClass;
  readonly reason: string;
}

/** One test that can fail a candidate: its share of the risk, and how many alternatives it weighs. */
export interface FailTest {
  /** `failures`: so many that no cap need hold. `classes`: answers that are no errors, but others. `routes`: of each route alone. */
  readonly name: 'errors' | 'latency' | 'limit' | 'classes' | 'failures' | 'routes';
  readonly weight: number;
  readonly alternatives: number;
}

export interface PassTest {
  /** `errors`, `limit`, the class, or the quantile as `p95`. */
  readonly name: string;
  readonly quantile: number | null;
  readonly class: ComparedClass | null;
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
  const ofErrors = policy.latency === null ? 0.94 : 0.34;
  const tests: readonly FailTest[] = [
    { name: 'failures', weight: 0.02, alternatives: FAILURE_ODDS.length },
    { name: 'classes', weight: 0.02, alternatives: CLASS_ALTERNATIVES },
    { name: 'routes', weight: 0.02, alternatives: ROUTE_ALTERNATIVES },
    { name: 'errors', weight: policy.errors.strict ? ofErrors / 2 : ofErrors, alternatives: errors },
    ...(policy.errors.strict ? [{ name: 'limit', weight: ofErrors / 2, alternatives: errors } as const] : []),
    ...(policy.latency === null ? [] : [{ name: 'latency', weight: 0.6, alternatives: TILTS.length } as const]),
  ];
  failTestsOf.set(policy, tests);
  return tests;
}

const ERRORS: PassTest = { name: 'errors', quantile: null, class: null };
const LIMIT: PassTest = { name: 'limit', quantile: null, class: null };
const CLASSES: readonly PassTest[] = COMPARED.map((name) => ({ name, quantile: null, class: name }));
const ALONE: readonly PassTest[] = [LIMIT];

interface PassTests {
  readonly withClasses: readonly PassTest[];
  readonly without: readonly PassTest[];
}

const passTestsOf = new WeakMap<SequentialPolicy, PassTests>();

/** What has to be shown before anything passes. `isTold`: whether the source has told any status class. */
export function passTests(policy: SequentialPolicy, setting: AnalysisSetting, isTold: boolean): readonly PassTest[] {
  if (isAlone(setting)) return ALONE;
  const known = passTestsOf.get(policy) ?? allPassTests(policy);
  passTestsOf.set(policy, known);
  return isTold ? known.withClasses : known.without;
}

function allPassTests(policy: SequentialPolicy): PassTests {
  const quantiles = (policy.latency?.quantiles ?? []).map((quantile): PassTest => ({
    name: `p${Number((quantile * 100).toFixed(3))}`,
    quantile,
    class: null,
  }));
  const without = [ERRORS, LIMIT, ...quantiles];
  return { without, withClasses: [...without, ...CLASSES] };
}

/** Whether the source has told status classes, of either version. */
export function tellsClasses({ totals: { candidate, baseline } }: Pick<SequentialState, 'totals'>): boolean {
  return candidate.classes !== undefined || baseline.classes !== undefined;
}

/** What many sources never tell is not kept before they do. */
function isKeptOnceTold({ name }: FailTest): boolean {
  return name === 'classes' || name === 'routes';
}

export function startPassCount(): PassCount {
  const none: Hits = { n: 0, k: 0 };
  return { ...startPass(BETTER_STAKES), candidate: none, baseline: none };
}

/** Log-evidence needed to fail, and to pass. */
export function failNeeded(policy: SequentialPolicy, setting: AnalysisSetting): number {
  // Evidence that is not carried on begins anew in each bake, so bakes share the risk.
  const sharing = setting.rolloutMs === undefined ? Math.max(1, setting.bakes) : 1;
  return Math.log(sharing / policy.alphaFail);
}

export function passNeeded(policy: SequentialPolicy): number {
  return -Math.log(policy.alphaPass);
}

export function startSequential(policy: SequentialPolicy, at: number, setting: AnalysisSetting): SequentialState {
  const nothing: Totals = { requests: 0, errors: 0, latency: NO_BUCKETS };
  return {
    ...startTimeline(at),
    judge: 'sequential',
    setting,
    warmUntil: at + policy.initialDelayMs,
    recent: [],
    blockAt: null,
    released: 0,
    baselines: { '': UNKNOWN_BASELINE },
    fail: Object.fromEntries(
      failTests(policy, setting).flatMap((test) => (isKeptOnceTold(test) ? [] : [[test.name, startFail(test.alternatives)]])),
    ),
    pass: Object.fromEntries(passTests(policy, setting, false).map((test) => [test.name, startPassCount()])),
    silence: startFail(1),
    unhealthy: startFail(WORSE_ODDS.length),
    dispersion: { errors: NO_DISPERSION, latency: NO_DISPERSION },
    totals: { candidate: nothing, baseline: nothing },
    decided: null,
  };
}

/**
 * The next bake of the same rollout: what speaks against the candidate is carried on (the product of e-values over all bakes is
 * one, so the risk is that of one test), and so is what is known of the old version and of noise, and when warming up ends. That
 * all is well has to be shown anew, for it may be otherwise at a larger share.
 */
export function carryOn(policy: SequentialPolicy, before: SequentialState, at: number, setting: AnalysisSetting): SequentialState {
  const fresh = startSequential(policy, at, setting);
  if (setting.rolloutMs === undefined || isAlone(before.setting) !== isAlone(setting))
    return { ...fresh, streams: carryStreams(before.streams, setting.share) };
  const { bakes, bakedMs, candidateRequests } = before.carried ?? { bakes: 0, bakedMs: 0, candidateRequests: 0 };
  return {
    ...fresh,
    streams: carryStreams(before.streams, setting.share),
    warmUntil: warmUntil(policy, before),
    carried: {
      bakes: bakes + 1,
      bakedMs: bakedMs + (before.countedUntil ?? before.startedAt) - before.startedAt,
      candidateRequests: candidateRequests + before.candidateRequests,
    },
    released: before.released,
    baselines: before.baselines,
    fail: before.fail,
    ...(before.routes === undefined ? {} : { routes: before.routes }),
    dispersion: before.dispersion,
  };
}

export function warmUntil(policy: SequentialPolicy, state: Pick<SequentialState, 'warmUntil' | 'startedAt'>): number {
  return state.warmUntil ?? state.startedAt + policy.initialDelayMs;
}

/** Stake not given out yet counts as 1 in every fail process. */
export function heldBack(state: SequentialState): number {
  return Math.max(0, HELD_BACK - state.released);
}
