import {
  addTimed,
  isComparable,
  NO_RESTARTS,
  NO_TIMED,
  restartFault,
  restartsAfter,
  splitFault,
  surgeFault,
  timedOf,
  latelyAfter,
  failingFault,
  NO_LATELY,
  swapFault,
  tempoFault,
  tooFewTimed,
  tooManyTimed,
  whose,
  type Lately,
  type Restarts,
  type Timed,
} from './plausible.ts';
import type { AnalysisPolicy } from './policy.ts';
import { isQuiet, NO_QUIET, quietAfter, type Quiet } from './quiet.ts';
import type { ArmName, Sample, StreamEvidence, StreamMeasure } from './sample.ts';

const ARMS: readonly ArmName[] = ['candidate', 'baseline'];
const CANDIDATE: readonly ArmName[] = ['candidate'];
const MEASURES: readonly StreamMeasure[] = ['requests', 'errors', 'latency'];

/** Looks without a sign of life from which a stream is dark… */
const DARK_LOOKS = 2;
/** …and what has to be missing for chance not to explain it: none of 12 expected comes about once in 160,000 times. */
const DARK_FLOW = 12;
/** Share of an arm's requests that may lie in looks with too few latencies, which are judged all the same. */
const UNTIMED_TOLERATED = 0.1;

/** What is kept of one stream. */
interface Stream {
  /** What it has brought. Of errors: requests whose errors the source vouches for, were there any or none. */
  readonly count: number;
  /** End of the oldest and of the newest look that brought any; null: none did. */
  readonly from: number | null;
  readonly until: number | null;
  /** Looks since then that ought to have brought some, and how much in all; left out: none. */
  readonly dark?: { readonly looks: number; readonly flow: number };
}

interface Arm {
  readonly requests: Stream;
  /** Null: as of the requests, for every one is vouched for, and has a latency. A number: so many, over the same time as those. */
  readonly errors: Stream | number | null;
  readonly latency: Stream | number | null;
  /** Of looks too small to be compared alone: their requests, and the latencies of those. */
  readonly open?: Timed;
  readonly restarts?: Restarts;
  /** What contradicts in its newest counters; left out: nothing. */
  readonly contradiction?: string;
  /** Requests judged of which too few had a latency; left out: none. */
  readonly untimed?: number;
  /** How often its errors come; left out: none was seen. */
  readonly quiet?: Quiet;
}

/** Whether the numbers that an analysis rests on are fresh, and agree with one another. Plain JSON, kept beside the judge's state. */
export interface Streams {
  /** Share of the requests that the candidate is to get, 0…1; null: not known. */
  readonly share: number | null;
  readonly candidate: Arm;
  readonly baseline: Arm;
  /** What the newest looks had, older ones counting less. */
  readonly lately: readonly [candidate: Lately, baseline: Lately];
  /** Requests of both by ms, as the bake before this one had them; left out: there was none. */
  readonly perMs?: number;
  /** What has been counted as evidence before it was found to contradict: no later look takes that back. */
  readonly spoilt?: string;
}

const NOT_DARK = { looks: 0, flow: 0 };
const NO_STREAM: Stream = { count: 0, from: null, until: null };
const NO_ARM: Arm = {
  requests: NO_STREAM,
  errors: null,
  latency: null,
};

export function startStreams(share: number | null): Streams {
  return { share, candidate: NO_ARM, baseline: NO_ARM, lately: [NO_LATELY, NO_LATELY] };
}

/** The streams of the next bake of a rollout: each has to show that it lives, and what is usual of its numbers is known. */
export function carryStreams(before: Streams, share: number | null): Streams {
  const perMs = perMsOf(before);
  const of = ({ quiet }: Arm): Arm => (quiet === undefined ? NO_ARM : { ...NO_ARM, quiet });
  return {
    ...startStreams(share),
    candidate: of(before.candidate),
    baseline: of(before.baseline),
    ...(perMs === null ? {} : { perMs }),
  };
}

function perMsOf({ candidate, baseline, perMs }: Streams): number | null {
  const of = ({ requests: { count, from, until } }: Arm) =>
    from === null || until === null || until <= from ? null : count / (until - from);
  const [mine, theirs] = [of(candidate), of(baseline)];
  return mine === null || theirs === null ? (perMs ?? null) : rounded(mine + theirs);
}

/** Why a look that can be read cannot be believed, after those before it; null when it can. It is no evidence then, good or bad. */
export function contradictionIn(streams: Streams, sample: Sample): string | null {
  return faultIn(streams, sample, 'candidate') ?? faultIn(streams, sample, 'baseline');
}

function faultIn(streams: Streams, sample: Sample, arm: ArmName): string | null {
  const counts = sample[arm];
  if (counts === null) return null;
  const usual = usualIn(streams, arm, sample);
  return (
    swapFault(sample, arm, usual) ??
    restartFault(streams[arm].restarts ?? NO_RESTARTS, sample, arm, usual) ??
    surgeFault(arm, counts.requests, usual, busyness(streams, sample, arm)) ??
    tooManyTimed(arm, timedOf(counts))
  );
}

/** How many times its usual requests the other arm has in a look; 1 where that is not known. */
function busyness(streams: Streams, sample: Sample, arm: ArmName): number {
  const other = arm === 'candidate' ? 'baseline' : 'candidate';
  const usual = usualIn(streams, other, sample);
  return usual === null || usual <= 0 ? 1 : Math.max(1, (sample[other]?.requests ?? 0) / usual);
}

/** Requests that a look as long as this one usually has; null: not known. */
function usualIn(streams: Streams, arm: ArmName, { fromAt, at }: Sample): number | null {
  const { count, from, until } = streams[arm].requests;
  if (from !== null && until !== null && until > from) return (count * (at - fromAt)) / (until - from);
  const { share, perMs } = streams;
  return share === null || perMs === undefined ? null : perMs * (arm === 'candidate' ? share : 1 - share) * (at - fromAt);
}

/** The streams after a look that contradicts: what it told of restarts is kept, so that the next ones are known for what they are. */
export function refused(streams: Streams, sample: Sample): Streams {
  const of = (arm: ArmName): Arm => {
    const before = streams[arm];
    const restarts = restartsAfter(before.restarts, sample, arm);
    const contradiction = faultIn(streams, sample, arm) ?? before.contradiction;
    return { ...before, ...(restarts === undefined ? {} : { restarts }), ...(contradiction === undefined ? {} : { contradiction }) };
  };
  const spoilt = streams.spoilt ?? (ARMS.some((arm) => isSpoiltBy(streams, sample, arm)) ? contradictionIn(streams, sample) : null);
  return { ...streams, candidate: of('candidate'), baseline: of('baseline'), ...(spoilt === null ? {} : { spoilt }) };
}

/** What no later look takes back: counters that are not those of one source, or of another one than before. */
function isSpoiltBy(streams: Streams, sample: Sample, arm: ArmName): boolean {
  const usual = usualIn(streams, arm, sample);
  const requests = sample[arm]?.requests ?? 0;
  return (
    swapFault(sample, arm, usual) !== null ||
    restartFault(streams[arm].restarts ?? NO_RESTARTS, sample, arm, null) !== null ||
    surgeFault(arm, requests, usual, busyness(streams, sample, arm)) !== null
  );
}

/** The streams after a look that the judge has taken. */
export function watched(streams: Streams, sample: Sample): Streams {
  return {
    share: streams.share,
    candidate: armAfter(streams, sample, 'candidate'),
    baseline: armAfter(streams, sample, 'baseline'),
    lately: [latelyAfter(streams.lately[0], sample.candidate), latelyAfter(streams.lately[1], sample.baseline)],
    ...(streams.perMs === undefined ? {} : { perMs: streams.perMs }),
    ...(streams.spoilt === undefined ? {} : { spoilt: streams.spoilt }),
  };
}

function armAfter(streams: Streams, sample: Sample, arm: ArmName): Arm {
  const before = streams[arm];
  const counts = sample[arm];
  const { requests, errors, timed } = counts === null ? NO_TIMED : timedOf(counts);
  const others = sample[arm === 'candidate' ? 'baseline' : 'candidate']?.requests ?? 0;
  const isVouched = counts?.unknown?.includes('errors') !== true;
  const open = addTimed(before.open ?? NO_TIMED, { requests, errors, timed });
  const isDue = isComparable(open);
  const tooFew = tooFewTimed(arm, open);
  const tooMany = tooManyTimed(arm, open);
  const restarts = restartsAfter(before.restarts, sample, arm);
  const contradiction = isDue ? (tooFew ?? tooMany) : (before.contradiction ?? null);
  const untimed = (before.untimed ?? 0) + (tooFew === null ? 0 : open.requests);
  const all = streamAfter(before.requests, requests, sample.at, expectedOf(streams, arm, others));
  const quiet = counts === null || !isVouched ? before.quiet : quietAfter(before.quiet ?? NO_QUIET, requests, errors);
  const orAll = (stream: Stream) => {
    if (stream.from !== all.from || stream.until !== all.until || (stream.dark?.looks ?? 0) > 0) return stream;
    return stream.count === all.count ? null : stream.count;
  };
  return {
    requests: all,
    errors: orAll(streamAfter(streamOf(before, 'errors'), isVouched ? requests : 0, sample.at, requests)),
    latency: orAll(streamAfter(streamOf(before, 'latency'), timed, sample.at, requests - errors)),
    ...(isDue || open.requests === 0 ? {} : { open }),
    ...(restarts === undefined ? {} : { restarts }),
    ...(contradiction === null ? {} : { contradiction }),
    ...(untimed === 0 ? {} : { untimed }),
    ...(quiet === undefined || quiet[0] === 0 ? {} : { quiet }),
  };
}

function streamOf(arm: Arm, measure: StreamMeasure): Stream {
  const own = arm[measure];
  return typeof own === 'object' && own !== null ? own : { ...arm.requests, count: own ?? arm.requests.count, dark: NOT_DARK };
}

function streamAfter(stream: Stream, brought: number, at: number, expected: number): Stream {
  if (brought > 0) return { count: stream.count + brought, from: stream.from ?? at, until: at };
  const { looks, flow } = stream.dark ?? NOT_DARK;
  return expected > 0 ? { ...stream, dark: { looks: looks + 1, flow: rounded(flow + expected) } } : stream;
}

/** More digits would say nothing, and the state is kept in the log of a release. */
function rounded(count: number): number {
  return Number(count.toPrecision(6));
}

/** Requests that an arm would have had while the other had `others`, as they are split by what was asked, or were until now. */
function expectedOf(streams: Streams, arm: ArmName, others: number): number {
  const { share } = streams;
  const isCandidate = arm === 'candidate';
  if (share !== null) {
    const mine = isCandidate ? share : 1 - share;
    return mine > 0 && mine < 1 ? (others * mine) / (1 - mine) : 0;
  }
  const mine = streams[arm].requests.count;
  const theirs = (isCandidate ? streams.baseline : streams.candidate).requests.count;
  return mine > 0 && theirs > 0 ? (others * mine) / theirs : 0;
}

/** Which streams a pass rests on, beside the candidate's requests. */
export interface Needs {
  readonly baseline: boolean;
  readonly errors: boolean;
  readonly latency: boolean;
}

/** `isAlone`: all traffic is the candidate's, so there is nothing to compare with. */
export function needsOf(policy: AnalysisPolicy, isAlone: boolean): Needs {
  if (policy.judge === 'sequential') return { baseline: !isAlone, errors: true, latency: policy.latency !== null && !isAlone };
  const measured = new Set(policy.metrics.filter(({ dryRun }) => !dryRun).map(({ measure }) => measure.kind));
  return { baseline: isCompared(policy), errors: measured.has('errorRate'), latency: measured.has('latency') };
}

function isCompared(policy: Exclude<AnalysisPolicy, { judge: 'sequential' }>): boolean {
  if (policy.judge === 'kayenta') return true;
  return policy.metrics.some(({ dryRun, success, failure }) => !dryRun && (success?.of === 'ratio' || failure?.of === 'ratio'));
}

function neededOf({ baseline, errors, latency }: Needs): { readonly arm: ArmName; readonly measure: StreamMeasure }[] {
  const measures = MEASURES.filter((one) => one === 'requests' || (one === 'errors' ? errors : latency));
  return (baseline ? ARMS : CANDIDATE).flatMap((arm) => measures.map((measure) => ({ arm, measure })));
}

/** Why nothing may pass on these streams, in one sentence that names the one at fault; null: what is needed is fresh and agrees. */
export function holdOf(streams: Streams, needs: Needs, now: number): string | null {
  const contradiction = streams.spoilt ?? contradictionOf(streams.candidate, 'candidate') ?? contradictionOf(streams.baseline, 'baseline');
  if (contradiction !== null) return contradiction;
  for (const { arm, measure } of neededOf(needs)) {
    // How long the candidate may be without requests is for `missingEvidence` to say, which knows what that means to the policy.
    if (arm === 'candidate' && measure === 'requests' && streams.candidate.requests.count > 0) continue;
    const dark = darkness(streamOf(streams[arm], measure), arm, measure, now);
    if (dark !== null) return dark;
  }
  const [candidate, baseline] = streams.lately;
  return (
    (needs.errors ? quietOf(streams, needs) : null) ??
    (needs.baseline && needs.errors ? failingFault(baseline) : null) ??
    (needs.baseline && needs.latency ? tempoFault(candidate, baseline) : null) ??
    (needs.baseline ? splitFault(streams.share, candidate[0], baseline[0]) : null)
  );
}

function quietOf(streams: Streams, { baseline }: Needs): string | null {
  const arm = (baseline ? ARMS : CANDIDATE).find((one) => isQuiet(streams[one].quiet ?? NO_QUIET));
  if (arm === undefined) return null;
  const [, , longest, since] = streams[arm].quiet ?? NO_QUIET;
  return `errors of ${whose(arm)} came at least about every ${longest} requests, and there is none in its newest ${since}: the counter of errors seems to have stopped`;
}

function contradictionOf({ contradiction, untimed = 0, requests }: Arm, arm: ArmName): string | null {
  if (contradiction !== undefined) return contradiction;
  if (untimed <= requests.count * UNTIMED_TOLERATED) return null;
  return `latencies are missing of much of what ${whose(arm)} answered: ${untimed} of ${requests.count} requests lie in looks with too few of them`;
}

function darkness(stream: Stream, arm: ArmName, measure: StreamMeasure, now: number): string | null {
  const { count, from, until, dark = NOT_DARK } = stream;
  const name = `${measure === 'latency' ? 'latencies' : measure} of ${whose(arm)}`;
  if (count === 0 || from === null || until === null) return neverSeen(measure, name);
  if (dark.looks < DARK_LOOKS || dark.flow < DARK_FLOW) return null;
  const seen = `${count} counted from ${timeOf(from)} to ${timeOf(until)}`;
  return `the ${name} have been dark for ${Math.round((now - until) / 1000)} s and ${dark.looks} looks, in which about ${Math.round(dark.flow)} were to be expected (${seen})`;
}

function neverSeen(measure: StreamMeasure, name: string): string {
  return measure === 'errors'
    ? `nothing shows that ${name} are counted at all: the source has no such series, which is not the same as no errors`
    : `no ${name} were ever seen`;
}

function timeOf(at: number): string {
  return new Date(at).toISOString().slice(11, 19);
}

/** The streams that a verdict rests on, with what each has brought: of whom, from where, how much, and from when to when. */
export function evidenceOf(streams: Streams, needs: Needs, source: string): StreamEvidence[] {
  return neededOf(needs).map(({ arm, measure }) => {
    const { count, from, until } = streamOf(streams[arm], measure);
    return { arm, measure, source, count, oldestAt: from, freshestAt: until };
  });
}
