import type { ReleaseEvent } from '../core/release/state/events.ts';
import type { ReleaseState } from '../core/release/state/state.ts';
import type { Entry } from './log/log.ts';
import { readStream } from './log/log.ts';
import type { Database } from './postgres/database.ts';
import type { Sql } from './postgres/connection.ts';
import type { Runbook } from './runbook.ts';

/** States kept in memory, so that each look at a release reads only what is new. */
const KEPT = 256;

export interface Folded {
  readonly state: ReleaseState;
  /** Version of the stream that `state` is the fold of. */
  readonly version: number;
}

export interface States {
  /** The release as of now, or null when unknown. Call it before the transaction writes: what it reads is kept. */
  load(sql: Sql | Database['pool'], release: string): Promise<Folded | null>;
}

export function streamOf(release: string): string {
  return `release/${release}`;
}

/** The release a stream belongs to, or null. */
export function releaseOf(stream: string): string | null {
  return stream.startsWith('release/') ? stream.slice('release/'.length) : null;
}

export function createStates(runbook: Runbook): States {
  const kept = new Map<string, Folded>();
  return {
    async load(sql, release) {
      const before = kept.get(release) ?? null;
      const after = fold(runbook, before, await readStream(sql, streamOf(release), before?.version ?? 0));
      if (after === null) return null;
      // Someone else may have folded further meanwhile.
      const newest = kept.get(release);
      kept.delete(release);
      kept.set(release, newest !== undefined && newest.version > after.version ? newest : after);
      const [oldest] = kept.keys();
      if (kept.size > KEPT && oldest !== undefined) kept.delete(oldest);
      return after;
    },
  };
}

function fold(runbook: Runbook, before: Folded | null, entries: readonly Entry[]): Folded | null {
  let folded = before;
  for (const { data, at, version } of entries) {
    folded = { state: runbook.evolve(folded?.state ?? null, data as ReleaseEvent, at), version };
  }
  return folded;
}
