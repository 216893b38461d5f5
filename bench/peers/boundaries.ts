import { logBetaBinomial } from '../../src/core/analysis/sequential/confidence.ts';
import { bisect, logBeta, logGamma } from '../../src/core/analysis/sequential/numbers.ts';
import { betaI, gammaP, gammaQ, minimum, normalCdf, zeta } from './special.ts';

/**
 * Time-uniform boundaries of Howard, Ramdas, McAuliffe and Sekhon (2021, 2022), on which other sequential
 * judges are built. Checked against the values of gostevehoward/confseq.
 */
export function bestRho(v: number, alpha: number): number {
  return v / (2 * Math.log(1 / alpha) + Math.log(1 + 2 * Math.log(1 / alpha)));
}

export function normalMixture(s: number, v: number, tunedFor: number, tunedAlpha: number, sides: 1 | 2): number {
  const rho = sides === 1 ? bestRho(tunedFor, 2 * tunedAlpha) : bestRho(tunedFor, tunedAlpha);
  const both = 0.5 * Math.log(rho / (v + rho)) + (s * s) / (2 * (v + rho));
  return sides === 2 ? both : both + Math.log(2 * normalCdf(s / Math.sqrt(v + rho)));
}

export function normalMixtureBound(v: number, alpha: number, tunedFor: number, tunedAlpha: number, sides: 1 | 2): number {
  return boundOf((s) => normalMixture(s, v, tunedFor, tunedAlpha, sides), v, alpha);
}

export function gammaExponentialMixture(s: number, v: number, tunedFor: number, c: number, tunedAlpha = 0.05): number {
  const rho = bestRho(tunedFor, 2 * tunedAlpha) / (c * c);
  const leading = rho * Math.log(rho) - logGamma(rho) - Math.log(gammaP(rho, rho));
  const [cs, vs] = [(c * s + v) / (c * c), v / (c * c) + rho];
  return leading + logGamma(vs) + Math.log(gammaP(vs, cs + rho)) - vs * Math.log(cs + rho) + cs;
}

export function gammaPoissonMixture(s: number, v: number, tunedFor: number, c: number, tunedAlpha = 0.05): number {
  const rho = bestRho(tunedFor, 2 * tunedAlpha) / (c * c);
  const leading = rho * Math.log(rho) - logGamma(rho) - Math.log(gammaQ(rho, rho));
  const vs = v / (c * c) + rho;
  const sum = s / c + vs;
  return leading + logGamma(sum) + Math.log(gammaQ(sum, vs)) - sum * Math.log(vs) + v / (c * c);
}

export function betaBinomialMixture(
  s: number,
  v: number,
  tunedFor: number,
  g: number,
  h: number,
  tunedAlpha: number,
  sides: 1 | 2,
): number {
  if (sides === 2) return logBetaBinomial(s, v, tunedFor, g, h, tunedAlpha);
  const r = Math.max(bestRho(tunedFor, 2 * tunedAlpha) - g * h, 1e-3 * g * h);
  const x = h / (g + h);
  const incomplete = (a: number, b: number) => Math.log(betaI(a, b, x)) + logBeta(a, b);
  return (
    (v / (g * h)) * Math.log(g + h) -
    ((v + h * s) / (h * (g + h))) * Math.log(g) -
    ((v - g * s) / (g * (g + h))) * Math.log(h) +
    incomplete((r + v - g * s) / (g * (g + h)), (r + v + h * s) / (h * (g + h))) -
    incomplete(r / (g * (g + h)), r / (h * (g + h)))
  );
}

export function betaBinomialOneSidedBound(v: number, alpha: number, tunedFor: number, g: number, h: number, tunedAlpha: number): number {
  const excess = (s: number) => betaBinomialMixture(s, v, tunedFor, g, h, tunedAlpha, 1) + Math.log(alpha);
  return excess(v / g) < 0 ? v / g : bisect(excess, 0, v / g);
}

/** Where a mixture that grows in s first reaches 1 / alpha. */
export function boundOf(mixture: (s: number) => number, v: number, alpha: number): number {
  let high = v;
  while (mixture(high) <= Math.log(1 / alpha)) high *= 2;
  return bisect((s) => mixture(s) + Math.log(alpha), 0, high);
}

const K1 = (eta: number) => (eta ** 0.25 + eta ** -0.25) / Math.SQRT2;
const K2 = (eta: number) => (Math.sqrt(eta) + 1) / 2;

export function polyStitchingBound(v: number, alpha: number, vMin: number, c = 0, s = 1.4, eta = 2): number {
  const used = Math.max(v, vMin);
  const ell = s * Math.log(Math.log((eta * used) / vMin)) + Math.log(zeta(s) / Math.log(eta) ** s) + Math.log(1 / alpha);
  const linear = K2(eta) * c * ell;
  return Math.sqrt(K1(eta) ** 2 * used * ell + linear ** 2) + linear;
}

/** Bound on the deviation of an empirical quantile function at `p`, uniform in time and quantile. */
export function doubleStitchingBound(p: number, t: number, alpha: number, tunedFor: number, delta = 0.5, s = 1.4, eta = 2): number {
  const logit = Math.log(p / (1 - p));
  const most = Math.max(t, tunedFor);
  const r = p >= 0.5 ? p : Math.min(0.5, 1 / (1 + Math.exp(-(logit + 2 * delta * Math.sqrt((tunedFor * eta) / most)))));
  const variance = r * (1 - r);
  const j = (Math.sqrt(most / tunedFor) * Math.abs(logit)) / (2 * delta) + 1;
  const ell =
    s * Math.log(Math.log((eta * most) / tunedFor)) +
    s * Math.log(j) +
    Math.log((2 * zeta(s) * (2 * zeta(s) + 1)) / (alpha * Math.log(eta) ** s));
  const linear = K2(eta) * ((1 - 2 * p) / 3) * ell;
  return delta * Math.sqrt((eta * most * variance) / tunedFor) + Math.sqrt(K1(eta) ** 2 * variance * most * ell + linear ** 2) + linear;
}

/** Half-width of a confidence band around an empirical distribution, uniform in time; Infinity before `tMin`. */
export function distributionBound(alpha: number, tMin: number, a = 0.85): (t: number) => number {
  const c = constantFor(alpha, a);
  return (t) => (t < tMin ? Infinity : a * Math.sqrt((Math.log(1 + Math.log(t / tMin)) + c) / t));
}

function constantFor(alpha: number, a: number): number {
  const error = (c: number, eta: number) => {
    const gamma2 = (2 / eta) * (a - Math.sqrt((2 * (eta - 1)) / c)) ** 2;
    return gamma2 <= 1 ? Infinity : 4 * Math.exp(-gamma2 * c) * (1 + 1 / ((gamma2 - 1) * Math.log(eta)));
  };
  const least = (c: number) => {
    const highest = bisect((eta) => Math.sqrt(eta / 2) + Math.sqrt((2 * (eta - 1)) / c) - a, 1, 2 * a * a);
    return minimum((eta) => error(c, eta), 1, highest).value;
  };
  let high = 5;
  while (least(high) > alpha) high *= 2;
  return bisect((c) => least(c) - alpha, high / 2 < 5 ? 0.5 : high / 2, high);
}

/** Sequential p-value of "the quantile p of both samples is the same". */
export function quantileTest(p: number, tunedFor: number, tunedAlpha: number, a: readonly number[], b: readonly number[]): number {
  const arms = [a, b].map((values) =>
    armOf(
      values.toSorted((x, y) => x - y),
      p,
      tunedFor,
      tunedAlpha,
    ),
  );
  const [first, second] = arms.toSorted((x, y) => x.to - y.to);
  if (first === undefined || second === undefined) return 1;
  const candidates = [first.to, second.from, ...second.sorted.filter((x) => x > first.to && x <= second.from)];
  return Math.min(1, Math.exp(-Math.min(...candidates.map((x) => first.at(x) + second.at(x)))));
}

function armOf(sorted: readonly number[], p: number, tunedFor: number, tunedAlpha: number) {
  const n = sorted.length;
  const spread = p * (1 - p);
  const mixture = (below: number) => logBetaBinomial((below - p) * n, spread * n, spread * tunedFor, p, 1 - p, tunedAlpha);
  const lowest = minimum(mixture, 0, 1).at;
  const [from, to] = [sorted[Math.ceil(lowest * n) - 1] ?? 0, sorted[Math.floor(lowest * n)] ?? 0];
  const at = (x: number) => {
    if (x < from) return mixture(sorted.filter((value) => value <= x).length / n);
    return mixture(x > to ? sorted.filter((value) => value < x).length / n : lowest);
  };
  return { sorted, from, to, at };
}
