import { UserError } from '../core/errors.ts';
import type { ProjectedEvent, Projection, Row } from '../core/data/projections/definition.ts';
import { upcastWith } from '../core/data/projections/upcast.ts';
import type { Interner } from './interner.ts';
import { copyText, rowFormat } from './rows.ts';
import type { Tuple } from './tuples.ts';

export interface FoldOptions {
  readonly projection: Projection;
  readonly shard: number;
  /** Notice holes in the versions of a stream. */
  readonly contiguous: boolean;
}

/** Rows in memory, made from events one after another. */
export interface Fold {
  apply(tuple: Tuple, streams: Interner): void;
  /** Take over a row as it was stored. */
  restore(key: string, state: Row | null, position: number, version: number): void;
  readonly dirty: () => number;
  readonly events: () => number;
  readonly position: () => number;
  /** Lines for COPY of every row that has changed since the last time. */
  drain(): Buffer[];
  /** Every row that there is. */
  rows(): IterableIterator<readonly [key: string, state: Row]>;
}

const LINES_A_CHUNK = 2_000;

export function createFold({ projection, shard, contiguous }: FoldOptions): Fold {
  const byStream = projection.key === 'stream';
  const keyOf = typeof projection.key === 'function' ? projection.key : null;
  const { init, evolve } = projection;
  const upcast = upcastWith(projection.upcasters);
  const hasUpcasters = projection.upcasters !== undefined;
  const format = rowFormat(projection);
  const checksOrder = contiguous && byStream && projection.types === undefined;

  const ids = new Map<string, number>();
  const names: string[] = [];
  const states: (Row | null | undefined)[] = [];
  const positions: number[] = [];
  const versions: number[] = [];
  const marked: number[] = [];
  let epoch = 1;
  let changed: number[] = [];
  let events = 0;
  let last = 0;
  /** Number that a stream has in the reader → number that its row has here. */
  const rowOfStream: number[] = [];

  function rowOf(tuple: Tuple, streams: Interner, event: ProjectedEvent): number {
    if (byStream) return (rowOfStream[tuple.stream] ??= idOf(streams.text(tuple.stream)));
    const key = keyOf?.(event) ?? null;
    return key === null ? -1 : idOf(key);
  }

  function idOf(key: string): number {
    const known = ids.get(key);
    if (known !== undefined) return known;
    const id = names.length;
    ids.set(key, id);
    names.push(key);
    return id;
  }

  function touch(id: number): void {
    if (marked[id] === epoch) return;
    marked[id] = epoch;
    changed.push(id);
  }

  return {
    apply(tuple, streams) {
      events += 1;
      last = tuple.position;
      const { type, schema, json } = tuple;
      const data = JSON.parse(json) as Record<string, unknown>;
      const kind = type === '' ? String(data['type']) : type;
      const event: ProjectedEvent = {
        position: tuple.position,
        stream: streams.text(tuple.stream),
        version: tuple.version,
        type: kind,
        schema,
        at: tuple.at,
        data: hasUpcasters ? upcast(kind, schema, data) : data,
      };
      const id = rowOf(tuple, streams, event);
      if (id < 0) return;
      const before = checksOrder ? versions[id] : undefined;
      if (before !== undefined && tuple.version !== before + 1) throw hole(event, before);
      states[id] = evolve(states[id] ?? init(), event);
      positions[id] = tuple.position;
      versions[id] = tuple.version;
      touch(id);
    },
    restore(key, state, position, version) {
      const id = idOf(key);
      states[id] = state;
      positions[id] = position;
      versions[id] = version;
    },
    dirty: () => changed.length,
    events: () => events,
    position: () => last,
    drain() {
      const chunks: Buffer[] = [];
      let lines: string[] = [];
      for (const id of changed) {
        const state = states[id] ?? null;
        const values = state === null ? format.names.map(() => null) : format.encode(state);
        let line = copyText(names[id] as string);
        for (const value of values) line += `\t${copyText(value)}`;
        lines.push(`${line}\t${positions[id]}\t${versions[id]}\t${shard}\t${state === null ? 't' : 'f'}\n`);
        if (lines.length < LINES_A_CHUNK) continue;
        chunks.push(Buffer.from(lines.join('')));
        lines = [];
      }
      if (lines.length > 0) chunks.push(Buffer.from(lines.join('')));
      changed = [];
      epoch += 1;
      return chunks;
    },
    *rows() {
      for (const [id, name] of names.entries()) {
        const state = states[id];
        if (state !== null && state !== undefined) yield [name, state] as const;
      }
    },
  };
}

export function hole(event: Pick<ProjectedEvent, 'stream' | 'version' | 'position'>, before: number): UserError {
  return new UserError(
    'EVENTS_NOT_CONTIGUOUS',
    `after event ${before} of stream ${event.stream} came event ${event.version} (position ${event.position})`,
    'Where a store removes events on purpose, say so: projections.events.contiguous: false. Otherwise an event is missing.',
  );
}
