import type pg from 'pg';
import { FencedError, SluiceError, UserError } from '../core/errors.ts';
import type { Projection } from '../core/data/projections/definition.ts';
import { type Checkpoint, FLUSH, type FlushPolicy, shouldFlush } from '../core/data/projections/shards.ts';
import { type EventStore, literal } from './stores.ts';
import { type Build, deltaOf, readCheckpoints, SCHEMA } from './builds.ts';
import { connect, copyIn, copyOut, readJson } from './copy.ts';
import { createFold, type Fold } from './fold.ts';
import type { Marks } from './marks.ts';
import { OWN_NAMES, rowFormat } from './rows.ts';
import { createTupleReader, type Tuple } from './tuples.ts';

export interface CatchUpOptions {
  /** Straight to the server: COPY and locks of a session need a connection of their own. */
  readonly url: string;
  readonly schema: string;
  readonly build: Build;
  readonly projection: Projection;
  readonly store: EventStore;
  readonly marks: Marks;
  readonly shard: number;
  readonly signal: AbortSignal;
  readonly flush?: FlushPolicy;
  /** Told now and then how far it is; answers whether to go on. */
  readonly onProgress?: (at: { readonly ahead: number; readonly events: number }) => Promise<boolean>;
}

const PROGRESS_MS = 500;
/** Reading in the order of the index; one process of the server, because the other core is ours. */
const READER = {
  enable_seqscan: 'off',
  enable_sort: 'off',
  enable_bitmapscan: 'off',
  max_parallel_workers_per_gather: '0',
  jit: 'off',
  statement_timeout: '0',
};

/**
 * Fold one part of the log, from its checkpoint to the end. Rows and checkpoint are stored in one transaction and the
 * checkpoint only moves from where we left it, so it may be killed at any moment, and two may even try the same part.
 * @returns `busy` when another process works on this part, `stopped` when told to by `onProgress`.
 * @throws FencedError when the part was taken over; UserError `PROJECTION_EVOLVE_FAILED`
 */
export async function catchUp(options: CatchUpOptions): Promise<'done' | 'busy' | 'stopped'> {
  const { url, build, shard } = options;
  const writer = await connect(url, 'sluice projection writer', { synchronous_commit: 'off', statement_timeout: '0' });
  try {
    const key = `${build.projection}/${build.version}/${shard}/${build.startedAt}`;
    const { rows } = await writer.query<{ mine: boolean }>(
      `SELECT pg_try_advisory_lock(hashtext('sluice.projections'), hashtext($1)) AS mine`,
      [key],
    );
    if (rows[0]?.mine !== true) return 'busy';
    const checkpoint = (await readCheckpoints(writer, build)).find((one) => one.shard === shard);
    if (checkpoint === undefined) throw new FencedError(`${build.projection} version ${build.version} is no longer being built`);
    if (checkpoint.done) return 'done';
    return await foldRest(options, writer, checkpoint);
  } finally {
    await writer.end().catch(() => {});
  }
}

async function foldRest(options: CatchUpOptions, writer: pg.Client, checkpoint: Checkpoint): Promise<'done' | 'stopped'> {
  const { url, build, projection, store, shard, signal } = options;
  const fold = createFold({ projection, shard, contiguous: store.layout.contiguous });
  if (checkpoint.position > 0) await restore(options, fold);
  const storing = createStoring(options, writer, fold, checkpoint);
  const stop = new AbortController();
  const reader = createTupleReader(store, (tuple) => applyTo(fold, tuple, reader.streams, projection));
  const watch = watchProgress(options, () => ({ ahead: fold.position(), events: checkpoint.events + fold.events() }), stop);
  const connection = await connect(url, 'sluice projection reader', READER);
  try {
    const statement = `COPY (${selection(options, checkpoint.position)}) TO STDOUT (FORMAT binary)`;
    await copyOut(connection, statement, reader.read, AbortSignal.any([signal, stop.signal]), storing.next);
    await storing.finish(build.upper, true);
    return 'done';
  } catch (error) {
    if (stop.signal.aborted && error === stop.signal.reason) {
      await storing.finish(fold.position(), false);
      return 'stopped';
    }
    await storing.settle();
    throw error;
  } finally {
    watch.end();
  }
}

/** What this part has to read: the events of its streams that the mark includes, after its checkpoint, in order. */
function selection({ build, projection, store, marks, shard }: CatchUpOptions, after: number): string {
  const part = build.shards === 1 ? '' : ` AND (hashtextextended(${store.stream}, 0) & 2147483647) % ${build.shards} = ${shard}`;
  const types = projection.types === undefined ? '' : ` AND ${store.type} IN (${projection.types.map(literal).join(', ')})`;
  return (
    `SELECT ${store.columns} FROM ${store.relation} WHERE ${store.position} > ${after} AND ${store.position} <= ${build.upper}` +
    `${part}${types}${store.filter} AND ${marks.within(build.mark)} ORDER BY ${store.position}`
  );
}

/** An error of the app's own code stops a rebuild: it says which event it was. */
function applyTo(fold: Fold, tuple: Tuple, streams: Parameters<Fold['apply']>[1], projection: Projection): void {
  try {
    fold.apply(tuple, streams);
  } catch (error) {
    if (error instanceof SluiceError) throw error;
    throw evolveFailed(projection, tuple, streams.text(tuple.stream), error);
  }
}

function evolveFailed(
  projection: Projection,
  event: { readonly position: number; readonly type: string },
  stream: string,
  error: unknown,
): UserError {
  return new UserError(
    'PROJECTION_EVOLVE_FAILED',
    `${projection.name} version ${projection.version} failed on event ${event.position} (${event.type} of ${stream}): ${error instanceof Error ? error.message : String(error)}`,
    'Correct the projection, or add an upcaster; then raise its version.',
    error,
  );
}

async function restore({ url, build, projection, schema, shard }: CatchUpOptions, fold: Fold): Promise<void> {
  const format = rowFormat(projection);
  const client = await connect(url, 'sluice projection reader', { work_mem: "'64MB'", jit: 'off' });
  const newest =
    `SELECT jsonb_build_object('k', key, 'p', _pos, 'v', _version, 's', CASE WHEN _gone THEN NULL ELSE ${format.json} END)` +
    ` FROM (SELECT DISTINCT ON (key) * FROM ${deltaOf(build, schema)} WHERE _shard = ${shard} ORDER BY key, _pos DESC) newest`;
  await readJson<{ k: string; p: number; v: number; s: Record<string, unknown> | null }>(client, newest, ({ k, p, v, s }) =>
    fold.restore(k, s === null ? null : format.decode(s), p, v),
  );
}

/** Stores what has changed beside the reading: one at a time, as seldom as memory allows. */
function createStoring(
  { build, projection, schema, shard, flush = FLUSH }: CatchUpOptions,
  writer: pg.Client,
  fold: Fold,
  from: Checkpoint,
) {
  const format = rowFormat(projection);
  const into = `COPY ${deltaOf(build, schema)} (key, ${format.columns}, ${OWN_NAMES}) FROM STDIN`;
  let position = from.position;
  let underway: Promise<void> | null = null;
  let failure: unknown = null;
  let lastAt = performance.now();
  let lastTookMs = 0;

  async function store(to: number, done: boolean): Promise<void> {
    const started = performance.now();
    const changed = fold.dirty() > 0;
    const events = from.events + fold.events();
    const chunks = fold.drain();
    await writer.query('BEGIN');
    if (changed) await copyIn(writer, into, chunks);
    const moved = await writer.query(
      `UPDATE ${SCHEMA}.checkpoint SET position = $1, ahead = $1, events = $2, flushes = flushes + $3, done = $4
       WHERE projection = $5 AND version = $6 AND shard = $7 AND position = $8 AND NOT done`,
      [to, events, changed ? 1 : 0, done, build.projection, build.version, shard, position],
    );
    if (moved.rowCount !== 1) {
      await writer.query('ROLLBACK');
      throw new FencedError(`part ${shard} of ${build.projection} version ${build.version} was taken over or cancelled`);
    }
    await writer.query('COMMIT');
    position = to;
    lastAt = performance.now();
    lastTookMs = lastAt - started;
  }

  async function settle(): Promise<void> {
    await underway;
    if (failure !== null) throw failure;
  }

  return {
    /** After each chunk: begin to store when it is time; wait only when memory is short. */
    next(): Promise<void> | null {
      if (failure !== null) return Promise.reject(failure);
      const dirty = fold.dirty();
      const isDue = shouldFlush({ sinceMs: performance.now() - lastAt, lastTookMs, dirty, events: fold.events() }, flush);
      if (!isDue) return null;
      if (underway !== null) return dirty >= flush.dirtyMax ? settle() : null;
      underway = store(fold.position(), false)
        .catch((error: unknown) => (failure = error))
        .finally(() => (underway = null))
        .then(() => {});
      return null;
    },
    async finish(to: number, done: boolean): Promise<void> {
      await settle();
      await store(Math.max(to, position), done);
    },
    settle: () => settle().catch(() => {}),
  };
}

function watchProgress(
  { onProgress }: CatchUpOptions,
  at: () => { ahead: number; events: number },
  stop: AbortController,
): { end(): void } {
  if (onProgress === undefined) return { end() {} };
  const timer = setInterval(() => {
    onProgress(at()).then(
      (goesOn) => goesOn || stop.abort(new Error('stopped')),
      () => {},
    );
  }, PROGRESS_MS);
  return { end: () => clearInterval(timer) };
}
