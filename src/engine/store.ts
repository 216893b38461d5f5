import type { ReleaseEvent } from '../core/release/events.ts';
import { appChangedBy, liftHold, projectApp, projectRelease } from '../core/release/readmodels.ts';
import type { EnvironmentApp, EnvironmentEvent, ReleaseSummary } from '../core/release/readmodels.ts';
import type { ReleaseState } from '../core/release/state.ts';
import type { Manifest, ReleaseRow } from './face.ts';
import { lockHead, readStored, type Entry } from './log/log.ts';
import type { Database } from './postgres/database.ts';
import type { Sql } from './postgres/connection.ts';
import type { Runbook } from './runbook.ts';
import { releaseOf } from './states.ts';
import { upcast } from './upcast.ts';

/** An event just appended, with its release's state after it (null for events of an environment). */
export interface Happened {
  readonly entry: Entry;
  readonly state: ReleaseState | null;
}

/** Bring the read models up to date, in the transaction that appended the events. */
export async function project(sql: Sql, happened: readonly Happened[]): Promise<void> {
  for (const { entry, state } of happened) {
    if (state === null) await projectEnvironment(sql, entry);
    else await projectOne(sql, entry, state);
  }
}

async function projectOne(sql: Sql, entry: Entry, state: ReleaseState): Promise<void> {
  const event = entry.data as ReleaseEvent;
  if (event.type === 'ReleaseRequested' || event.type === 'ReleaseEnded') {
    const before = await sql.query<{ data: ReleaseSummary }>('SELECT data FROM sluice.release WHERE id = $1', [state.id]);
    const row = projectRelease(before.rows[0]?.data ?? null, event, state, entry.at);
    if (row !== null) await saveRelease(sql, row, entry.position);
  }
  const app = appChangedBy(event);
  if (app === null) return;
  const { environment } = state.plan;
  const before = await loadApp(sql, environment, app);
  const after = projectApp(before, event, state, entry.at);
  if (after !== null && after !== before) await saveApp(sql, environment, after);
}

async function projectEnvironment(sql: Sql, entry: Entry): Promise<void> {
  const event = entry.data as EnvironmentEvent;
  const environment = entry.stream.slice('environment/'.length);
  if (event.type !== 'HoldLifted') return;
  const before = await loadApp(sql, environment, event.app);
  if (before !== null) await saveApp(sql, environment, liftHold(before, event.version));
}

async function saveRelease(sql: Sql, row: ReleaseSummary, position: number): Promise<void> {
  await sql.query(
    `INSERT INTO sluice.release (id, environment, apps, requested_at, requested_position, ended_at, data) VALUES ($1, $2, $3, $4, $5, $6, $7)
     ON CONFLICT (id) DO UPDATE SET ended_at = excluded.ended_at, data = excluded.data`,
    [row.id, row.environment, row.apps, row.requestedAt, position, row.endedAt, JSON.stringify(row)],
  );
  if (row.endedAt === null) await sql.query('INSERT INTO sluice.environment VALUES ($1) ON CONFLICT DO NOTHING', [row.environment]);
}

export async function loadApp(sql: Sql, environment: string, app: string): Promise<EnvironmentApp | null> {
  const result = await sql.query<{ data: EnvironmentApp }>('SELECT data FROM sluice.environment_app WHERE environment = $1 AND app = $2', [environment, app]);
  return result.rows[0]?.data ?? null;
}

async function saveApp(sql: Sql, environment: string, app: EnvironmentApp): Promise<void> {
  await sql.query(
    `INSERT INTO sluice.environment_app (environment, app, data) VALUES ($1, $2, $3)
     ON CONFLICT (environment, app) DO UPDATE SET data = excluded.data`,
    [environment, app.app, JSON.stringify(app)],
  );
}

export async function readManifest(database: Database, environment: string): Promise<Manifest> {
  const rows = await database.read<{ data: EnvironmentApp }>('SELECT data FROM sluice.environment_app WHERE environment = $1 ORDER BY app', [environment]);
  return { environment, apps: Object.fromEntries(rows.map(({ data }) => [data.app, data])) };
}

export async function readEnvironments(database: Database): Promise<readonly string[]> {
  const rows = await database.read<{ name: string }>('SELECT name FROM sluice.environment ORDER BY name');
  return rows.map(({ name }) => name);
}

export interface ReleaseFilter {
  readonly environment?: string;
  readonly app?: string;
  readonly limit?: number;
  readonly active?: boolean;
}

/** Newest first; 50 unless told. */
export async function readReleases(database: Database, filter: ReleaseFilter): Promise<readonly ReleaseRow[]> {
  const conditions: string[] = [];
  const values: unknown[] = [];
  const when = (condition: (place: string) => string, value: unknown) => {
    values.push(value);
    conditions.push(condition(`$${values.length}`));
  };
  if (filter.environment !== undefined) when((place) => `environment = ${place}`, filter.environment);
  if (filter.app !== undefined) when((place) => `apps @> ${place}`, [filter.app]);
  if (filter.active !== undefined) conditions.push(filter.active ? 'ended_at IS NULL' : 'ended_at IS NOT NULL');
  values.push(filter.limit ?? 50);
  const where = conditions.length === 0 ? '' : `WHERE ${conditions.join(' AND ')}`;
  const rows = await database.read<{ data: ReleaseRow }>(
    `SELECT data FROM sluice.release ${where} ORDER BY requested_position DESC LIMIT $${values.length}`,
    values,
  );
  return rows.map(({ data }) => data);
}

const PAGE = 1_000;

/** Make the read models again from the log alone. Nothing is appended meanwhile. @returns events read */
export async function rebuildReadModels(database: Database, runbook: Runbook): Promise<number> {
  return database.transaction(async (sql) => {
    await lockHead(sql);
    await sql.query('DELETE FROM sluice.release; DELETE FROM sluice.environment_app; DELETE FROM sluice.environment');
    const states = new Map<string, ReleaseState>();
    let position = 0;
    for (;;) {
      const page = await readStored(database, position, PAGE);
      for (const row of page) {
        const entry: Entry = { ...row, data: upcast(row.type, row.schema, row.data) as Entry['data'] };
        await project(sql, [{ entry, state: foldInto(states, runbook, entry) }]);
        ({ position } = row);
      }
      if (page.length < PAGE) return position;
    }
  });
}

function foldInto(states: Map<string, ReleaseState>, runbook: Runbook, entry: Entry): ReleaseState | null {
  const release = releaseOf(entry.stream);
  if (release === null) return null;
  const state = runbook.evolve(states.get(release) ?? null, entry.data as ReleaseEvent, entry.at);
  if (state.stage === 'closed') states.delete(release);
  else states.set(release, state);
  return state;
}
