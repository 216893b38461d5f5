import { addCounts, readArms, readSample, type ArmRead, type ArmsRead, type SampleRead } from '../arms.ts';
import type { SequentialPolicy } from '../policy.ts';
import type { ArmCounts, Arms, Sample } from '../sample.ts';
import { countedTimeline, isOld, isRepeatedError, isTooEarly, missed } from '../timeline.ts';
import { learn, UNKNOWN_BASELINE } from './baseline.ts';
import type { Hits } from './binary.ts';
import {
  aboveMedian,
  belowLimit,
  BETTER_STAKES,
  errorEvidence,
  errorHits,
  errorsWithin,
  failLine,
  limitEvidence,
  limitLine,
  NO_HITS,
  partOf,
  passLine,
  quantileEvidence,
  slowerEvidence,
  type Part,
} from './block.ts';
import { addTo } from './buckets.ts';
import type { Outlook } from './deadline.ts';
import { disperse, dispersionOf, type Pair } from './dispersion.ts';
import { cutsOf, type Cuts } from './edges.ts';
import { addToFail, addToPass, BLOCK_MS, releasedBy, type FailProcess } from './process.ts';
import {
  COARSE,
  failTests,
  passNeeded,
  passTests,
  USUAL_BAKE_MS,
  type FailTest,
  type PassCount,
  type PassTest,
  type SequentialState,
  type Totals,
} from './state.ts';
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
  if (isTooEarly(policy, state, sample.fromAt)) return { ...state, countedUntil: sample.at, baselines };
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
  const due = fresh ? releasedBy(sample.fromAt - state.startedAt, state.setting.bakeMs ?? USUAL_BAKE_MS) : 0;
  const release = Math.max(0, due - state.released);
  const cuts = cutsFor(policy);
  const parts = strata.map(([name, arms]) => partOf(name, arms, state.baselines[name] ?? UNKNOWN_BASELINE));
  const dispersion = dispersed(state, cuts, parts, fresh);
  const put = (process: FailProcess, evidence: readonly number[], noise = 1): FailProcess =>
    addToFail(process, scaled(evidence, Math.max(policy.designEffect, noise)), release, fresh);
  const fail: Record<string, FailProcess> = {};
  for (const test of failTests(policy, state.setting)) {
    const process = state.fail[test.name];
    if (process === undefined) continue;
    const noise = dispersionOf(test.name === 'latency' ? dispersion.latency : dispersion.errors);
    fail[test.name] = put(process, failingEvidence(policy, test, cuts, sample, parts), noise);
  }
  const timeline = countedTimeline(state, sample);
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
    blockAt: fresh ? sample.fromAt : state.blockAt,
    released: state.released + release,
    baselines,
    fail,
    pass: passing(policy, state, cuts, sample, parts),
    silence: put(state.silence, [silence(state, sample)]),
    unhealthy: put(state.unhealthy, limitEvidence(limitLine(policy.errors), sample.baseline)),
    dispersion,
    totals: { candidate: addTotals(state.totals.candidate, sample.candidate), baseline: addTotals(state.totals.baseline, sample.baseline) },
    decided: state.decided,
  };
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

function scaled(evidence: readonly number[], by: number): readonly number[] {
  return by > 1 ? evidence.map((log) => log / by) : evidence;
}

function dispersed(state: SequentialState, cuts: Cuts | null, parts: readonly Part[], fresh: boolean): SequentialState['dispersion'] {
  return {
    errors: disperse(state.dispersion.errors, summed(parts, hitsOf), fresh),
    latency: disperse(
      state.dispersion.latency,
      summed(parts, (part) => aboveMedian(cuts, part)),
      fresh,
    ),
  };
}

function hitsOf(part: Part): Pair {
  return part.hits;
}

function summed<T>(parts: readonly T[], of: (part: T) => Pair): Pair {
  const [only] = parts;
  if (parts.length === 1 && only !== undefined) return of(only);
  let candidate = NO_HITS;
  let baseline = NO_HITS;
  for (const part of parts) {
    const hits = of(part);
    candidate = plus(candidate, hits.candidate);
    baseline = plus(baseline, hits.baseline);
  }
  return { candidate, baseline };
}

/** Log-evidence of all strata together: products of e-variables of separate requests. */
function overStrata<T>(parts: readonly T[], alternatives: number, of: (part: T) => readonly number[]): readonly number[] {
  const [only] = parts;
  if (parts.length === 1 && only !== undefined) return of(only);
  const sum = new Array<number>(alternatives).fill(0);
  for (const part of parts) for (const [g, log] of of(part).entries()) sum[g] = (sum[g] as number) + log;
  return sum;
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
  const line = failLine(policy.errors);
  return overStrata(parts, test.alternatives, (part) => errorEvidence(line, part));
}

function passing(
  policy: SequentialPolicy,
  state: SequentialState,
  cuts: Cuts | null,
  sample: SampleRead,
  parts: readonly Part[],
): Record<string, PassCount> {
  const needed = passNeeded(policy);
  const next: Record<string, PassCount> = {};
  for (const test of passTests(policy, state.setting)) {
    const before = state.pass[test.name];
    if (before === undefined) continue;
    const shown = passingEvidence(policy, state, test, cuts, sample, parts, outlookOf(policy, state, before, sample));
    const { log, crossedAt, crossedWith } = addToPass(before, scaled(shown.evidence, policy.designEffect), sample.at, needed);
    const candidate = plus(before.candidate, shown.candidate);
    const baseline = plus(before.baseline, shown.baseline);
    next[test.name] = { log, crossedAt, crossedWith, candidate, baseline };
  }
  return next;
}

/** What the bold bet has and needs, and the candidate requests that will come if they go on as they have. */
function outlookOf(policy: SequentialPolicy, state: SequentialState, test: PassCount, sample: SampleRead): Outlook {
  const judgedFor = sample.fromAt - state.startedAt - policy.initialDelayMs;
  const left = state.startedAt + (state.setting.bakeMs ?? USUAL_BAKE_MS) - sample.fromAt;
  const coming = judgedFor > 0 && left > 0 ? (state.candidateRequests * left) / judgedFor : 0;
  const stake = Math.log(BETTER_STAKES[0] ?? 1);
  return { has: test.log[0] ?? stake, needs: passNeeded(policy), judged: test.candidate.n, coming };
}

function passingEvidence(
  policy: SequentialPolicy,
  state: SequentialState,
  test: PassTest,
  cuts: Cuts | null,
  sample: SampleRead,
  parts: readonly Part[],
  outlook: Outlook,
): Pair & { readonly evidence: readonly number[] } {
  const { quantile } = test;
  if (quantile === null || cuts === null) {
    const candidate = errorHits(sample.candidate);
    const baseline = errorHits(sample.baseline);
    if (test.name === 'limit') {
      const { requests: n, errors: k } = state.totals.baseline;
      return { evidence: belowLimit(limitLine(policy.errors), { n, k }, candidate, outlook), candidate, baseline };
    }
    const line = passLine(policy.errors);
    return { evidence: overStrata(parts, BETTER_STAKES.length, (part) => errorsWithin(line, part, outlook)), candidate, baseline };
  }
  const [only] = parts;
  if (parts.length === 1 && only !== undefined) return quantileEvidence(cuts, only, quantile, outlook);
  const each = parts.map((part) => quantileEvidence(cuts, part, quantile, outlook));
  const evidence = overStrata(each, BETTER_STAKES.length, (part) => part.evidence);
  return { evidence, ...summed(each, (part) => part) };
}

function plus(a: Hits, b: Hits): Hits {
  return { n: a.n + b.n, k: a.k + b.k };
}

function silence(state: SequentialState, sample: SampleRead): number {
  const { share } = state.setting;
  return share === null ? 0 : logSilenceE(share, sample.candidate?.requests ?? 0, sample.baseline?.requests ?? 0);
}

function addTotals(totals: Totals, counts: ArmRead | null): Totals {
  if (counts === null) return totals;
  const { requests, errors, latency } = counts;
  return { requests: totals.requests + requests, errors: totals.errors + errors, latency: addTo(totals.latency, latency, COARSE, 1) };
}

/** What is known of the strata after the sample. */
function learnt(policy: SequentialPolicy, state: SequentialState, at: number, strata: Strata): SequentialState['baselines'] {
  const baselines = { ...state.baselines };
  for (const [name, { baseline }] of strata)
    if (baseline !== null) baselines[name] = learn(state.baselines[name] ?? UNKNOWN_BASELINE, at, baseline, grainOf(policy));
  return baselines;
}
