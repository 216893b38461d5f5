const A: readonly number[] = [
  -39.69683028665376, 220.9460984245205, -275.9285104469687, 138.357751867269, -30.66479806614716, 2.506628277459239,
];
const B: readonly number[] = [-54.47609879822406, 161.5858368580409, -155.6989798598866, 66.80131188771972, -13.28068155288572, 1];
const C: readonly number[] = [
  -0.007784894002430293, -0.3223964580411365, -2.400758277161838, -2.549732539343734, 4.374664141464968, 2.938163982698783,
];
const D: readonly number[] = [0.007784695709041462, 0.3224671290700398, 2.445134137142996, 3.754408661907416, 1];

/** Standard normal quantile by Acklam's rational approximation (relative error 1e-9). */
export function normalQuantile(p: number): number {
  if (p < 0.02425) {
    const root = Math.sqrt(-2 * Math.log(p));
    return horner(C, root) / horner(D, root);
  }
  if (p > 1 - 0.02425) return -normalQuantile(1 - p);
  const q = p - 0.5;
  return (horner(A, q * q) * q) / horner(B, q * q);
}

function horner(terms: readonly number[], x: number): number {
  let sum = 0;
  for (let i = 0; i < terms.length; i++) sum = sum * x + (terms[i] as number);
  return sum;
}
