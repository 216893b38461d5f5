import type { ReleaseEvent } from '../core/release/state/events.ts';
import { appChangedBy, liftHold, projectApp, projectRelease } from '../core/release/state/readmodels.ts';
import type { EnvironmentApp, EnvironmentEvent, ReleaseSummary } from '../core/release/state/readmodels.ts';
import type { ReleaseState } from '../core/release/state/state.ts';
import type { Manifest, ReleaseRow } from './face.ts';
import { readStored } from './log/log.ts';
import type { Database } from './postgres/database.ts';
import type { Sql } from './postgres/connection.ts';
import type { Runbook } from './runbook.ts';
import { releaseOf } from './states.ts';
import { upcast } from './upcast.ts';

/** An event of a release, with the release's state after it. */
export interface Happened {
  readonly event: ReleaseEvent;
  readonly state: ReleaseState;
}

/** Bring the read models up to date, in the transaction that appends the events. `position`: of a release's first event. */
export async function project(sql: Sql, happened: readonly Happened[], at: number, position = 0): Promise<void> {
  for (const { event, state } of happened) {
    if (event.type === 'ReleaseRequested' || event.type === 'ReleaseEnded') {
      const before = await sql.query<{ data: ReleaseSummary }>('SELECT data FROM sluice.release WHERE id = $1', [state.id]);
      const row = projectRelease(before.rows[0]?.data ?? null, event, state, at);
      if (row !== null) await saveRelease(sql, row, position);
    }
    const app = appChangedBy(event);
    if (app === null) continue;
    const { environment } = state.plan;
    const before = await lockApp(sql, environment, app);
    const after = projectApp(before, event, state, at);
    if (after !== null && after !== before) await saveApp(sql, environment, after);
  }
}

export async function projectEnvironment(sql: Sql, environment: string, event: EnvironmentEvent): Promise<void> {
  const before = await lockApp(sql, environment, event.app);
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
  const result = await sql.query<{ data: EnvironmentApp }>('SELECT data FROM sluice.environment_app WHERE environment = $1 AND app = $2', [
    environment,
    app,
  ]);
  return result.rows[0]?.data ?? null;
}

/** As `loadApp`; nobody else changes it until the transaction ends. */
export async function lockApp(sql: Sql, environment: string, app: string): Promise<EnvironmentApp | null> {
  const result = await sql.query<{ data: EnvironmentApp }>(
    'SELECT data FROM sluice.environment_app WHERE environment = $1 AND app = $2 FOR UPDATE',
    [environment, app],
  );
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
  const rows = await database.read<{ data: EnvironmentApp }>(
    'SELECT data FROM sluice.environment_app WHERE environment = $1 ORDER BY app',
    [environment],
  );
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
    await sql.query('LOCK TABLE sluice.active, sluice.release, sluice.environment_app, sluice.head IN EXCLUSIVE MODE');
    await sql.query('DELETE FROM sluice.release; DELETE FROM sluice.environment_app; DELETE FROM sluice.environment');
    const states = new Map<string, ReleaseState>();
    let position = 0;
    for (;;) {
      const page = await readStored(database, position, PAGE);
      for (const row of page) {
        const data = upcast(row.type, row.schema, row.data);
        const release = releaseOf(row.stream);
        if (row.stream.startsWith('environment/'))
          await projectEnvironment(sql, row.stream.slice('environment/'.length), data as unknown as EnvironmentEvent);
        else if (release !== null)
          await project(sql, [foldInto(states, runbook, release, data as unknown as ReleaseEvent, row.at)], row.at, row.position);
        ({ position } = row);
      }
      if (page.length < PAGE) return position;
    }
  });
}

function foldInto(states: Map<string, ReleaseState>, runbook: Runbook, release: string, event: ReleaseEvent, at: number): Happened {
  const state = runbook.evolve(states.get(release) ?? null, event, at);
  if (state.stage === 'closed') states.delete(release);
  else states.set(release, state);
  return { event, state };
}
