import { sipHash } from './sip-hash.ts';

/**
 * Who gets which version. A user's place in [0, 1000) never changes; the LAST version of an intent takes the
 * low end, the one before it the next part, and so on. So raising the last version's weight only ever adds
 * users to it (invariant 7).
 */
export const PLACES = 1000;

/** A secret of the edge, 128 bits as four 32-bit integers: without it a user cannot work out which cookie gets which version. */
export type PlaceKey = readonly [number, number, number, number];

const PARTS = PLACES * 10;

/** Place of a user of an app, in [0, PLACES). The app takes part so that the same users are not first everywhere. */
export function placeOf(app: string, user: string, key: PlaceKey = [0, 0, 0, 0]): number {
  return (sipHash(key, `${app}\0${user}`) % PARTS) / 10;
}

/**
 * For each version, the place its part ends (exclusive), to be searched from the last version backwards.
 * Weights are percent with at most one decimal and sum to 100.
 */
export function endsOf(weights: readonly number[]): number[] {
  const ends: number[] = Array.from({ length: weights.length });
  let end = 0;
  for (let i = weights.length - 1; i >= 0; i -= 1) {
    end += Math.round((weights[i] ?? 0) * 10);
    ends[i] = end;
  }
  return ends;
}

/** Index of the version at a place. */
export function indexAt(ends: readonly number[], place: number): number {
  for (let i = ends.length - 1; i > 0; i -= 1) if (place < (ends[i] ?? 0)) return i;
  return 0;
}
