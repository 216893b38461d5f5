import { faultOf } from './arms.ts';
import { NO_CLOCK, type SampleClock } from './clocks.ts';
import type { AnalysisPolicy } from './policy.ts';
import type { AnalysisPhase, Sample } from './sample.ts';
import { startStreams, type Streams } from './streams.ts';

/** What any judge keeps of the samples themselves: which were counted, and how fresh they are. */
export interface Timeline {
  readonly startedAt: number;
  /** End of the newest block counted; an older or overlapping one is never counted again. */
  readonly countedUntil: number | null;
  /** End of the newest error sample counted. */
  readonly errorUntil: number | null;
  /** End of the newest judged block in which the candidate answered anything. */
  readonly newestDataAt: number | null;
  /** Judged candidate requests. */
  readonly candidateRequests: number;
  /** Samples that could be read, and that could not. */
  readonly readable: number;
  readonly unreadable: number;
  readonly lastError: string | null;
  /** Whether the numbers are fresh and agree, and the clock that they are told by. Kept by `watching` alone. */
  readonly streams: Streams;
  readonly clock: SampleClock;
}

export function startTimeline(at: number): Timeline {
  return {
    startedAt: at,
    countedUntil: null,
    errorUntil: null,
    newestDataAt: null,
    candidateRequests: 0,
    readable: 0,
    unreadable: 0,
    lastError: null,
    streams: startStreams(null),
    clock: NO_CLOCK,
  };
}

/** Judged already, in whole or in part, or from before this analysis: one sample is judged once. */
export function isOld(timeline: Timeline, sample: Sample): boolean {
  return (
    sample.at <= sample.fromAt ||
    sample.at <= timeline.startedAt ||
    (timeline.countedUntil !== null && sample.fromAt < timeline.countedUntil)
  );
}

export function isRepeatedError(timeline: Timeline, sample: Sample): boolean {
  return timeline.errorUntil !== null && sample.at <= timeline.errorUntil;
}

/** Whether `at` lies in the first moments of a bake that are not judged. */
function isTooEarly(policy: AnalysisPolicy, timeline: Timeline, at: number): boolean {
  return policy.initialDelayMs > 0 && at < timeline.startedAt + policy.initialDelayMs;
}

/** What a timeline asks of a sample. */
interface CountedSample {
  readonly at: number;
  readonly candidate: { readonly requests: number } | null;
}

/** The timeline after a readable, judged sample, with all else that is kept beside it. */
function counted<T extends Timeline>(timeline: T, sample: CountedSample): T {
  return { ...timeline, ...countedTimeline(timeline, sample) };
}

/** The timeline alone after such a sample. */
export function countedTimeline(timeline: Timeline, sample: CountedSample): Timeline {
  const requests = sample.candidate?.requests ?? 0;
  return {
    startedAt: timeline.startedAt,
    countedUntil: sample.at,
    errorUntil: timeline.errorUntil,
    newestDataAt: requests > 0 ? sample.at : timeline.newestDataAt,
    candidateRequests: timeline.candidateRequests + requests,
    readable: timeline.readable + 1,
    unreadable: timeline.unreadable,
    lastError: timeline.lastError,
    streams: timeline.streams,
    clock: timeline.clock,
  };
}

/** The timeline after a sample that could not be read, or not believed. */
export function missed<T extends Timeline>(timeline: T, sample: Sample, fault: string): T {
  return {
    ...timeline,
    errorUntil: Number.isFinite(sample.at) ? sample.at : timeline.errorUntil,
    unreadable: timeline.unreadable + 1,
    lastError: fault,
  };
}

/** What a judge makes of a sample that counts, and of one that could not be read, or not believed. */
export interface Taking<T extends Timeline> {
  read(taken: T): T;
  unread(taken: T, fault: string): T;
}

/** The timeline after a sample: as it was where the sample is old, or from before anything is judged. */
export function taken<T extends Timeline>(policy: AnalysisPolicy, timeline: T, sample: Sample, { read, unread }: Taking<T>): T {
  const fault = faultOf(sample);
  if (fault === null)
    return isOld(timeline, sample) || isTooEarly(policy, timeline, sample.fromAt) ? timeline : read(counted(timeline, sample));
  if (isRepeatedError(timeline, sample) || isTooEarly(policy, timeline, sample.at)) return timeline;
  return unread(missed(timeline, sample, fault), fault);
}

/** Too little to pass anything on, in one sentence, and the phase it means; null when it is enough. */
export function missingEvidence(
  policy: AnalysisPolicy,
  timeline: Timeline,
  now: number,
): { readonly phase: AnalysisPhase; readonly reason: string } | null {
  const { candidateRequests: requests, newestDataAt } = timeline;
  const ageMs = newestDataAt === null ? Infinity : now - newestDataAt;
  // A metrics outage says nothing about the release: it may hold it, but never puts it back.
  if (isOutage(timeline) && ageMs > 2 * policy.intervalMs)
    return { phase: 'Inconclusive', reason: `the metrics could not be read: ${timeline.lastError}` };
  const phase = isOutage(timeline) ? 'Inconclusive' : noDataPhase(policy);
  const needed = Math.max(1, policy.minRequests);
  if (timeline.readable === 0) return { phase, reason: 'nothing was measured before the bake ended' };
  if (requests === 0) return { phase, reason: 'no request reached the new version' };
  if (requests < needed) return { phase, reason: `only ${requests} of ${needed} requests needed reached the new version` };
  if (Math.abs(ageMs) <= 2 * policy.intervalMs) return null;
  if (ageMs < 0) return { phase, reason: 'the newest sample lies in the future: the clocks of edge and control plane disagree' };
  return { phase, reason: `no request reached the new version in the last ${Math.round(ageMs / 1000)} s, so nothing says how it is now` };
}

export function noDataPhase(policy: AnalysisPolicy): 'Failed' | 'Inconclusive' {
  return policy.noData === 'fail' ? 'Failed' : 'Inconclusive';
}

/** The newest thing heard of the source is that it could not be read. */
export function isOutage(timeline: Timeline): boolean {
  if (timeline.unreadable === 0) return false;
  return timeline.countedUntil === null || (timeline.errorUntil ?? -Infinity) > timeline.countedUntil;
}

/** `1 request`, `20 requests`. */
export function countOf(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}

/** The timeline set back to where such a look begins. */
export function setBack<T extends Timeline>(timeline: T, { fromAt }: Sample): T {
  const { newestDataAt } = timeline;
  return { ...timeline, countedUntil: fromAt, newestDataAt: newestDataAt === null ? null : Math.min(newestDataAt, fromAt) };
}
