import { normalQuantile } from '../normal.ts';

/**
 * A way in which a candidate may be slower, told by which part of the baseline's latencies it makes more frequent: by
 * a never decreasing weight of the mid-rank u in (0, 1). `shift`: log-latency moves by `by` standard deviations. `rise`:
 * the weight grows exponentially beyond u = `above`. `step`: it is `by` there and 1 before, two kinds of category, which is soon reckoned.
 */
export interface Tilt {
  /** What people call it when it wins. */
  readonly level: 'in general' | 'above the median' | 'above p90' | 'above p95' | 'above p99';
  readonly kind: 'shift' | 'rise' | 'step';
  readonly by: number;
  readonly above: number;
}

function step(level: Tilt['level'], above: number, by: number): Tilt {
  return { level, kind: 'step', by, above };
}

/** Shifts of log-latency, in standard deviations of it. */
const SHIFTS: readonly number[] = [0.12, 0.25, 0.5, 1];

/** Every alternative of the latency test. Non-decreasing weights are what makes the pooled null exact. */
export const TILTS: readonly Tilt[] = [
  ...SHIFTS.map((by): Tilt => ({ level: 'in general', kind: 'shift', by, above: 0 })),
  ...[0.35, 0.7, 1.4, 2.8, 5.6].map((by): Tilt => ({ level: 'in general', kind: 'rise', by, above: 0.3 })),
  ...[1.3, 2].map((factor) => step('above the median', 0.5, factor)),
  ...[1.5, 2.5, 6].flatMap((factor) => [step('above p90', 0.9, factor), step('above p95', 0.95, factor), step('above p99', 0.99, factor)]),
];

/** What is bet on each: most on being slower as a whole, which is what most regressions are. */
export const TILT_STAKES: readonly number[] = TILTS.map(({ level }, g) =>
  g < SHIFTS.length ? 0.5 / SHIFTS.length : level === 'in general' ? 0.15 / 5 : level === 'above the median' ? 0.05 / 2 : 0.3 / 9,
);

/** Mid-ranks of categories, and their normal quantiles: the same for every tilt. */
interface Ranks {
  readonly u: readonly number[];
  readonly z: readonly number[];
}

function ranksOf(probabilities: readonly number[]): Ranks {
  const u = new Array<number>(probabilities.length);
  const z = new Array<number>(probabilities.length);
  let below = 0;
  for (let j = 0; j < probabilities.length; j++) {
    const probability = probabilities[j] as number;
    const middle = below + probability / 2;
    u[j] = middle;
    z[j] = normalQuantile(middle);
    below += probability;
  }
  return { u, z };
}

/** Category probabilities the alternative expects of the candidate, given the baseline's. */
export function tilted(baseline: readonly number[], tilt: Tilt): number[] {
  const raised = new Array<number>(baseline.length);
  const all = weigh(raised, baseline, tilt, ranksOf(baseline));
  return raised.map((weight) => weight / all);
}

/** Writes each category's probability times its weight to `raised`, and says what they come to. */
function weigh(raised: number[], probabilities: readonly number[], { kind, by, above }: Tilt, { u, z }: Ranks): number {
  if (kind === 'shift') return weighShifted(raised, probabilities, z, by);
  let all = 0;
  for (let j = 0; j < probabilities.length; j++) {
    const probability = probabilities[j] as number;
    const beyond = (u[j] as number) - above;
    const weighted = beyond > 0 ? probability * (kind === 'rise' ? Math.exp(by * beyond) : by) : probability;
    raised[j] = weighted;
    all += weighted;
  }
  return all;
}

function weighShifted(raised: number[], probabilities: readonly number[], z: readonly number[], by: number): number {
  let all = 0;
  for (let j = 0; j < probabilities.length; j++) {
    const weighted = (probabilities[j] as number) * Math.exp(by * (z[j] as number));
    raised[j] = weighted;
    all += weighted;
  }
  return all;
}

/**
 * Log of the block's e-value of "the candidate's categories follow `star`" against "the candidate is
 * stochastically no slower than the baseline". Counts are by category, slowest last. For a `star` that
 * rises with the category the pooled mixture is the null's nearest point, so the expectation is at most 1
 * for every null.
 */
export function logOrderedE(
  expected: readonly number[],
  star: readonly number[],
  candidate: readonly number[],
  baseline: readonly number[],
): number {
  return logRaisedE(expected, star, 1, candidate, baseline, sum(candidate), sum(baseline));
}

/** The same where the alternative is `raised` divided by `all`. */
function logRaisedE(
  expected: readonly number[],
  raised: readonly number[],
  all: number,
  candidate: readonly number[],
  baseline: readonly number[],
  nc: number,
  nb: number,
): number {
  if (nc === 0 || nb === 0) return 0;
  const n = nb + nc;
  let log = 0;
  for (let j = 0; j < expected.length; j++) {
    const kc = candidate[j] as number;
    const k = kc + (baseline[j] as number);
    if (k === 0) continue;
    // As `ofRatio`, written out: it is asked a hundred times a look.
    const ratio = (raised[j] as number) / all / (expected[j] as number);
    const pooled = k * Math.log(n / (nb + nc * ratio));
    log += kc === 0 ? pooled : pooled + kc * Math.log(ratio);
  }
  return log;
}

function sum(values: readonly number[]): number {
  let total = 0;
  for (let i = 0; i < values.length; i++) total += values[i] as number;
  return total;
}

/** The same for every one of `TILTS`. */
export function orderedEvidence(expected: readonly number[], candidate: readonly number[], baseline: readonly number[]): number[] {
  const evidence = new Array<number>(TILTS.length).fill(0);
  const nc = sum(candidate);
  const nb = sum(baseline);
  if (nc === 0 || nb === 0) return evidence;
  const ranks = ranksOf(expected);
  // One list of weights for all tilts: a list for each would be half of what a look leaves to the garbage collector.
  const raised = new Array<number>(expected.length);
  for (let g = 0; g < TILTS.length; g++) {
    const tilt = TILTS[g];
    if (tilt?.kind === 'step') evidence[g] = logStepE(tilt, expected, ranks, candidate, baseline, nc, nb);
    else if (tilt !== undefined)
      evidence[g] = logRaisedE(expected, raised, weigh(raised, expected, tilt, ranks), candidate, baseline, nc, nb);
  }
  return evidence;
}

function logStepE(
  { above, by }: Tilt,
  expected: readonly number[],
  ranks: Ranks,
  candidate: readonly number[],
  baseline: readonly number[],
  nc: number,
  nb: number,
): number {
  let share = 0;
  let kc = 0;
  let kb = 0;
  for (let j = 0; j < expected.length; j++) {
    if ((ranks.u[j] as number) <= above) continue;
    share += expected[j] as number;
    kc += candidate[j] as number;
    kb += baseline[j] as number;
  }
  const rest = 1 / (1 + share * (by - 1));
  return ofRatio(rest, nc, nb, nc - kc, nb - kb) + ofRatio(rest * by, nc, nb, kc, kb);
}

/** What categories of one ratio of alternative to expectation add, where `kc` and `kb` of the requests fell in them. */
function ofRatio(ratio: number, nc: number, nb: number, kc: number, kb: number): number {
  // With r the ratio and Q the pooled mixture: ln(expected/Q) = ln(n / (n_b + n_c r)), and ln(alternative/Q) is ln r more.
  const pooled = (kc + kb) * Math.log((nb + nc) / (nb + nc * ratio));
  return kc === 0 ? pooled : pooled + kc * Math.log(ratio);
}
