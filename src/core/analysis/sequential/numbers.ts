/** ln(e^a + e^b) without leaving log space. */
export function logAddExp(a: number, b: number): number {
  if (a === -Infinity) return b;
  if (b === -Infinity) return a;
  return a > b ? a + Math.log1p(Math.exp(b - a)) : b + Math.log1p(Math.exp(a - b));
}

/** ln Σ e^v without leaving log space, of the values from place `from` on; -Infinity where there are none. */
export function logSumExp(values: readonly number[], from = 0): number {
  let max = -Infinity;
  for (let i = from; i < values.length; i++) if ((values[i] as number) > max) max = values[i] as number;
  if (max === -Infinity) return -Infinity;
  let sum = 0;
  for (let i = from; i < values.length; i++) sum += Math.exp((values[i] as number) - max);
  return max + Math.log(sum);
}

const HALF_LOG_TWO_PI = 0.9189385332046727;

/** What Stirling's formula for ln Γ(x) leaves out, x ≥ 10. */
function stirlingRest(x: number): number {
  const y = 1 / (x * x);
  return (1 / 12 - y * (1 / 360 - y * (1 / 1260 - y * (1 / 1680 - y * (1 / 1188 - y * (691 / 360_360 - y / 156)))))) / x;
}

/** ln Γ(x), x > 0. */
export function logGamma(x: number): number {
  let product = 1;
  let shifted = x;
  while (shifted < 10) {
    product *= shifted;
    shifted += 1;
  }
  return (shifted - 0.5) * Math.log(shifted) - shifted + HALF_LOG_TWO_PI + stirlingRest(shifted) - Math.log(product);
}

/** ln B(a, b), also where both are so large that ln Γ has lost its decimals (the cancelling done by hand, as in R). */
export function logBeta(a: number, b: number): number {
  const [small, large] = a < b ? [a, b] : [b, a];
  const sum = small + large;
  const share = small / sum;
  if (small >= 10) {
    const rest = stirlingRest(small) + stirlingRest(large) - stirlingRest(sum);
    return HALF_LOG_TWO_PI - 0.5 * Math.log(large) + rest + (small - 0.5) * Math.log(share) + large * Math.log1p(-share);
  }
  if (large >= 10) {
    const rest = stirlingRest(large) - stirlingRest(sum);
    return logGamma(small) + rest + small - small * Math.log(sum) + (large - 0.5) * Math.log1p(-share);
  }
  return logGamma(small) + logGamma(large) - logGamma(sum);
}

/** Kullback–Leibler distance KL(p‖q) of two coins, nats; Infinity where q excludes what p allows. */
export function binaryDistance(p: number, q: number): number {
  const yes = p === 0 ? 0 : p * Math.log(p / q);
  const no = p === 1 ? 0 : (1 - p) * Math.log((1 - p) / (1 - q));
  return yes + no;
}

/** Probability with `factor` times the odds of `p`. */
export function scaleOdds(p: number, factor: number): number {
  const odds = (factor * p) / (1 - p);
  return odds / (1 + odds);
}

/** Root of an increasing or decreasing `f` in [low, high] by bisection, to the last digits or to a relative `precision`. */
export function bisect(f: (x: number) => number, low: number, high: number, precision = 0): number {
  const sign = Math.sign(f(low));
  let [a, b] = [low, high];
  for (let i = 0; i < 200; i++) {
    const middle = (a + b) / 2;
    if (middle === a || middle === b || b - a <= precision * b) break;
    if (Math.sign(f(middle)) === sign) a = middle;
    else b = middle;
  }
  return (a + b) / 2;
}
