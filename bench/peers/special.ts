import { logBeta, logGamma } from '../../src/core/analysis/sequential/numbers.ts';

/** Regularised lower incomplete gamma P(a, x). */
export function gammaP(a: number, x: number): number {
  return x < a + 1 ? gammaSeries(a, x) : 1 - gammaFraction(a, x);
}

/** Regularised upper incomplete gamma Q(a, x). */
export function gammaQ(a: number, x: number): number {
  return x < a + 1 ? 1 - gammaSeries(a, x) : gammaFraction(a, x);
}

function gammaSeries(a: number, x: number): number {
  if (x <= 0) return 0;
  let term = 1 / a;
  let sum = term;
  for (let n = 1; n < 100_000; n++) {
    term *= x / (a + n);
    sum += term;
    if (term < sum * 1e-17) break;
  }
  return sum * Math.exp(-x + a * Math.log(x) - logGamma(a));
}

function gammaFraction(a: number, x: number): number {
  const fraction = lentz(x + 1 - a, (i) => ({ numerator: -i * (i - a), denominator: x + 1 - a + 2 * i }));
  return Math.exp(-x + a * Math.log(x) - logGamma(a)) / fraction;
}

/** b0 + a1 / (b1 + a2 / (b2 + …)) by Lentz's method. */
function lentz(b0: number, term: (i: number) => { numerator: number; denominator: number }): number {
  const tiny = 1e-300;
  let f = b0 === 0 ? tiny : b0;
  let c = f;
  let d = 0;
  for (let i = 1; i < 100_000; i++) {
    const { numerator, denominator } = term(i);
    d = denominator + numerator * d;
    d = 1 / (d === 0 ? tiny : d);
    c = denominator + numerator / c;
    if (c === 0) c = tiny;
    const change = c * d;
    f *= change;
    if (Math.abs(change - 1) < 1e-16) break;
  }
  return f;
}

/** Standard normal distribution function. */
export function normalCdf(x: number): number {
  const tail = 0.5 * gammaQ(0.5, (x * x) / 2);
  return x < 0 ? tail : 1 - tail;
}

/** Regularised incomplete beta I_x(a, b). */
export function betaI(a: number, b: number, x: number): number {
  if (x <= 0) return 0;
  if (x >= 1) return 1;
  if (x > (a + 1) / (a + b + 2)) return 1 - betaI(b, a, 1 - x);
  const fraction = lentz(1, (i) => {
    const m = Math.floor(i / 2);
    const even = (m * (b - m) * x) / ((a + 2 * m - 1) * (a + 2 * m));
    const odd = (-(a + m) * (a + b + m) * x) / ((a + 2 * m) * (a + 2 * m + 1));
    return { numerator: i % 2 === 0 ? even : odd, denominator: 1 };
  });
  return Math.exp(a * Math.log(x) + b * Math.log1p(-x) - logBeta(a, b) - Math.log(a)) / fraction;
}

/** Riemann's zeta function, s > 1 (Euler–Maclaurin). */
export function zeta(s: number): number {
  const n = 20;
  let sum = 0;
  for (let k = 1; k < n; k++) sum += k ** -s;
  sum += n ** (1 - s) / (s - 1) + n ** -s / 2;
  const bernoulli = [1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66];
  let product = s;
  let factorial = 2;
  for (const [j, b] of bernoulli.entries()) {
    sum += ((b / factorial) * product) / n ** (s + 2 * j + 1);
    product *= (s + 2 * j + 1) * (s + 2 * j + 2);
    factorial *= (2 * j + 3) * (2 * j + 4);
  }
  return sum;
}

/** Smallest value of a function with one dip between `low` and `high`, and where it lies (golden section). */
export function minimum(f: (x: number) => number, low: number, high: number): { readonly at: number; readonly value: number } {
  const golden = (Math.sqrt(5) - 1) / 2;
  let [a, b] = [low, high];
  let [x, y] = [b - golden * (b - a), a + golden * (b - a)];
  let [fx, fy] = [f(x), f(y)];
  for (let i = 0; i < 90; i++) {
    if (fx < fy) {
      [b, y, fy] = [y, x, fx];
      x = b - golden * (b - a);
      fx = f(x);
    } else {
      [a, x, fx] = [x, y, fy];
      y = a + golden * (b - a);
      fy = f(y);
    }
  }
  const at = (a + b) / 2;
  return { at, value: f(at) };
}
