import type pg from 'pg';
import { needsNoTransaction } from '../../../core/data/migrations/classify.ts';
import { type Statement, str } from '../../../core/data/migrations/ast.ts';
import type { Catalog } from '../../../core/data/migrations/catalog.ts';
import { settingsOf } from '../../../core/data/migrations/rules/session.ts';
import { lockStrength, type Trace } from '../../../core/data/migrations/trace.ts';
import { type Limits, LIMITS } from './limits.ts';
import { limitsInSql, ownAgain } from './session.ts';
import { createLook } from './look.ts';

interface RelationRow {
  readonly oid: string;
  readonly name: string;
  readonly file: string | null;
  readonly scans: string;
}

/** Files and scans of every relation; an index, and the table of overflowing values, count as their table. */
const RELATIONS = `SELECT c.oid::int8 AS oid, tn.nspname || '.' || t.relname AS name, pg_relation_filenode(c.oid)::text AS file,
  CASE WHEN c.relkind IN ('r', 'm') THEN pg_stat_get_xact_numscans(c.oid) ELSE 0 END::text AS scans
FROM pg_class c LEFT JOIN pg_index i ON i.indexrelid = c.oid LEFT JOIN pg_class o ON o.reltoastrelid = c.oid
JOIN pg_class t ON t.oid = coalesce(i.indrelid, o.oid, c.oid) JOIN pg_namespace tn ON tn.oid = t.relnamespace
WHERE c.relkind IN ('r', 'p', 'm', 'i', 'I') AND tn.nspname !~ '^pg_' AND tn.nspname <> 'information_schema'`;

const LOCKS = `SELECT l.relation::int8 AS oid, l.mode FROM pg_locks l
WHERE l.pid = pg_backend_pid() AND l.locktype = 'relation' AND l.granted AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())`;

/** What belongs to the whole server, and was written: the clone is on a server that others use. */
const SHARED = `SELECT 1 FROM pg_locks l WHERE l.pid = pg_backend_pid() AND l.locktype = 'relation' AND l.database = 0
  AND l.mode NOT IN ('AccessShareLock', 'RowShareLock') AND l.relation = ANY (SELECT c.oid FROM pg_class c WHERE c.relisshared AND c.relname IN
    ('pg_authid', 'pg_auth_members', 'pg_database', 'pg_db_role_setting', 'pg_tablespace', 'pg_parameter_acl', 'pg_shdescription', 'pg_shseclabel', 'pg_subscription', 'pg_replication_origin')) LIMIT 1`;

/** Functions that act on the server, on other sessions or on other servers, and cannot be taken back. */
const REACHING =
  /\b(pg_terminate_backend|pg_cancel_backend|pg_reload_conf|pg_rotate_logfile|pg_switch_wal|pg_promote|pg_wal_replay_\w+|pg_(?:create|drop|copy)_\w*replication_slot|pg_replication_\w+|pg_stat_reset\w*|pg_logical_emit_message|pg_backup_start|pg_backup_stop|pg_create_restore_point|dblink\w*|lo_export|lo_import|pg_file_\w+|pg_notify)\b/i;
const REACHING_KINDS =
  /^(AlterSystem|Createdb|Dropdb|CreateTableSpace|DropTableSpace|AlterDatabase|AlterDatabaseSet|AlterRoleSet|CreateSubscription|AlterSubscription|DropSubscription|ImportForeignSchema|Checkpoint|Load)Stmt$/;

/** Tries the statements of files on a scratch clone as the runner runs them. */
export interface Tracer {
  /** A file begins: in one transaction under the runner's limits; `alone`: each statement outside of one. */
  begin(alone: boolean): Promise<void>;
  run(statement: Statement, before: Catalog): Promise<Trace>;
  /** The file ends. `finish`: what the runner writes down in the same transaction. @returns why that fails; null when it does not. */
  end(finish: ((client: pg.Client) => Promise<void>) | null): Promise<string | null>;
}

/** `keep` false: nothing stays done, as far as the statements allow it. `invalid`: indexes that an earlier build left, which the runner removes first. */
export async function createTracer(
  client: pg.Client,
  keep = true,
  limits: Limits = LIMITS,
  invalid: readonly string[] = [],
): Promise<Tracer> {
  const rule = limitsInSql(limits);
  const look = await createLook(client);
  let isInFile = false;
  let isUntouched = true;
  let done: string[] = [];
  let reached = false;

  const open = async (): Promise<void> => {
    await client.query(`BEGIN; ${rule}`);
    isUntouched = true;
  };

  async function begin(alone: boolean): Promise<void> {
    isInFile = !alone;
    done = [];
    reached = false;
    if (isInFile) await open();
  }

  async function run(statement: Statement, before: Catalog): Promise<Trace> {
    const since = performance.now();
    const trace = (rest: Partial<Trace>): Trace => ({
      locks: {},
      held: {},
      rewritten: [],
      scanned: [],
      after: before,
      error: null,
      untried: null,
      reaches: false,
      tookMs: performance.now() - since,
      ...rest,
    });
    if (statement.kind === 'TransactionStmt') return trace({});
    const untried = whyUntried(statement);
    if (untried !== null) return trace({ untried, reaches: REACHING_KINDS.test(statement.kind) });
    if (statement.kind === 'VariableSetStmt' && (!isInFile || isUntouched)) {
      // Before the first look at anything: some settings of a transaction are only allowed there.
      const error = await tryOut(client, isInFile ? `${statement.sql}\n;${rule}` : statement.sql);
      if (error !== null && isInFile) {
        await client.query('ROLLBACK');
        await open();
      } else if (error === null) done.push(statement.sql);
      return trace({ error, after: error === null ? await look.at(before) : before });
    }
    if (needsNoTransaction(statement)) {
      const name = statement.kind === 'IndexStmt' ? str(statement.tree, 'idxname') : '';
      const left = invalid.find((one) => name !== '' && one.endsWith(`.${name}`));
      if (left !== undefined && !isInFile) await tryOut(client, `DROP INDEX IF EXISTS ${quotedName(left)}`);
      const error = isInFile ? 'it cannot run inside a transaction block' : await tryOut(client, statement.sql);
      return trace({ error, after: isInFile ? before : await look.at(null) });
    }
    if (!isInFile) await client.query(`BEGIN; ${rule}`);
    try {
      return trace(await inside(statement));
    } finally {
      // A failed one is over already, and both end it.
      if (!isInFile) await client.query(keep && !reached ? 'COMMIT' : 'ROLLBACK').catch(() => client.query('ROLLBACK'));
    }
  }

  async function inside(statement: Statement): Promise<Partial<Trace>> {
    isUntouched = false;
    await client.query('SAVEPOINT sluice_one');
    const relations = await snapshot(client);
    const known = await locksOf(client, relations);
    const error = await tryOut(client, `${statement.sql}\n;${rule}`);
    if (error !== null) {
      await client.query(`ROLLBACK TO SAVEPOINT sluice_one; RELEASE SAVEPOINT sluice_one; ${rule}`);
      return { error, held: known };
    }
    const after = await look.at(null);
    const now = await snapshot(client);
    const held = await locksOf(client, relations);
    const locks = Object.fromEntries(Object.entries(held).filter(([name, mode]) => lockStrength(mode) > lockStrength(known[name])));
    const shared = await client.query(SHARED);
    const reaches = shared.rowCount !== 0 && !reached;
    if (reaches) reached = true;
    else done.push(statement.sql);
    await client.query('RELEASE SAVEPOINT sluice_one');
    return { locks, held, ...compare(relations, now), after, reaches };
  }

  async function end(finish: ((client: pg.Client) => Promise<void>) | null): Promise<string | null> {
    let error: string | null = null;
    const settle = async (work: () => Promise<unknown>): Promise<void> => {
      error ??= await work().then(
        () => null,
        (reason: unknown) => (reason as Error).message,
      );
    };
    if (!isInFile) {
      if (finish !== null) await settle(() => ownAgain(client, ''));
      if (finish !== null) await settle(() => finish(client));
    } else {
      if (finish !== null) {
        await client.query('SAVEPOINT sluice_one');
        await settle(() => ownAgain(client, rule));
        if (error === null) await settle(() => finish(client));
        if (error !== null) await client.query('ROLLBACK TO SAVEPOINT sluice_one');
      }
      if (!keep || reached) await client.query('ROLLBACK');
      else await settle(() => client.query('COMMIT'));
      if (keep && reached) await again();
    }
    isInFile = false;
    await client.query('ROLLBACK');
    await client.query('DISCARD ALL');
    await client.query('SET jit = off');
    return error;
  }

  /** What can be kept of a file that also wrote what belongs to the whole server. */
  async function again(): Promise<void> {
    await open();
    for (const sql of done) {
      await client.query('SAVEPOINT sluice_one');
      const error = await tryOut(client, `${sql}\n;${rule}`);
      await client.query(`${error === null ? '' : 'ROLLBACK TO SAVEPOINT sluice_one; '}RELEASE SAVEPOINT sluice_one`);
    }
    await client.query('COMMIT').catch(() => client.query('ROLLBACK'));
  }

  return { begin, run, end };
}

/** `schema.name` as SQL. */
function quotedName(full: string): string {
  const at = full.indexOf('.');
  return [full.slice(0, at), full.slice(at + 1)].map((part) => `"${part.replaceAll('"', '""')}"`).join('.');
}

/** Why a statement is not tried on a clone; null where it is. */
function whyUntried(statement: Statement): string | null {
  const { kind, sql, nested } = statement;
  if (REACHING_KINDS.test(kind)) return 'it reaches beyond the database, so that it was not tried on the clone';
  const texts = [sql, ...nested.map((one) => one.sql)];
  const name = texts.map((text) => REACHING.exec(text)?.[1] ?? null).find((one) => one !== null);
  if (name !== undefined) return `it calls ${name}, which cannot be taken back, so that it was not tried on the clone`;
  if (kind === 'CopyStmt' && /\b(from|to)\s+(program\b|')/i.test(sql))
    return 'it reads or writes outside the database, so that it was not tried on the clone';
  const role = settingsOf(statement).find((one) => one.name === 'role' || one.name === 'session_authorization');
  if (role !== undefined && kind === 'VariableSetStmt' && role.value !== null)
    return `what role ${role.value} may do was not tried: the clone has no privileges`;
  return null;
}

async function tryOut(client: pg.Client, sql: string): Promise<string | null> {
  try {
    await client.query(sql);
    return null;
  } catch (error) {
    return (error as Error).message;
  }
}

async function snapshot(client: pg.Client): Promise<Map<number, RelationRow>> {
  const { rows } = await client.query<RelationRow>(RELATIONS);
  return new Map(rows.map((row) => [Number(row.oid), row]));
}

/** Relation → the strongest lock held on it. */
async function locksOf(client: pg.Client, relations: ReadonlyMap<number, RelationRow>): Promise<Record<string, string>> {
  const { rows } = await client.query<{ oid: string; mode: string }>(LOCKS);
  const locks: Record<string, string> = {};
  for (const { oid, mode } of rows) {
    const name = relations.get(Number(oid))?.name;
    if (name !== undefined && lockStrength(mode) > lockStrength(locks[name])) locks[name] = mode;
  }
  return locks;
}

function compare(before: ReadonlyMap<number, RelationRow>, after: ReadonlyMap<number, RelationRow>): Pick<Trace, 'rewritten' | 'scanned'> {
  const rewritten = new Set<string>();
  const scanned = new Set<string>();
  for (const [oid, was] of before) {
    const is = after.get(oid);
    if (is === undefined) continue;
    if (was.file !== is.file && was.file !== null) rewritten.add(was.name);
    if (Number(is.scans) > Number(was.scans)) scanned.add(was.name);
  }
  // An index that is built anew under a name of its own is a new file of its table, when that was there before.
  return { rewritten: [...rewritten], scanned: [...scanned] };
}
