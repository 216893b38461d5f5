import type { ArmRead, ArmsRead } from '../arms.ts';
import { classHits, CLASS_PASS, COMPARED, NO_CLASSES, predictedShare, type ComparedClass } from '../classes.ts';
import type { ErrorTests } from '../policy.ts';
import { inRequests, knowsLatency, LEAST_HISTORY, predictedErrorRate, type Baseline } from './baseline.ts';
import { alternative, logBinaryE, logOddsE, type Hits, type Line, type Shares } from './binary.ts';
import type { Pair } from './dispersion.ts';
import { boldAlternative, type Outlook } from './deadline.ts';
import { scaleOdds } from './numbers.ts';
import { countOf, countsIn, indexesAt, upToEdge } from './buckets.ts';
import { baselineEdge, failEdge, passEdge, type Cuts } from './edges.ts';
import { orderedEvidence, TILTS } from './ordered.ts';

/** Odds ratios beyond the line of failures so many that nothing need be waited for. */
export const FAILURE_ODDS: readonly number[] = [3, 20, 500];
const FAILURES: Line = { slope: 2, shift: 0.2 };
/** Rate of errors that is guessed where too little of the old version was seen. */
const USUAL_ERRORS = 0.001;
/** Odds ratios of the alternatives: worse… */
export const WORSE_ODDS: readonly number[] = [1.15, 1.3, 1.6, 2, 3, 6, 15, 60];
/** What is bet on each: little on what would need more requests than a bake has. */
export const WORSE_STAKES: readonly number[] = [0.04, 0.06, 0.12, 0.13, 0.2, 0.2, 0.15, 0.1];
/** …and better than a line. */
export const BETTER_ODDS: readonly number[] = [1 / 1.2, 1 / 1.4, 1 / 1.8, 1 / 3, 1 / 8, 1 / 40];
/** What a pass test bets on: a bold bet for the end of the bake, a candidate just like the baseline, and the odds ratios. */
export const BETTER_STAKES: readonly number[] = [0.96, 0.025, ...BETTER_ODDS.map(() => 0.015 / BETTER_ODDS.length)];
/** Stands in where nothing better is known of what to expect. */
const USUAL_BETTER = 1 / 3;

/** Baseline quantiles at which latencies are cut into ordered categories. */
const LEVELS: readonly number[] = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.97, 0.98, 0.99, 0.995];

export function failLine(errors: ErrorTests): Line {
  return { slope: errors.failRatio, shift: errors.failMargin };
}

export function passLine(errors: ErrorTests): Line {
  return { slope: errors.passRatio, shift: errors.passMargin };
}

export function limitLine(errors: ErrorTests): Line {
  return { slope: 0, shift: errors.limit };
}

/** A latency quantile passes when the candidate is beyond the moved edge less often than the baseline beyond its own. */
export const LATENCY_LINE: Line = { slope: 1, shift: 0 };

/** One stratum of a sample, and what is known of it beforehand. */
export interface Part {
  readonly name: string;
  readonly arms: ArmsRead;
  /** Errors. */
  readonly hits: Pair;
  readonly known: Baseline;
  /** Bucket of the known latencies at each of `LEVELS`; empty while too little is known. */
  readonly levels: readonly number[];
}

const NO_LEVELS: readonly number[] = [];

export function partOf(name: string, arms: ArmsRead, known: Baseline): Part {
  const hits = { candidate: errorHits(arms.candidate), baseline: errorHits(arms.baseline) };
  return { name, arms, hits, known, levels: knowsLatency(known) ? indexesAt(known.latency, LEVELS) : NO_LEVELS };
}

/** Bucket of the known latencies at a quantile; undefined while too little is known. */
function bucketAt({ known, levels }: Part, quantile: number): number | undefined {
  const level = LEVELS.indexOf(quantile);
  if (level >= 0) return levels[level];
  return knowsLatency(known) ? indexesAt(known.latency, [quantile])[0] : undefined;
}

export function errorHits(counts: ArmRead | null): Hits {
  return counts === null ? NO_HITS : { n: counts.requests, k: counts.errors };
}

export const NO_HITS: Hits = { n: 0, k: 0 };

/** Log-evidence of one block for each odds ratio against a line; zeros where nothing can be told. */
function binaryEvidence(line: Line, predicted: number | null, odds: readonly number[], candidate: Hits, baseline: Hits): number[] {
  const evidence = new Array<number>(odds.length).fill(0);
  if (predicted !== null) logOddsE(evidence, 0, line, predicted, odds, candidate, baseline);
  return evidence;
}

function starEvidence(line: Line, star: Shares | null, candidate: Hits, baseline: Hits): number {
  return star === null ? 0 : logBinaryE(line, star, candidate, baseline);
}

/**
 * Log-evidence of one block that the candidate is below the line, for each of `BETTER_STAKES`. `expected`: the
 * predicted share of a candidate like the baseline.
 */
function betterEvidence(line: Line, predicted: number, expected: number, { candidate, baseline }: Pair, outlook: Outlook): number[] {
  const perBaseline = baseline.n === 0 ? 0 : candidate.n / baseline.n;
  const bold = boldAlternative(line, predicted, expected, perBaseline, outlook);
  const boundary = line.slope * predicted + line.shift;
  const isTold = expected > 0 && expected < boundary && boundary < 1;
  const alike = isTold ? { baseline: predicted, candidate: expected } : alternative(line, predicted, USUAL_BETTER);
  const evidence = new Array<number>(BETTER_STAKES.length).fill(0);
  evidence[0] = starEvidence(line, bold, candidate, baseline);
  evidence[1] = starEvidence(line, alike, candidate, baseline);
  logOddsE(evidence, 2, line, predicted, BETTER_ODDS, candidate, baseline);
  return evidence;
}

const NOT_BETTER: readonly number[] = BETTER_STAKES.map(() => 0);

/** Log-evidence that errors are worse than the baseline's, by odds ratio. A wrong guess of the baseline costs power only. */
export function errorEvidence(line: Line, { known, hits }: Part): number[] {
  return binaryEvidence(line, predictedErrorRate(known) ?? USUAL_ERRORS, WORSE_ODDS, hits.candidate, hits.baseline);
}

/** …and that the candidate fails by far more than any burst of a good one. */
export function failureEvidence({ known, hits }: Part): number[] {
  return binaryEvidence(FAILURES, predictedErrorRate(known) ?? USUAL_ERRORS, FAILURE_ODDS, hits.candidate, hits.baseline);
}

/** Log-evidence that a status class is no more frequent than the margin allows, by stake. */
export function classWithin(name: ComparedClass, { known, arms }: Part, outlook: Outlook): Pair & { readonly evidence: readonly number[] } {
  const hits = { candidate: classHits(arms.candidate, name), baseline: classHits(arms.baseline, name) };
  const predicted = predictedShare(known.classes ?? NO_CLASSES, COMPARED.indexOf(name));
  return { ...hits, evidence: betterEvidence(CLASS_PASS, predicted, predicted, hits, outlook) };
}

/** Log-evidence that errors are within the margin, by stake. */
export function errorsWithin(line: Line, { known, hits }: Part, outlook: Outlook): readonly number[] {
  const predicted = predictedErrorRate(known);
  return predicted === null ? NOT_BETTER : betterEvidence(line, predicted, predicted, hits, outlook);
}

/** Log-evidence that errors are below a fixed rate, by stake. `before`: of the baseline, which only serves to guess. */
export function belowLimit(line: Line, before: Hits, candidate: Hits, outlook: Outlook): number[] {
  const isKnown = before.n >= LEAST_HISTORY;
  const expected = isKnown ? (before.k + 0.5) / (before.n + 1) : scaleOdds(line.shift, USUAL_BETTER);
  return betterEvidence(line, line.shift, expected, { candidate, baseline: NO_HITS }, outlook);
}

/** Log-evidence that errors are above a fixed rate, by odds ratio. */
export function limitEvidence(line: Line, counts: ArmRead | null): number[] {
  return binaryEvidence(line, line.shift, WORSE_ODDS, errorHits(counts), NO_HITS);
}

const NO_SLOWER: readonly number[] = TILTS.map(() => 0);

/**
 * Log-evidence of one block for each way of being slower. Categories are cut at the known latencies' levels: each edge
 * once, and none that the margin would move into the overflow bucket.
 */
export function slowerEvidence(cuts: Cuts, { arms, known, levels }: Part): readonly number[] {
  const { candidate, baseline } = arms;
  if (candidate === null || baseline === null) return NO_SLOWER;
  const expected = new Array<number>(levels.length + 1);
  const ofCandidate = new Array<number>(levels.length + 1);
  const ofBaseline = new Array<number>(levels.length + 1);
  let found = 0;
  let edge = -1;
  let below = -1;
  let candidateBelow = 0;
  let baselineBelow = 0;
  for (const level of levels) {
    const cut = baselineEdge(cuts, level);
    const moved = cut === null ? null : failEdge(cuts, cut);
    if (cut === null || moved === null || cut === edge) continue;
    const bucket = Math.floor(cut / cuts.grain);
    const candidates = upToEdge(candidate.latency, moved);
    const baselines = upToEdge(baseline.latency, cut);
    expected[found] = inRequests(countsIn(known.latency, below, bucket));
    ofCandidate[found] = candidates - candidateBelow;
    ofBaseline[found] = baselines - baselineBelow;
    edge = cut;
    below = bucket;
    candidateBelow = candidates;
    baselineBelow = baselines;
    found += 1;
  }
  if (found === 0) return NO_SLOWER;
  expected[found] = inRequests(countsIn(known.latency, below, Infinity));
  ofCandidate[found] = countOf(candidate.latency) - candidateBelow;
  ofBaseline[found] = countOf(baseline.latency) - baselineBelow;
  expected.length = ofCandidate.length = ofBaseline.length = found + 1;
  return orderedEvidence(asShares(expected), ofCandidate, ofBaseline);
}

/** Requests made shares of them, in place, none of them impossible. */
function asShares(requests: number[]): readonly number[] {
  let total = 0;
  for (let j = 0; j < requests.length; j++) total += requests[j] as number;
  total += 0.5 * requests.length;
  for (let j = 0; j < requests.length; j++) requests[j] = ((requests[j] as number) + 0.5) / total;
  return requests;
}

/** Hits beyond one quantile's edge, and the log-evidence that the candidate is within the margin there. */
export function quantileEvidence(
  cuts: Cuts,
  part: Part,
  quantile: number,
  outlook: Outlook,
): Pair & { readonly evidence: readonly number[] } {
  const index = bucketAt(part, quantile);
  const edge = index === undefined ? null : baselineEdge(cuts, index);
  const moved = edge === null ? null : passEdge(cuts, edge);
  if (edge === null || moved === null) return { evidence: NOT_BETTER, candidate: NO_HITS, baseline: NO_HITS };
  const { latency } = part.known;
  const cut = Math.floor(edge / cuts.grain);
  const far = Math.max(cut, Math.floor(moved / cuts.grain));
  const below = inRequests(countsIn(latency, -1, cut));
  const between = inRequests(countsIn(latency, cut, far));
  const farther = inRequests(countsIn(latency, far, Infinity));
  const all = below + between + farther + 1;
  const predicted = (between + farther + 0.5) / all;
  const expected = (farther + 0.5) / all;
  const candidate = beyond(part.arms.candidate, moved);
  const baseline = beyond(part.arms.baseline, edge);
  return { evidence: betterEvidence(LATENCY_LINE, predicted, expected, { candidate, baseline }, outlook), candidate, baseline };
}

/** Requests of both arms slower than the predicted median of the baseline. */
export function aboveMedian(cuts: Cuts | null, part: Part): Pair {
  const index = cuts === null ? undefined : bucketAt(part, 0.5);
  const edge = cuts === null || index === undefined ? null : baselineEdge(cuts, index);
  if (edge === null) return { candidate: NO_HITS, baseline: NO_HITS };
  return { candidate: beyond(part.arms.candidate, edge), baseline: beyond(part.arms.baseline, edge) };
}

function beyond(counts: ArmRead | null, edge: number): Hits {
  if (counts === null) return NO_HITS;
  const below = upToEdge(counts.latency, edge);
  const above = countOf(counts.latency) - below;
  return { n: below + above, k: above };
}
