import { randomUUID } from 'node:crypto';
import type { Clock } from '../ports/clock.ts';
import type { ControlPlaneRow } from './face.ts';
import { isGone, type Identity } from './identity.ts';
import type { Database } from './postgres/database.ts';

/** Heartbeats: who of those sharing the database lives, and who takes over from whom. */
export interface Membership {
  /** Ours, new after each time we were taken for dead. */
  id(): string;
  /** Say that we live, and free what a dead one held. */
  beat(): Promise<Beat>;
  /** Leave, handing back all leases. */
  leave(): Promise<void>;
  /** Others were alive when last looked. */
  hasOthers(): boolean;
}

export interface Beat {
  /** Others had taken us for dead: all leases are lost; we go on under a new id. */
  readonly wasBuried: boolean;
  /** DBOS executors of those found dead just now. */
  readonly deadExecutors: readonly string[];
}

interface Row {
  readonly id: string;
  readonly executor: string;
  readonly machine: string;
  readonly pid: number;
  readonly process_start: string;
  readonly beats: number;
}

export interface MembershipOptions {
  readonly database: Database;
  readonly identity: Identity;
  readonly executor: string;
  readonly clock: Clock;
  /** Without a heartbeat for this long a control plane counts as dead, ms. */
  readonly deadMs: number;
}

/** Time that no one can set: for judging silence. */
function steady(): number {
  return performance.now();
}

export async function join(options: MembershipOptions): Promise<Membership> {
  const { database } = options;
  let id = await register(options);
  let others: readonly Row[] = [];
  let lastLook = steady();
  // Silence is measured by our own watch between looks that succeeded: neither wrong clocks nor an outage of the
  // database make anyone look dead.
  const heard = new Map<string, { beats: number; at: number }>();
  return {
    id: () => id,
    hasOthers: () => others.length > 0,
    async beat() {
      const mine = await database.pool.query('UPDATE sluice.control_plane SET beats = beats + 1, seen_at = $2 WHERE id = $1', [
        id,
        options.clock.now(),
      ]);
      const wasBuried = mine.rowCount === 0;
      if (wasBuried) id = await register(options);
      const found = await database.pool.query<Row>(
        'SELECT id, executor, machine, pid, process_start, beats FROM sluice.control_plane WHERE id <> $1',
        [id],
      );
      if (steady() - lastLook > options.deadMs / 2) heard.clear();
      lastLook = steady();
      const dead = await silentOnes(found.rows, heard, options);
      others = found.rows.filter((row) => !dead.includes(row));
      const deadExecutors: string[] = [];
      for (const row of dead) if (await bury(database, row)) deadExecutors.push(row.executor);
      return { wasBuried, deadExecutors };
    },
    async leave() {
      await database.transaction(async (sql) => {
        await sql.query('UPDATE sluice.active SET holder = NULL, wake_at = 0 WHERE holder = $1', [id]);
        await sql.query('DELETE FROM sluice.control_plane WHERE id = $1', [id]);
      });
    },
  };
}

async function register({ database, identity, executor, clock }: MembershipOptions): Promise<string> {
  const id = randomUUID();
  await database.transaction((sql) =>
    sql.query(
      `INSERT INTO sluice.control_plane (id, executor, host, machine, pid, process_start, started_at, seen_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
       ON CONFLICT (id) DO NOTHING`,
      [id, executor, identity.host, identity.machine, identity.pid, identity.processStart, identity.startedAt, clock.now()],
    ),
  );
  return id;
}

async function silentOnes(
  rows: readonly Row[],
  heard: Map<string, { beats: number; at: number }>,
  options: MembershipOptions,
): Promise<Row[]> {
  const dead: Row[] = [];
  for (const row of rows) {
    const before = heard.get(row.id);
    if (before === undefined || before.beats !== row.beats) heard.set(row.id, { beats: row.beats, at: steady() });
    const isSilent = before !== undefined && before.beats === row.beats && steady() - before.at >= options.deadMs;
    const isLocal = row.machine === options.identity.machine;
    if (isSilent || (isLocal && (await isGone(row.pid, row.process_start)))) dead.push(row);
  }
  for (const known of heard.keys()) if (!rows.some((row) => row.id === known)) heard.delete(known);
  return dead;
}

/** Free what it held, for the first that comes. @returns false when another survivor was quicker, or it beat once more */
async function bury(database: Database, row: Row): Promise<boolean> {
  return database.transaction(async (sql) => {
    const gone = await sql.query('DELETE FROM sluice.control_plane WHERE id = $1 AND beats = $2', [row.id, row.beats]);
    if (gone.rowCount === 0) return false;
    await sql.query('UPDATE sluice.active SET holder = NULL, wake_at = 0 WHERE holder = $1', [row.id]);
    return true;
  });
}

export async function readControlPlanes(database: Database, now: number, deadMs: number): Promise<readonly ControlPlaneRow[]> {
  const rows = await database.read<Omit<ControlPlaneRow, 'alive'>>(
    `SELECT c.id, c.host, c.pid, c.started_at AS "startedAt", c.seen_at AS "seenAt",
            (SELECT count(*) FROM sluice.active a WHERE a.holder = c.id) AS releases
     FROM sluice.control_plane c ORDER BY c.started_at, c.id`,
  );
  return rows.map((row) => ({ ...row, alive: now - row.seenAt < deadMs }));
}
