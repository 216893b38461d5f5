import { normalQuantile } from '../normal.ts';
import type { Line, Shares } from './binary.ts';

/** What a pass test has, and what is still to come for it. */
export interface Outlook {
  /** Log-evidence of this bet so far, and what it has to reach. */
  readonly has: number;
  readonly needs: number;
  /** Candidate requests judged, and those to be expected until the bake ends. */
  readonly judged: number;
  readonly coming: number;
}

/** Sum of the normal quantiles of the pass level and of a power of 99 %: what a sample is planned for. */
const PLANNED = 3.9;
/** A bet is never further from the line than this multiple of what a candidate like the baseline would be. */
const BOLDEST = 5;
/** …nor nearer to 0 than this share of the line leaves. */
const MOST_OF_BOUNDARY = 0.98;
/** Nats beyond which there is no telling them apart. */
const MOST_MISSING = 500;
/** Requests below which a remaining sample is not planned more finely. */
const LEAST_LEFT = 2;
/** Nats aimed beyond the goal: what is aimed at is only ever approached, and 19.9 of 20 would be nothing shown. */
const BEYOND = 0.05;

/**
 * The alternative to bet on now so that a candidate like the baseline has most likely passed when the sample is over,
 * null to bet nothing. The bets replicate, block by block, a bet on the test that looks once, at the end: for
 * normal data the wealth of that is Φ(x)/α at x standard deviations of what is left above its boundary, and its slope
 * φ(x)/Φ(x). It is fixed before the block is seen, so each e-value stays one whatever the data are like.
 * `expected`: the predicted share of a candidate like the baseline; `perBaseline`: candidate requests for each of the baseline's.
 */
export function boldAlternative(line: Line, predicted: number, expected: number, perBaseline: number, outlook: Outlook): Shares | null {
  const boundary = line.slope * predicted + line.shift;
  const distance = boundary - expected;
  if (!(distance > 0 && boundary < 1) || outlook.has >= outlook.needs || outlook.coming <= 0) return null;
  const missing = Math.min(outlook.needs + BEYOND - outlook.has, MOST_MISSING);
  const variance = boundary * (1 - boundary) * (1 + line.slope * perBaseline);
  const planned = Math.min(outlook.judged + outlook.coming, (PLANNED / distance) ** 2 * variance);
  const left = Math.max(planned - outlook.judged, LEAST_LEFT);
  // How far behind the boundary, in standard deviations of what is left: Φ(behind) is the share of the goal reached.
  const behind = normalQuantile(Math.exp(-missing));
  const hazard = Math.exp(missing - 0.5 * behind * behind) / Math.sqrt(2 * Math.PI);
  const bet = Math.sqrt(variance / left) * hazard;
  return { baseline: predicted, candidate: boundary - Math.min(bet, BOLDEST * distance, MOST_OF_BOUNDARY * boundary) };
}
