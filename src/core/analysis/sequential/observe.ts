import { addCounts, readArms, readSample, type ArmRead, type ArmsRead, type SampleRead } from '../arms.ts';
import type { SequentialPolicy } from '../policy.ts';
import type { ArmCounts, Arms, Sample } from '../sample.ts';
import { addToClasses, classEvidence, NO_CLASSES } from '../classes.ts';
import { watchRoutes } from '../routes.ts';
import { countedTimeline, isOld, isRepeatedError, missed } from '../timeline.ts';
import { learn, UNKNOWN_BASELINE } from './baseline.ts';
import type { Hits } from './binary.ts';
import {
  aboveMedian,
  errorEvidence,
  failLine,
  failureEvidence,
  limitEvidence,
  limitLine,
  NO_HITS,
  partOf,
  slowerEvidence,
  type Part,
} from './block.ts';
import { addTo } from './buckets.ts';
import { disperse, dispersionOf, NO_DISPERSION, type Pair } from './dispersion.ts';
import { cutsOf, type Cuts } from './edges.ts';
import { passing, scaled } from './passing.ts';
import { addToFail, BLOCK_MS, FAILURE_PACE, PACE, releasedBy, startFail, type FailProcess, type Progress } from './process.ts';
import { addStretch } from './recent.ts';
import {
  COARSE,
  failTests,
  isAlone,
  tellsClasses,
  USUAL_BAKE_MS,
  warmUntil,
  type FailTest,
  type SequentialState,
  type Totals,
} from './state.ts';
import { overStrata, summed } from './strata.ts';
import { logSilenceE } from './traffic.ts';
import { decide } from './verdict.ts';

/** The share of a capped block by which looks may come early without starting the next one late. */
const JITTER = 0.05;
const MOST_STRATA = 4;

/** One sample: judged against what is known of the baseline, then added to what is known. */
export function observe(policy: SequentialPolicy, state: SequentialState, sample: Sample): SequentialState {
  const read = readSample(sample);
  if (typeof read === 'string') return unread(state, sample, read);
  if (isOld(state, sample)) return state;
  const strata = strataOf(policy, state, sample, read);
  if (typeof strata === 'string') return unread(state, sample, strata);
  const baselines = learnt(policy, state, sample.at, strata);
  return decide(policy, judge(policy, state, read, strata, baselines), sample.at);
}

function unread(state: SequentialState, sample: Sample, fault: string): SequentialState {
  return isRepeatedError(state, sample) ? state : missed(state, sample, fault);
}

type Strata = readonly (readonly [string, ArmsRead])[];

/** The sample's strata, the unknown ones beyond the policy's number pooled as ''; or why the pool cannot be believed. */
function strataOf(policy: SequentialPolicy, state: SequentialState, sample: Sample, read: SampleRead): Strata | string {
  const most = Math.min(policy.strata, MOST_STRATA);
  if (most <= 0 || sample.strata === undefined || read.strata === null) return [['', read]];
  const known = new Set(Object.keys(state.baselines).filter((name) => name !== ''));
  const own: [string, ArmsRead][] = [];
  let rest: Arms | null = null;
  for (const name of [...read.strata.keys()].toSorted()) {
    const [arms, raw] = [read.strata.get(name), sample.strata[name]];
    if (arms === undefined || raw === undefined) continue;
    if (known.has(name) || (name !== '' && known.size < most)) own.push([known.add(name) && name, arms]);
    else
      rest = rest === null ? raw : { candidate: together(rest.candidate, raw.candidate), baseline: together(rest.baseline, raw.baseline) };
  }
  if (rest === null) return own;
  const pooled = readArms(rest);
  return typeof pooled === 'string' ? pooled : [...own, ['', pooled]];
}

function together(a: ArmCounts | null, b: ArmCounts | null): ArmCounts | null {
  return a === null || b === null ? (a ?? b) : addCounts(a, b);
}

function grainOf(policy: SequentialPolicy): number {
  return policy.strata > 0 ? COARSE : 1;
}

function judge(
  policy: SequentialPolicy,
  state: SequentialState,
  sample: SampleRead,
  strata: Strata,
  baselines: SequentialState['baselines'],
): SequentialState {
  const fresh = state.blockAt === null || sample.fromAt >= state.blockAt + BLOCK_MS * (1 - JITTER);
  const due = fresh ? releasedBy(progressOf(state, sample.fromAt)) : 0;
  const release = Math.max(0, due - state.released);
  const isWarm = sample.fromAt >= warmUntil(policy, state);
  const cuts = cutsFor(policy);
  const parts = strata.map(([name, arms]) => partOf(name, arms, state.baselines[name] ?? UNKNOWN_BASELINE));
  const totals = {
    candidate: addTotals(state.totals.candidate, sample.candidate),
    baseline: addTotals(state.totals.baseline, sample.baseline),
  };
  const isTold = tellsClasses({ totals });
  const dispersion = dispersed(state, cuts, parts, fresh, isTold);
  // A look that brings no request of the candidate frees nothing: the next one that does frees for it too.
  const isEmpty = (sample.candidate?.requests ?? 0) === 0;
  const since = isEmpty ? sample.at : Math.max(state.startedAt, state.newestDataAt ?? sample.fromAt);
  const lasted = { lookMs: sample.at - sample.fromAt, sinceMs: sample.at - since };
  const put = (process: FailProcess, evidence: readonly number[], noise = 1, pace = PACE): FailProcess =>
    addToFail(process, scaled(evidence, Math.max(policy.designEffect, noise)), release, lasted, pace);
  const fail: Record<string, FailProcess> = {};
  for (const test of failTests(policy, state.setting)) {
    // What no source has told is not kept, and routes are kept one by one.
    if (test.name === 'routes' || (test.name === 'classes' && !isTold)) continue;
    const process = state.fail[test.name] ?? startFail(test.alternatives);
    const shown = test.name === 'latency' && !isWarm ? [] : failingEvidence(policy, test, cuts, sample, parts);
    fail[test.name] = put(process, shown, noiseOf(dispersion, test), test.name === 'failures' ? FAILURE_PACE : PACE);
  }
  const noise = Math.max(dispersionOf(dispersion.errors), dispersionOf(dispersion.classes ?? NO_DISPERSION));
  // Strata that all tests tell apart need no test of their own.
  const routes =
    isAlone(state.setting) || policy.strata > 0
      ? undefined
      : watchRoutes(state.routes, sample, (process, evidence) => put(process, evidence, noise));
  const timeline = countedTimeline(state, sample);
  const { pass, hits } = passing(policy, state, { cuts, sample, parts, isWarm, isTold });
  // All fields by name: two copies made by spreading took a tenth of a look.
  return {
    startedAt: timeline.startedAt,
    countedUntil: timeline.countedUntil,
    errorUntil: timeline.errorUntil,
    newestDataAt: timeline.newestDataAt,
    candidateRequests: timeline.candidateRequests,
    readable: timeline.readable,
    unreadable: timeline.unreadable,
    lastError: timeline.lastError,
    streams: timeline.streams,
    clock: timeline.clock,
    judge: state.judge,
    setting: state.setting,
    warmUntil: warmUntil(policy, state),
    ...(state.carried === undefined ? {} : { carried: state.carried }),
    recent: addStretch(state.recent ?? [], { fromAt: sample.fromAt, hits }),
    blockAt: fresh ? sample.fromAt : state.blockAt,
    released: state.released + release,
    baselines,
    fail,
    ...(routes === undefined ? {} : { routes }),
    pass,
    silence: addToFail(state.silence, isWarm ? [silence(state, sample)] : [], release, {
      ...lasted,
      sinceMs: sample.at - (state.countedUntil ?? sample.fromAt),
    }),
    unhealthy: put(state.unhealthy, limitEvidence(limitLine(policy.errors), sample.baseline)),
    dispersion,
    totals,
    decided: state.decided,
  };
}

function progressOf({ setting, carried, startedAt }: SequentialState, at: number): Progress {
  const ofMs = setting.rolloutMs ?? setting.bakeMs ?? USUAL_BAKE_MS;
  const isOne = setting.rolloutMs === undefined;
  return { bakedMs: (carried?.bakedMs ?? 0) + at - startedAt, ofMs, bake: (carried?.bakes ?? 0) + 1, bakes: isOne ? 1 : setting.bakes };
}

/** Failures in such numbers are told from noise by their line. */
function noiseOf({ errors, latency, classes }: SequentialState['dispersion'], { name }: FailTest): number {
  if (name === 'failures') return 1;
  const of = name === 'latency' ? latency : name === 'classes' ? classes : errors;
  return of === undefined ? 1 : dispersionOf(of);
}

/** Asked for at every look, and the same for every bake of a policy. */
const cutsOfPolicy = new WeakMap<SequentialPolicy, Cuts>();

function cutsFor(policy: SequentialPolicy): Cuts | null {
  if (policy.latency === null) return null;
  const known = cutsOfPolicy.get(policy);
  if (known !== undefined) return known;
  const cuts = cutsOf(policy.latency, grainOf(policy));
  cutsOfPolicy.set(policy, cuts);
  return cuts;
}

function dispersed(
  state: SequentialState,
  cuts: Cuts | null,
  parts: readonly Part[],
  fresh: boolean,
  isTold: boolean,
): SequentialState['dispersion'] {
  const { errors, latency, classes = NO_DISPERSION } = state.dispersion;
  return {
    errors: disperse(errors, summed(parts, hitsOf), fresh),
    latency: disperse(
      latency,
      summed(parts, (part) => aboveMedian(cuts, part)),
      fresh,
    ),
    ...(isTold ? { classes: disperse(classes, summed(parts, ofCompared), fresh) } : {}),
  };
}

/** Answers of all the classes compared. */
function ofCompared({ arms: { candidate, baseline } }: Part): Pair {
  return { candidate: comparedHits(candidate), baseline: comparedHits(baseline) };
}

function hitsOf(part: Part): Pair {
  return part.hits;
}

function failingEvidence(
  policy: SequentialPolicy,
  test: FailTest,
  cuts: Cuts | null,
  sample: SampleRead,
  parts: readonly Part[],
): readonly number[] {
  if (test.name === 'limit') return limitEvidence(limitLine(policy.errors), sample.candidate);
  if (test.name === 'latency' && cuts !== null) return overStrata(parts, test.alternatives, (part) => slowerEvidence(cuts, part));
  if (test.name === 'classes') return overStrata(parts, test.alternatives, classesOf);
  if (test.name === 'failures') return overStrata(parts, test.alternatives, failureEvidence);
  const line = failLine(policy.errors);
  return overStrata(parts, test.alternatives, (part) => errorEvidence(line, part));
}

function comparedHits(arm: ArmRead | null): Hits {
  const { n, of } = addToClasses(NO_CLASSES, arm);
  return n === 0 ? NO_HITS : { n, k: of.reduce((sum, count) => sum + count, 0) };
}

function classesOf({ arms, known }: Part): readonly number[] {
  return classEvidence(arms, known.classes ?? NO_CLASSES);
}

function silence(state: SequentialState, sample: SampleRead): number {
  const { share } = state.setting;
  return share === null ? 0 : logSilenceE(share, sample.candidate?.requests ?? 0, sample.baseline?.requests ?? 0);
}

function addTotals(totals: Totals, counts: ArmRead | null): Totals {
  if (counts === null) return totals;
  const { requests, errors, latency } = counts;
  const known = totals.classes ?? (counts.classes === null ? undefined : NO_CLASSES);
  return {
    requests: totals.requests + requests,
    errors: totals.errors + errors,
    latency: addTo(totals.latency, latency, COARSE, 1),
    ...(known === undefined ? {} : { classes: addToClasses(known, counts) }),
  };
}

/** What is known of the strata after the sample. */
function learnt(policy: SequentialPolicy, state: SequentialState, at: number, strata: Strata): SequentialState['baselines'] {
  const baselines = { ...state.baselines };
  for (const [name, { baseline }] of strata)
    if (baseline !== null) baselines[name] = learn(state.baselines[name] ?? UNKNOWN_BASELINE, at, baseline, grainOf(policy));
  return baselines;
}
