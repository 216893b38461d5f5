import type { Effect } from '../core/release/runbook/effects.ts';
import type { ReleaseEvent } from '../core/release/state/events.ts';
import type { Concurrency, VersionRef } from '../core/release/plan/plan.ts';
import type { ReleaseState } from '../core/release/state/state.ts';
import type { NewEvents } from './log/log.ts';
import type { Sql } from './postgres/connection.ts';
import { streamOf, type States } from './states.ts';
import { loadApp } from './store.ts';

/**
 * One release at a time per environment and app (invariant 6). Within an environment, one transaction at a time
 * looks and changes who has what.
 */
export interface ReservationResult {
  /** What happened to the release that asked. */
  readonly events: readonly ReleaseEvent[];
  /** What happened to other releases because of it. */
  readonly others: readonly NewEvents[];
}

/** Taken before the log's head, and after a release's own row in `active`: always in this order, so nothing deadlocks. */
export async function lockReservations(sql: Sql, environment: string): Promise<void> {
  await sql.query('SELECT pg_advisory_xact_lock($1, hashtext($2))', [RESERVATIONS, environment]);
}

const RESERVATIONS = 7_256_003;

interface Waiting {
  readonly release: string;
  readonly place: number;
  readonly apps: readonly string[];
}

/** Who stands in the way of `apps`: the releases that have one, or wait for one since before `place`. App → release. */
async function inTheWay(
  sql: Sql,
  environment: string,
  apps: readonly string[],
  release: string,
  place: number,
): Promise<Map<string, string>> {
  const held = await sql.query<{ app: string; release: string }>(
    'SELECT app, release FROM sluice.reservation WHERE environment = $1 AND app = ANY($2) AND release <> $3',
    [environment, apps, release],
  );
  const blocked = new Map(held.rows.map((row) => [row.app, row.release]));
  const before = await sql.query<Waiting>(
    'SELECT release, place, apps FROM sluice.waiting WHERE environment = $1 AND place < $2 AND apps && $3 ORDER BY place DESC',
    [environment, place, apps],
  );
  for (const other of before.rows) {
    for (const app of other.apps) if (apps.includes(app) && !blocked.has(app)) blocked.set(app, other.release);
  }
  return blocked;
}

/** The release that keeps a new one from being accepted, because one of its apps may not queue. */
export async function rejectedBy(
  sql: Sql,
  environment: string,
  apps: readonly { readonly app: string; readonly concurrency: Concurrency }[],
): Promise<{ app: string; holder: string } | null> {
  const names = apps.filter(({ concurrency }) => concurrency === 'reject').map(({ app }) => app);
  if (names.length === 0) return null;
  const [first] = await inTheWay(sql, environment, names, '', Number.MAX_SAFE_INTEGER);
  return first === undefined ? null : { app: first[0], holder: first[1] };
}

/** Stand in line. */
export async function enqueue(sql: Sql, release: string, environment: string, place: number, apps: readonly string[]): Promise<void> {
  await sql.query('INSERT INTO sluice.waiting (release, environment, place, apps) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING', [
    release,
    environment,
    place,
    apps,
  ]);
}

async function joinLine(sql: Sql, release: string, environment: string, apps: readonly string[]): Promise<void> {
  const head = await sql.query<{ position: number }>('SELECT position FROM sluice.head');
  await enqueue(sql, release, environment, head.rows[0]?.position ?? 0, apps);
}

/** Take all the apps or none. */
export async function reserve(
  sql: Sql,
  states: States,
  state: ReleaseState,
  effect: Effect & { kind: 'reserve' },
): Promise<ReservationResult> {
  const { id, plan } = state;
  const { environment } = plan;
  const apps = effect.apps.map(({ app }) => app).toSorted();
  await lockReservations(sql, environment);
  const found = await sql.query<{ place: number }>('SELECT place FROM sluice.waiting WHERE release = $1', [id]);
  const place = found.rows[0]?.place ?? Number.MAX_SAFE_INTEGER;
  const blocked = await inTheWay(sql, environment, apps, id, place);
  const [first] = blocked;
  if (first !== undefined) {
    // One that comes from waiting for people joins the line at its end.
    if (found.rows[0] === undefined) await joinLine(sql, id, environment, apps);
    const others = await supersede(sql, states, { id, environment, place }, effect.apps, blocked);
    return { events: [{ type: 'ReservationBusy', app: first[0], holder: first[1] }], others };
  }
  await sql.query(
    'INSERT INTO sluice.reservation (environment, app, release) SELECT $1, app, $3 FROM unnest($2::text[]) AS app ON CONFLICT (environment, app) DO NOTHING',
    [environment, apps, id],
  );
  await leaveLine(sql, id);
  const stables: Record<string, VersionRef | null> = {};
  for (const app of apps) stables[app] = (await loadApp(sql, environment, app))?.stable ?? null;
  return { events: [{ type: 'ReservationsAcquired', stables }], others: [] };
}

/** Tell those in the way of an app with concurrency `supersede` to stop: the one at work, and all older ones in line. */
async function supersede(
  sql: Sql,
  states: States,
  me: { readonly id: string; readonly environment: string; readonly place: number },
  apps: readonly { readonly app: string; readonly concurrency: Concurrency }[],
  blocked: ReadonlyMap<string, string>,
): Promise<NewEvents[]> {
  const names = apps.filter(({ concurrency }) => concurrency === 'supersede').map(({ app }) => app);
  if (names.length === 0) return [];
  const older = await sql.query<Waiting>(
    'SELECT release, place, apps FROM sluice.waiting WHERE environment = $1 AND place < $2 AND apps && $3',
    [me.environment, me.place, names],
  );
  const targets = new Set([...names.flatMap((name) => blocked.get(name) ?? []), ...older.rows.map(({ release }) => release)]);
  const told: NewEvents[] = [];
  for (const release of targets) {
    const stage = (await states.load(sql, release))?.state.stage;
    if (stage !== 'queued' && stage !== 'preparing' && stage !== 'rolling') continue;
    told.push(tell(release, { type: 'AbortRequested', by: 'sluice', reason: `superseded by ${me.id}` }));
  }
  return told;
}

/** Give everything back and wake the releases that can go on because of it. */
export async function unreserve(sql: Sql, state: ReleaseState): Promise<ReservationResult> {
  const { environment } = state.plan;
  await lockReservations(sql, environment);
  const had = await sql.query<{ app: string }>('DELETE FROM sluice.reservation WHERE release = $1 RETURNING app', [state.id]);
  const line = await leaveLine(sql, state.id);
  const freed = new Set([...had.rows.map(({ app }) => app), ...line]);
  return { events: [{ type: 'ReservationsReleased' }], others: await nextInLine(sql, environment, freed, state.id) };
}

/** A release that no longer waits must not keep those behind it waiting. @returns the apps it stood in line for */
async function leaveLine(sql: Sql, release: string): Promise<readonly string[]> {
  const left = await sql.query<{ apps: string[] }>('DELETE FROM sluice.waiting WHERE release = $1 RETURNING apps', [release]);
  return left.rows[0]?.apps ?? [];
}

/** Only those that can start now are woken: a long line costs nothing. */
async function nextInLine(sql: Sql, environment: string, freed: ReadonlySet<string>, by: string): Promise<NewEvents[]> {
  if (freed.size === 0) return [];
  const taken = await sql.query<{ app: string }>('SELECT app FROM sluice.reservation WHERE environment = $1', [environment]);
  const line = await sql.query<Waiting>('SELECT release, place, apps FROM sluice.waiting WHERE environment = $1 ORDER BY place', [
    environment,
  ]);
  const blocked = new Set(taken.rows.map(({ app }) => app));
  const woken: NewEvents[] = [];
  for (const { release, apps } of line.rows) {
    const app = apps.find((name) => freed.has(name));
    if (app !== undefined && !apps.some((name) => blocked.has(name))) {
      woken.push(tell(release, { type: 'ReservationFreed', app, by }));
    }
    for (const name of apps) blocked.add(name);
  }
  return woken;
}

function tell(release: string, event: ReleaseEvent): NewEvents {
  return { stream: streamOf(release), events: [event] };
}
