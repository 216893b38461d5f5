import { expect, it } from 'vitest';
import { randomFrom } from '../simulate.ts';
import { disperse, dispersionOf, NO_DISPERSION, type Dispersion } from './dispersion.ts';

/** What is concluded after each of 90 capped blocks; `clump` failures come together. */
function factors(seed: number, candidateShare: (block: number) => number, clump = 1): number[] {
  const random = randomFrom(seed);
  const count = (n: number, share: number) => {
    let k = 0;
    for (let i = 0; i < n; i++) if (random() < share / clump) k += clump;
    return { n, k: Math.min(k, n) };
  };
  let dispersion: Dispersion = NO_DISPERSION;
  return Array.from({ length: 90 }, (_, block) => {
    const pair = { candidate: count(250, candidateShare(block)), baseline: count(2000, 0.1) };
    dispersion = disperse(dispersion, pair, true);
    return dispersionOf(dispersion);
  });
}

const largest = (values: readonly number[]) => Math.max(...values);

it('leaves independent requests alone, nearly always', () => {
  const runs = Array.from({ length: 40 }, (_, seed) => factors(seed, () => 0.1));
  expect(runs.flat().filter((factor) => factor > 1).length / runs.flat().length).toBeLessThan(0.1);
  expect(largest(runs.flat())).toBeLessThan(4);
});

it('is about the size of the clumps that requests fail in', () => {
  const ends = Array.from({ length: 20 }, (_, seed) => factors(seed, () => 0.1, 8).at(-1) ?? 0);
  expect(ends.reduce((sum, factor) => sum + factor, 0) / ends.length).toBeGreaterThan(4);
  expect(Math.min(...ends)).toBeGreaterThan(2);
});

it('takes one lasting change for what it is', () => {
  const runs = Array.from({ length: 40 }, (_, seed) => factors(seed, (block) => (block < 45 ? 0.1 : 0.4)));
  expect(runs.flat().filter((factor) => factor > 1).length / runs.flat().length).toBeLessThan(0.1);
});

it('concludes nothing from nothing', () => {
  const none = { candidate: { n: 0, k: 0 }, baseline: { n: 0, k: 0 } };
  const empty = Array.from({ length: 10 }).reduce<Dispersion>((dispersion) => disperse(dispersion, none, true), NO_DISPERSION);
  expect(dispersionOf(empty)).toBe(1);
});
