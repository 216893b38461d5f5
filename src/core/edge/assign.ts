/**
 * Who gets which version. A user's place in [0, 1000) never changes; the LAST version of an intent takes the
 * low end, the one before it the next part, and so on. So raising the last version's weight only ever adds
 * users to it (invariant 7).
 */
export const PLACES = 1000;

/** Place of a user of an app, in [0, PLACES). The app takes part so that the same users are not first everywhere. */
export function placeOf(app: string, user: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < app.length; i += 1) hash = Math.imul(hash ^ app.charCodeAt(i), 0x01000193);
  hash = Math.imul(hash ^ 0xff, 0x01000193);
  for (let i = 0; i < user.length; i += 1) hash = Math.imul(hash ^ user.charCodeAt(i), 0x01000193);
  return (spread(hash) / 0x1_0000_0000) * PLACES;
}

/** FNV alone leaves similar names close together; this (MurmurHash3's finish) spreads them evenly. */
function spread(hash: number): number {
  let h = hash ^ (hash >>> 16);
  h = Math.imul(h, 0x85ebca6b);
  h ^= h >>> 13;
  h = Math.imul(h, 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
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
