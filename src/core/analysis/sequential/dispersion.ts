import type { Hits } from './binary.ts';

/** Both arms in one capped block: requests, and those that count. */
export interface Pair {
  readonly candidate: Hits;
  readonly baseline: Hits;
}

/** How much more than chance the difference of the arms moves from one capped block to the next. */
export interface Dispersion {
  /** The block under way and the one before it. */
  readonly now: Pair;
  readonly before: Pair | null;
  /** All movements, decayed. */
  readonly all: Movement;
  /** The one furthest beyond chance: it is left out, for one jump is a change and not noise. */
  readonly largest: Movement;
  /** Movements that could tell anything, decayed. */
  readonly weight: number;
}

/** A squared movement, and what chance would make of it. */
interface Movement {
  readonly seen: number;
  readonly expected: number;
}

const STILL: Movement = { seen: 0, expected: 0 };
const NONE: Hits = { n: 0, k: 0 };
const NO_PAIR: Pair = { candidate: NONE, baseline: NONE };
export const NO_DISPERSION: Dispersion = { now: NO_PAIR, before: null, all: STILL, largest: STILL, weight: 0 };

/** What is left of a movement after each later block: half after five minutes. */
const KEPT = 0.5 ** (1 / 30);
/** Movements before anything is concluded. */
const LEAST = 6;

/** After one more sample; `fresh`: a new capped block begins with it. */
export function disperse(dispersion: Dispersion, sample: Pair, fresh: boolean): Dispersion {
  const { now, before, all, largest, weight } = fresh ? close(dispersion) : dispersion;
  const longer = { candidate: plus(now.candidate, sample.candidate), baseline: plus(now.baseline, sample.baseline) };
  return { now: longer, before, all, largest, weight };
}

function close(dispersion: Dispersion): Dispersion {
  const { now, before, all, largest, weight } = dispersion;
  if (now.candidate.n === 0 || now.baseline.n === 0) return { ...dispersion, now: NO_PAIR };
  if (before === null) return { ...dispersion, now: NO_PAIR, before: now };
  const scale = (now.candidate.n * before.candidate.n) / (now.candidate.n + before.candidate.n);
  const moved: Movement = {
    seen: scale * (difference(now) - difference(before)) ** 2,
    expected: scale * (variance(now.candidate, before.candidate) + variance(now.baseline, before.baseline)),
  };
  const left: Movement = { seen: largest.seen * KEPT, expected: largest.expected * KEPT };
  return {
    now: NO_PAIR,
    before: now,
    all: { seen: all.seen * KEPT + moved.seen, expected: all.expected * KEPT + moved.expected },
    largest: moved.seen - moved.expected > left.seen - left.expected ? moved : left,
    weight: weight * KEPT + Math.min(1, now.candidate.k + before.candidate.k),
  };
}

/**
 * What evidence of the coming block is divided by, at least 1: the factor by which movements exceed chance, where
 * they clearly do. Successive differences, so that a lasting change of the candidate does not look like noise; known
 * before the block it is used for, so that E[S^(1/φ)] ≤ 1 stays true (Jensen).
 */
export function dispersionOf({ all, largest, weight }: Dispersion): number {
  const expected = all.expected - largest.expected;
  if (weight < LEAST || !(expected > 0)) return 1;
  const factor = (all.seen - largest.seen) / expected;
  // Standard error of a mean of successive squared differences of normal data: √(3/n).
  return factor > 1 + 2 * Math.sqrt(3 / weight) ? factor : 1;
}

function difference({ candidate, baseline }: Pair): number {
  return candidate.k / candidate.n - baseline.k / baseline.n;
}

function variance(a: Hits, b: Hits): number {
  const share = (a.k + b.k) / (a.n + b.n);
  return share * (1 - share) * (1 / a.n + 1 / b.n);
}

function plus(a: Hits, b: Hits): Hits {
  return { n: a.n + b.n, k: a.k + b.k };
}
