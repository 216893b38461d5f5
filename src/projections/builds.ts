import type { Columns } from '../core/data/projections/shape.ts';
import type { Checkpoint } from '../core/data/projections/shards.ts';
import type { Verdict } from '../core/data/projections/verdict.ts';
import { quote, type Queryable, relation, type StoreConfig } from './stores.ts';

/** One version of a projection as the database knows it. */
export interface Build {
  readonly projection: string;
  readonly version: number;
  /** The module with all it imports, as one text; and its digest. */
  readonly code: string;
  readonly hash: string;
  readonly store: StoreConfig;
  readonly columns: Columns;
  /** Events that have been taken in; during the catch-up those that will be when it ends. */
  readonly mark: string;
  readonly upper: number;
  readonly shards: number;
  readonly phase: 'catchUp' | 'tail';
  readonly paused: boolean;
  readonly error: string | null;
  readonly verdict: StoredVerdict | null;
  readonly startedAt: number;
  readonly tailedAt: number | null;
  /** When it may be dropped, once it is no longer live. */
  readonly retireAt: number | null;
}

/** A verdict stands as long as nothing else was built under the same name and version. */
export interface StoredVerdict extends Verdict {
  readonly at: number;
  readonly against: number | null;
}

export interface Live {
  readonly projection: string;
  readonly version: number;
  readonly previous: number | null;
  readonly switchedAt: number;
  readonly view: Columns;
}

export const SCHEMA = 'sluice_projections';

/** Only its owner may use it: the code in it is run. */
const TABLES = `
CREATE TABLE IF NOT EXISTS ${SCHEMA}.build (
  projection text NOT NULL, version int NOT NULL, code text NOT NULL, hash text NOT NULL, store jsonb NOT NULL, columns json NOT NULL,
  mark text NOT NULL, upper bigint NOT NULL, shards int NOT NULL, phase text NOT NULL DEFAULT 'catchUp', paused boolean NOT NULL DEFAULT false,
  error text, verdict jsonb, started_at bigint NOT NULL, tailed_at bigint, retire_at bigint, PRIMARY KEY (projection, version));
CREATE TABLE IF NOT EXISTS ${SCHEMA}.checkpoint (
  projection text NOT NULL, version int NOT NULL, shard int NOT NULL, position bigint NOT NULL DEFAULT 0, ahead bigint NOT NULL DEFAULT 0,
  events bigint NOT NULL DEFAULT 0, flushes int NOT NULL DEFAULT 0, done boolean NOT NULL DEFAULT false, PRIMARY KEY (projection, version, shard)) WITH (fillfactor = 50);
CREATE TABLE IF NOT EXISTS ${SCHEMA}.live (
  projection text PRIMARY KEY, version int NOT NULL, previous int, switched_at bigint NOT NULL, view json NOT NULL);
CREATE TABLE IF NOT EXISTS ${SCHEMA}.outbox (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, projection text NOT NULL, position bigint NOT NULL, n int NOT NULL,
  topic text NOT NULL, payload jsonb NOT NULL, UNIQUE (projection, position, n));
CREATE TABLE IF NOT EXISTS ${SCHEMA}.dead_letter (
  projection text NOT NULL, version int NOT NULL, position bigint NOT NULL, error text NOT NULL, at bigint NOT NULL, PRIMARY KEY (projection, version, position));
`;

/** Make our tables where they are missing. Safe with several at once. */
export async function ensureTables(sql: Queryable): Promise<void> {
  const { rows } = await sql.query<{ there: boolean }>(`SELECT to_regclass('${SCHEMA}.dead_letter') IS NOT NULL AS there`);
  if (rows[0]?.there === true) return;
  // Where the schema was made for us there need be no right to make one, which even IF NOT EXISTS asks for.
  const ours = await sql.query<{ there: boolean }>(`SELECT to_regnamespace('${SCHEMA}') IS NOT NULL AS there`);
  const schema = ours.rows[0]?.there === true ? '' : `CREATE SCHEMA IF NOT EXISTS ${SCHEMA};`;
  await sql.query(`BEGIN; SELECT pg_advisory_xact_lock(7256002); ${schema} ${TABLES} COMMIT`);
}

export const tableOf = ({ projection, version }: Pick<Build, 'projection' | 'version'>, schema: string): string =>
  relation(`${schema}.${projection}_v${version}`);
export const deltaOf = ({ projection, version }: Pick<Build, 'projection' | 'version'>, schema: string): string =>
  relation(`${schema}.${projection}_v${version}_delta`);
export const viewOf = (projection: string, schema: string): string => `${quote(schema)}.${quote(projection)}`;

interface BuildRow extends Omit<Build, 'upper' | 'startedAt' | 'tailedAt' | 'retireAt'> {
  readonly upper: string;
  readonly started_at: string;
  readonly tailed_at: string | null;
  readonly retire_at: string | null;
}

export async function readBuilds(sql: Queryable, projection?: string): Promise<Build[]> {
  const { rows } = await sql.query<BuildRow>(
    `SELECT * FROM ${SCHEMA}.build ${projection === undefined ? '' : 'WHERE projection = $1'} ORDER BY projection, version`,
    projection === undefined ? [] : [projection],
  );
  return rows.map(({ upper, started_at: started, tailed_at: tailed, retire_at: retire, ...row }) => ({
    ...row,
    upper: Number(upper),
    startedAt: Number(started),
    tailedAt: tailed === null ? null : Number(tailed),
    retireAt: retire === null ? null : Number(retire),
  }));
}

export async function readBuild(sql: Queryable, projection: string, version: number): Promise<Build | null> {
  return (await readBuilds(sql, projection)).find((build) => build.version === version) ?? null;
}

export async function readLive(sql: Queryable, projection?: string): Promise<Live[]> {
  const { rows } = await sql.query<Omit<Live, 'switchedAt'> & { switched_at: string }>(
    `SELECT * FROM ${SCHEMA}.live ${projection === undefined ? '' : 'WHERE projection = $1'}`,
    projection === undefined ? [] : [projection],
  );
  return rows.map(({ switched_at: at, ...row }) => ({ ...row, switchedAt: Number(at) }));
}

export async function readCheckpoints(
  sql: Queryable,
  { projection, version }: Pick<Build, 'projection' | 'version'>,
): Promise<Checkpoint[]> {
  const { rows } = await sql.query<Record<'position' | 'ahead' | 'events', string> & Pick<Checkpoint, 'shard' | 'flushes' | 'done'>>(
    `SELECT shard, position, ahead, events, flushes, done FROM ${SCHEMA}.checkpoint WHERE projection = $1 AND version = $2 ORDER BY shard`,
    [projection, version],
  );
  return rows.map((row) => ({ ...row, position: Number(row.position), ahead: Number(row.ahead), events: Number(row.events) }));
}
