import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { SluiceError, UserError } from '../core/errors.ts';
import type { Projection } from '../core/data/projections/definition.ts';
import type { FlushPolicy } from '../core/data/projections/shards.ts';
import { coverage, type CoverageFinding, type StoredType } from '../core/data/projections/upcast.ts';
import { requireDirect } from '../lib/direct-connection.ts';
import { type Code, load } from './code.ts';
import { inspectStore, type StoreConfig } from './stores.ts';
import { type Build, ensureTables, readBuild, readBuilds, readCheckpoints, readLive, SCHEMA } from './builds.ts';
import { catchUp } from './catch-up.ts';
import type { Context, LoadedBuild } from './context.ts';
import { createMarks } from './marks.ts';
import { requireMaking, requireOwnSchema, requireReading } from './rights.ts';
import { compact, startBuild } from './start.ts';
import { removeVersion, switchTo, type SwitchReport } from './switch.ts';
import { tailOnce } from './tail.ts';
import { verify, type VerifyReport } from './verify.ts';

export interface OperationsOptions {
  readonly url: string;
  /** Where read models are (`public`). */
  readonly schema?: string;
  readonly store: StoreConfig;
  readonly now?: () => number;
  readonly flush?: FlushPolicy;
}

/** Everything that can be done to the projections of one database, each of it safe to repeat and to cut off. */
export interface Operations {
  readonly context: Context;
  start(code: Code, shards: number): Promise<Build>;
  /** Fold whatever parts nobody else folds, then put them together. @returns whether the version is complete. */
  build(id: VersionId, signal: AbortSignal): Promise<boolean>;
  /** One look for new events, for every version that is complete. Null when another process does it. */
  tail(): Promise<{ readonly events: number } | null>;
  verify(id: VersionId, options?: { readonly streams?: number; readonly refoldEvents?: number }): Promise<VerifyReport>;
  switch(
    id: VersionId,
    options: { readonly keepMs: number; readonly signal: AbortSignal; readonly patienceMs?: number },
  ): Promise<SwitchReport>;
  pause(id: VersionId): Promise<void>;
  cancel(id: VersionId): Promise<void>;
  /** Remove versions whose time is over. */
  retire(): Promise<readonly VersionId[]>;
  coverage(projection: Projection): Promise<readonly CoverageFinding[]>;
  builds(): Promise<readonly Build[]>;
  close(): Promise<void>;
}

export interface VersionId {
  readonly projection: string;
  readonly version: number;
}

/** Time until another look when another process is tailing, ms. */
const AGAIN_MS = 20;

/** @throws UserError `DATABASE_URL_POOLED`, `PROJECTION_RIGHTS`, `EVENTS_TABLE_UNKNOWN`, `EVENTS_COLUMN_UNKNOWN` */
export async function openOperations(options: OperationsOptions): Promise<Operations> {
  const { url, schema = 'public', now = Date.now } = options;
  const pool = new pg.Pool({
    connectionString: url,
    max: 6,
    application_name: 'sluice projections',
    keepAlive: true,
    connectionTimeoutMillis: 10_000,
  });
  pool.on('error', () => {});
  try {
    // Parts of a rebuild are taken by advisory locks of a session.
    await requireDirect(url, 'sluice projections', 'there locks exclude nobody: two would fold the same part');
    await requireOwnSchema(pool);
    await ensureTables(pool);
    const store = await inspectStore(pool, options.store);
    await requireReading(pool, store.relation);
    const context: Context = { url, schema, pool, store, marks: createMarks(store), now };
    return operationsOf(context, options);
  } catch (error) {
    await pool.end();
    throw error;
  }
}

function operationsOf(context: Context, options: OperationsOptions): Operations {
  const { pool } = context;
  return {
    context,
    async start(code, shards) {
      await requireMaking(pool, context.schema);
      return startBuild(context, { projection: await load(code), code: code.text, hash: code.hash, store: options.store, shards });
    },
    build: (id, signal) => buildShards(context, id, signal, options.flush),
    tail: () => tailAll(context),
    async verify(id, wanted = {}) {
      const build = await existing(context, id);
      if (build.phase !== 'tail') throw notReady(build);
      const loaded = await revive(build);
      for (;;) {
        const report = await verify(context, loaded, { ...wanted, ...(await liveBefore(context, id)) });
        if (report !== null) return report;
        await sleep(AGAIN_MS);
      }
    },
    async switch(id, wanted) {
      const build = await existing(context, id);
      const { against } = await liveBefore(context, id);
      return switchTo(context, { ...wanted, to: await revive(build), from: against });
    },
    async pause(id) {
      await existing(context, id);
      await pool.query(`UPDATE ${SCHEMA}.build SET paused = true WHERE projection = $1 AND version = $2`, [id.projection, id.version]);
    },
    cancel: (id) => removeVersion(context, id.projection, id.version),
    async retire() {
      const live = await readLive(pool);
      const over = (await readBuilds(pool)).filter(
        ({ projection, version, retireAt }) =>
          retireAt !== null && retireAt <= context.now() && !live.some((one) => one.projection === projection && one.version === version),
      );
      for (const { projection, version } of over) await removeVersion(context, projection, version);
      return over;
    },
    coverage: async (projection) => coverage(await storedTypes(context), projection),
    builds: () => readBuilds(pool),
    close: () => pool.end(),
  };
}

async function storedTypes({ pool, store }: Context): Promise<StoredType[]> {
  const [, , , schema] = store.columnList;
  const { rows } = await pool.query<{ type: string; schema: number; events: string }>(
    `SELECT ${store.type} AS type, ${schema} AS schema, count(*) AS events FROM ${store.relation} WHERE true${store.filter} GROUP BY 1, 2 ORDER BY 1, 2`,
  );
  return rows.map((row) => ({ ...row, events: Number(row.events) }));
}

async function existing({ pool }: Context, { projection, version }: VersionId): Promise<Build> {
  const build = await readBuild(pool, projection, version);
  if (build === null)
    throw new UserError(
      'PROJECTION_UNKNOWN',
      `there is no version ${version} of ${projection}`,
      '`sluice db projections` lists what there is; `sluice db rebuild` builds a version.',
    );
  return build;
}

const notReady = (build: Build): UserError =>
  new UserError(
    'PROJECTION_NOT_READY',
    `${build.projection} version ${build.version} is not complete yet`,
    '`sluice db projections` shows how far it is.',
  );

const revive = async (build: Build): Promise<LoadedBuild> => ({ build, projection: await load({ text: build.code, hash: build.hash }) });

/** The version that readers use, when it is another one and is up to date. */
async function liveBefore({ pool }: Context, { projection, version }: VersionId): Promise<{ against: LoadedBuild | null; note?: string }> {
  const [live] = await readLive(pool, projection);
  const before = live === undefined ? version : live.version === version ? (live.previous ?? version) : live.version;
  if (before === version) return { against: null };
  const build = await readBuild(pool, projection, before);
  if (build === null) return { against: null, note: `version ${before} is no longer there: not compared` };
  if (build.error !== null) return { against: null, note: `version ${before} stands still (${build.error}): not compared` };
  return { against: await revive(build) };
}

async function tailAll(context: Context): Promise<{ events: number } | null> {
  const own = context.store.layout.table;
  const builds = (await readBuilds(context.pool)).filter(
    ({ phase, error, store }) => phase === 'tail' && error === null && (store.table ?? own) === own,
  );
  if (builds.length === 0) return { events: 0 };
  const loaded = await Promise.all(builds.map(revive));
  try {
    return await tailOnce(context, loaded);
  } catch (error) {
    if (!(error instanceof SluiceError) || error.blame !== 'user' || loaded.length === 0) throw error;
    // One of them cannot go on: find out which, and let the others.
    for (const one of loaded) await tailOnce(context, [one]).catch((failure: unknown) => fail(context, one.build, failure));
    return { events: 0 };
  }
}

async function fail({ pool }: Context, { projection, version }: VersionId, error: unknown): Promise<void> {
  if (!(error instanceof SluiceError) || error.blame !== 'user') throw error;
  await pool.query(`UPDATE ${SCHEMA}.build SET error = $3 WHERE projection = $1 AND version = $2`, [projection, version, error.message]);
}

async function buildShards(context: Context, id: VersionId, signal: AbortSignal, flush?: FlushPolicy): Promise<boolean> {
  const { pool, url, schema, store, marks } = context;
  const build = await readBuild(pool, id.projection, id.version);
  if (build === null || build.error !== null) return false;
  if (build.phase === 'tail') return true;
  if (build.paused) return false;
  const { projection } = await revive(build);
  const onProgress = async (shard: number, at: { readonly ahead: number; readonly events: number }): Promise<boolean> => {
    const { rows } = await pool.query<{ paused: boolean }>(
      `WITH seen AS (UPDATE ${SCHEMA}.checkpoint SET ahead = $4, events = $5 WHERE projection = $1 AND version = $2 AND shard = $3 AND NOT done)
       SELECT paused FROM ${SCHEMA}.build WHERE projection = $1 AND version = $2`,
      [id.projection, id.version, shard, at.ahead, at.events],
    );
    return rows[0]?.paused === false;
  };
  try {
    for (const { shard, done } of await readCheckpoints(pool, build)) {
      if (done) continue;
      const end = await catchUp({
        url,
        schema,
        build,
        projection,
        store,
        marks,
        shard,
        signal,
        onProgress: (at) => onProgress(shard, at),
        ...(flush === undefined ? {} : { flush }),
      });
      if (end === 'stopped') return false;
    }
    return await compact(context, build, projection);
  } catch (error) {
    await fail(context, build, error);
    return false;
  }
}
