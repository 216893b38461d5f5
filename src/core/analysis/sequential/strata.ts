import { NO_HITS } from './block.ts';
import type { Hits } from './binary.ts';
import type { Pair } from './dispersion.ts';

/** What all strata count together. */
export function summed<T>(parts: readonly T[], of: (part: T) => Pair): Pair {
  const [only] = parts;
  if (parts.length === 1 && only !== undefined) return of(only);
  let candidate = NO_HITS;
  let baseline = NO_HITS;
  for (const part of parts) {
    const hits = of(part);
    candidate = plus(candidate, hits.candidate);
    baseline = plus(baseline, hits.baseline);
  }
  return { candidate, baseline };
}

/** Log-evidence of all strata together: products of e-variables of separate requests. */
export function overStrata<T>(parts: readonly T[], alternatives: number, of: (part: T) => readonly number[]): readonly number[] {
  const [only] = parts;
  if (parts.length === 1 && only !== undefined) return of(only);
  const sum = new Array<number>(alternatives).fill(0);
  for (const part of parts) for (const [g, log] of of(part).entries()) sum[g] = (sum[g] as number) + log;
  return sum;
}

export function plus(a: Hits, b: Hits): Hits {
  return { n: a.n + b.n, k: a.k + b.k };
}
