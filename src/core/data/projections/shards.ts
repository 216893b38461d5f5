import type { Projection } from './definition.ts';

/** More do not pay: the server reads the table once for each. */
const MOST = 16;

/** In how many parts a version may be built at once. Rows that several streams share, in order, can only be made in one go. */
export function shardCount(projection: Pick<Projection, 'key' | 'mergeable'>, wanted: number): number {
  const isDivisible = projection.key === 'stream' || projection.mergeable !== undefined;
  return isDivisible ? Math.max(1, Math.min(MOST, Math.floor(wanted))) : 1;
}

/** How far a build has come, part by part. */
export interface Checkpoint {
  readonly shard: number;
  /** Everything up to here is safely stored. */
  readonly position: number;
  /** As far as it was last seen, stored or not. */
  readonly ahead: number;
  /** Events folded so far. */
  readonly events: number;
  readonly done: boolean;
  /** Times that rows were stored. */
  readonly flushes: number;
}

export interface FlushPolicy {
  /** Longest time between two, ms. */
  readonly everyMs: number;
  /** Changed rows kept in memory at most. */
  readonly dirtyMax: number;
  /** Share of time that storing may take. */
  readonly share: number;
}

export const FLUSH: FlushPolicy = { everyMs: 10_000, dirtyMax: 500_000, share: 0.1 };

/**
 * Whether to store now. Too often costs more than it saves: rows that change all the time are then written again and
 * again. So by time, seldom enough that it takes no more than its share; by memory whenever it must be.
 */
export function shouldFlush(
  now: { readonly sinceMs: number; readonly lastTookMs: number; readonly dirty: number; readonly events: number },
  policy: FlushPolicy = FLUSH,
): boolean {
  if (now.dirty >= policy.dirtyMax) return true;
  if (now.events === 0) return false;
  return now.sinceMs >= Math.max(policy.everyMs, now.lastTookMs / policy.share);
}

/** What has to be done once every part is complete. */
export type Compaction =
  /** Each row was stored once: what was gathered is the read model already. */
  | { readonly kind: 'rename' }
  /** The newest of each row counts. */
  | { readonly kind: 'newest' }
  /** Parts of a row are put together. */
  | { readonly kind: 'merge' };

export function compaction(projection: Pick<Projection, 'mergeable'>, checkpoints: readonly Checkpoint[]): Compaction {
  if (projection.mergeable !== undefined && (checkpoints.length > 1 || checkpoints.some(({ flushes }) => flushes > 1)))
    return { kind: 'merge' };
  return checkpoints.every(({ flushes }) => flushes <= 1) ? { kind: 'rename' } : { kind: 'newest' };
}
