import type { ErrorTests } from '../policy.ts';
import type { Arms, ArmCounts } from '../sample.ts';
import { NOTHING_COUNTED } from '../arms.ts';
import { inRequests, knowsLatency, predictedErrorRate, type Baseline } from './baseline.ts';
import { alternative, logBinaryE, type Hits, type Line } from './binary.ts';
import { categories, histogramCategories, indexesAt } from './buckets.ts';
import { baselineEdge, failEdge, passEdge, type Cuts } from './edges.ts';
import { logOrderedE, tilted, TILTS } from './ordered.ts';

/** Odds ratios of the alternatives: worse… */
export const WORSE_ODDS: readonly number[] = [1.15, 1.3, 1.6, 2, 3, 6, 15, 60];
/** …and better than a line. */
export const BETTER_ODDS: readonly number[] = [1 / 1.2, 1 / 1.4, 1 / 1.8, 1 / 3, 1 / 8, 1 / 40];

/** Baseline quantiles at which latencies are cut into ordered categories. */
const LEVELS: readonly number[] = [0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.97, 0.98, 0.99, 0.995];

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

export function errorHits(counts: ArmCounts | null): Hits {
  return { n: counts?.requests ?? 0, k: counts?.errors ?? 0 };
}

/** Log-evidence of one block for each odds ratio against a line; zeros where nothing can be told. */
function binaryEvidence(line: Line, predicted: number | null, odds: readonly number[], candidate: Hits, baseline: Hits): number[] {
  return odds.map((ratio) => {
    const star = predicted === null ? null : alternative(line, predicted, ratio);
    return star === null ? 0 : logBinaryE(line, star, candidate, baseline);
  });
}

/** Log-evidence about errors relative to the baseline. */
export function errorEvidence(line: Line, odds: readonly number[], baseline: Baseline, arms: Arms): number[] {
  return binaryEvidence(line, predictedErrorRate(baseline), odds, errorHits(arms.candidate), errorHits(arms.baseline));
}

/** Log-evidence about errors against a fixed rate: the other arm plays no part. */
export function limitEvidence(line: Line, odds: readonly number[], counts: ArmCounts | null): number[] {
  return binaryEvidence(line, line.shift, odds, errorHits(counts), { n: 0, k: 0 });
}

const NO_SLOWER: readonly number[] = TILTS.map(() => 0);

/** Log-evidence of one block for each way of being slower. */
export function slowerEvidence(cuts: Cuts, known: Baseline, arms: Arms): readonly number[] {
  const { candidate, baseline } = arms;
  if (candidate === null || baseline === null || !knowsLatency(known)) return NO_SLOWER;
  const edges = edgesOf(cuts, known);
  if (edges.length === 0) return NO_SLOWER;
  const seen = categories(
    known.latency,
    edges.map((edge) => edge.index),
  ).map(inRequests);
  const total = seen.reduce((sum, count) => sum + count, 0) + 0.5 * seen.length;
  const expected = seen.map((count) => (count + 0.5) / total);
  const ofCandidate = histogramCategories(
    candidate.latency,
    edges.map((edge) => edge.candidate),
  );
  const ofBaseline = histogramCategories(
    baseline.latency,
    edges.map((edge) => edge.baseline),
  );
  return TILTS.map((tilt) => logOrderedE(expected, tilted(expected, tilt), ofCandidate, ofBaseline));
}

/** Edges at the predicted quantiles: each once, and none that the margin would move into the overflow bucket. */
function edgesOf(cuts: Cuts, known: Baseline): { index: number; baseline: number; candidate: number }[] {
  const found: { index: number; baseline: number; candidate: number }[] = [];
  for (const index of indexesAt(known.latency, LEVELS)) {
    const baseline = baselineEdge(cuts, index);
    const candidate = baseline === null ? null : failEdge(cuts, baseline);
    if (baseline === null || candidate === null || baseline === found.at(-1)?.baseline) continue;
    found.push({ index: Math.floor(baseline / cuts.grain), baseline, candidate });
  }
  return found;
}

/** Hits beyond one quantile's edge, and the log-evidence that the candidate is within the margin there. */
export function quantileEvidence(
  cuts: Cuts,
  known: Baseline,
  quantile: number,
  arms: Arms,
): { evidence: number[]; candidate: Hits; baseline: Hits } {
  const nothing = { evidence: BETTER_ODDS.map(() => 0), candidate: { n: 0, k: 0 }, baseline: { n: 0, k: 0 } };
  const index = knowsLatency(known) ? indexesAt(known.latency, [quantile])[0] : undefined;
  const edge = index === undefined ? null : baselineEdge(cuts, index);
  const moved = edge === null ? null : passEdge(cuts, edge);
  if (edge === null || moved === null) return nothing;
  const [below = 0, above = 0] = categories(known.latency, [Math.floor(edge / cuts.grain)]).map(inRequests);
  const predicted = (above + 0.5) / (below + above + 1);
  const candidate = beyond(arms.candidate, moved);
  const baseline = beyond(arms.baseline, edge);
  return { evidence: binaryEvidence(LATENCY_LINE, predicted, BETTER_ODDS, candidate, baseline), candidate, baseline };
}

function beyond(counts: ArmCounts | null, edge: number): Hits {
  const [below = 0, above = 0] = histogramCategories((counts ?? NOTHING_COUNTED).latency, [edge]);
  return { n: below + above, k: above };
}
