import { faultOf } from './arms.ts';
import { clockAfter, clockBehind, isWithinOddLook, nowOf } from './clocks.ts';
import { setBack } from './timeline.ts';
import type { AnalysisPolicy } from './policy.ts';
import { EDGE_SOURCE } from './reading.ts';
import type { ArmCounts, Arms, Judge, Sample, StreamEvidence, Verdict } from './sample.ts';
import { contradictionIn, evidenceOf, holdOf, needsOf, refused, startStreams, watched, type Needs, type Streams } from './streams.ts';
import { isOld, isOutage, type Timeline } from './timeline.ts';

/**
 * A judge behind the streams of numbers that its verdicts rest on. A look whose counters contradict one another never
 * reaches it, nothing passes while a stream that the policy needs is dark, and every verdict carries the streams.
 * `share`: of the requests, that the candidate is to get, 0…1; null: not known.
 */
export function watching<P extends AnalysisPolicy, S extends Timeline>(judge: Judge<P, S>, share: number | null): Judge<P, S, Verdict> {
  return {
    start: (policy, at) => ({ ...judge.start(policy, at), streams: startStreams(share) }),
    observe(policy, given, told) {
      const sample = wanted(policy, told);
      const isOdd = isWithinOddLook(given.clock, sample) && faultOf(sample) === null;
      const state = isOdd ? { ...setBack(given, sample), clock: { ...given.clock, odd: (given.clock.odd ?? 0) + 1 } } : given;
      const { streams, clock } = state;
      const isNew = !isOld(state, sample) && faultOf(sample) === null;
      const fault = isNew ? contradictionIn(streams, sample) : null;
      const next = judge.observe(policy, state, fault === null ? sample : unbelieved(sample, fault));
      if (next === given) {
        const behind = faultOf(sample) === null ? clockBehind(clock, sample, given.startedAt) : clock;
        return behind === clock ? given : { ...given, clock: behind };
      }
      if (next.readable > state.readable)
        return { ...next, streams: watched(streams, sample), clock: clockAfter(clock, sample, state.startedAt, policy.intervalMs) };
      return { ...next, streams: fault !== null && next.unreadable > state.unreadable ? refused(streams, sample) : streams, clock };
    },
    verdict(policy, state, now) {
      const ruling = judge.verdict(policy, state, now);
      const dark = ruling.phase === 'Running' && state.readable > 0 ? holdIn(policy, state, now) : null;
      return {
        ...ruling,
        reason: dark === null ? told(ruling.reason, state) : `${told(ruling.reason, state)}; nothing can pass now: ${dark}`,
        streams: streamsIn(policy, state),
      };
    },
    finish(policy, state, now) {
      const ruling = judge.finish(policy, state, nowOf(state.clock, state.newestDataAt, now));
      const held = ruling.phase === 'Successful' ? holdIn(policy, state, now) : null;
      const reason = told(held ?? ruling.reason, state);
      return { ...ruling, ...(held === null ? {} : { phase: 'Inconclusive' }), reason, streams: streamsIn(policy, state) };
    },
    phase: (policy, state, now) => judge.phase(policy, state, now),
    finalPhase(policy, state, now) {
      const phase = judge.finalPhase(policy, state, nowOf(state.clock, state.newestDataAt, now));
      return phase === 'Successful' && holdIn(policy, state, now) !== null ? 'Inconclusive' : phase;
    },
  };
}

/** The reason, and of a source whose clock jumped that it did: what its looks say then is of another time than they say. */
function told(reason: string, { clock: { odd = 0 } }: Timeline): string {
  return odd === 0
    ? reason
    : `${reason} (${odd === 1 ? 'one look' : `${odd} looks`} told by a clock that was wrong: their time was dropped)`;
}

/** What the policy does not want to be compared is as if it were not told. */
function wanted({ classes, routes }: AnalysisPolicy, sample: Sample): Sample {
  if (classes !== false && routes !== false) return sample;
  const { strata: told, ...whole } = sample;
  const strata = routes === false || told === undefined ? {} : { strata: told };
  if (classes !== false) return { ...whole, ...strata };
  const parts = Object.entries(strata.strata ?? {}).map(([name, arms]) => [name, withoutClasses(arms)] as const);
  return { ...whole, ...withoutClasses(whole), ...(parts.length === 0 ? {} : { strata: Object.fromEntries(parts) }) };
}

function withoutClasses({ candidate, baseline }: Arms): Arms {
  const of = (counts: ArmCounts | null): ArmCounts | null => {
    if (counts === null) return null;
    const { classes: _, ...rest } = counts;
    return rest;
  };
  return { candidate: of(candidate), baseline: of(baseline) };
}

/** A look that contradicts itself, or those before it, is one that could not be read. */
function unbelieved({ fromAt, at }: Sample, error: string): Sample {
  return { fromAt, at, candidate: null, baseline: null, error };
}

function needsIn(policy: AnalysisPolicy, { share }: Streams): Needs {
  return needsOf(policy, share !== null && share >= 1);
}

function holdIn(policy: AnalysisPolicy, { streams, clock, newestDataAt }: Timeline, now: number): string | null {
  return holdOf(streams, needsIn(policy, streams), nowOf(clock, newestDataAt, now));
}

function streamsIn(policy: AnalysisPolicy, { streams }: Timeline): readonly StreamEvidence[] {
  return evidenceOf(streams, needsIn(policy, streams), (policy.source ?? EDGE_SOURCE).kind);
}

/** Whether the metrics are at fault, and not the version: they could not be read, contradict one another, or are dark. It may hold a release, and never puts one back or forward. */
export function isBlind(policy: AnalysisPolicy, state: Timeline, now: number): boolean {
  return isOutage(state) || (state.candidateRequests > 0 && holdIn(policy, state, now) !== null);
}
