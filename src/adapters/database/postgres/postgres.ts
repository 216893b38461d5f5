import pg from 'pg';
import { directivesOf, type MigrationFile, withParameters } from '../../../core/data/migrations/files.ts';
import { planMigration, type PlannedMigration } from '../../../core/data/migrations/phases.ts';
import { pendingOf } from '../../../core/data/migrations/record.ts';
import type { Statement } from '../../../core/data/migrations/ast.ts';
import { lockStrength } from '../../../core/data/migrations/trace.ts';
import { UserError } from '../../../core/errors.ts';
import type { Database, DatabasePlan } from '../../../ports/database.ts';
import { keepInStep, ranBefore, strikeOut } from './bookkeeping.ts';
import { recordBaseline } from './baseline.ts';
import { readCatalog } from './catalog.ts';
import { createScratch, type Scratch } from './clone.ts';
import { connect, identity, isPooled } from './connect.ts';
import { examine } from './examine.ts';
import { ensureLedger, readLedger, writeState } from './ledger.ts';
import { type Limits, LIMITS } from './limits.ts';
import { parseStatements } from './parse.ts';
import { lookAt } from './rights.ts';
import { type Hands, inTransaction } from './hands.ts';
import { applyFiles, runFile } from './runner.ts';

export interface PostgresOptions {
  /** For the apps, as a rule through a pooler; null where there is none. */
  readonly pooled: string | null;
  /** Straight to the server: locks, and what the session keeps, get lost in a pooler. */
  readonly direct: string;
  /** Servers to make scratch databases on, in the order in which they are tried. The direct address' own is always the first. */
  readonly scratch?: readonly (() => Promise<string>)[];
  /** Tables of events. */
  readonly appendOnly?: readonly string[];
  readonly limits?: Partial<Limits>;
}

/** A PostgreSQL (15 or newer) that the user runs, as any role that owns the tables it changes. */
export function postgresDatabase(options: PostgresOptions): Database {
  const limits: Limits = { ...LIMITS, ...options.limits };
  const withDirect = async <T>(work: (client: pg.Client) => Promise<T>): Promise<T> => {
    const client = await openDirect(options.direct, 'sluice');
    try {
      return await work(client);
    } finally {
      await client.end().catch(() => {});
    }
  };
  const withHands = async <T>(work: (hands: Hands) => Promise<T>): Promise<T> => {
    const client = await openDirect(options.direct, 'sluice migrations');
    const watch = await connect(options.direct, 'sluice watching', 'direct').catch(async (error: unknown) => {
      await client.end();
      throw error;
    });
    try {
      const { rows } = await client.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
      return await work({ work: client, watch, pid: rows[0]?.pid ?? 0 });
    } finally {
      await Promise.all([client.end().catch(() => {}), watch.end().catch(() => {})]);
    }
  };
  return {
    look: () => withDirect(async (client) => lookAt(client, await checkPooled(client, options.pooled))),
    record: () => withDirect(readLedger),
    plan: (files) => withDirect((client) => planOn(client, files, options, limits)),
    baseline: (files, by) =>
      withDirect(async (client) => {
        const notes: string[] = [];
        const scratch = await openScratch(null, options, notes);
        if (scratch === null)
          throw new UserError('MIGRATION_BASELINE_UNTRIED', notes.join(' '), 'Give the role CREATEDB, or name a server as scratch.');
        try {
          return await recordBaseline(client, files, by, scratch, limits);
        } finally {
          await scratch.drop();
        }
      }),
    apply: (files, how) => withHands((hands) => applyFiles(hands, files, how, limits)),
    compensate: (file, how) =>
      withHands(async (hands) => {
        const done = (await readLedger(hands.work)).find(({ id }) => id === file.id);
        if (done?.state !== 'applied')
          throw new UserError('MIGRATION_NOT_APPLIED', `${file.id} is not applied here`, '`sluice db status` says what is.');
        if (file.compensate === null)
          throw new UserError(
            'MIGRATION_NO_COMPENSATION',
            `${file.path} has no compensating script`,
            'Write what takes it back beside it, or a new migration.',
          );
        const script = { sql: file.compensate, path: `${file.path} (what takes it back)`, line: 1 };
        await ensureLedger(hands.work);
        await inTransaction(hands, file.id, [], how, limits, async (work) => {
          await runFile(work, script, limits);
          await strikeOut(work, file);
          await writeState(
            work,
            { id: file.id, checksum: file.checksum, phase: done.phase, by: how.by, release: how.release },
            'compensated',
          );
        });
      }),
  };
}

/** @throws UserError `DATABASE_URL_POOLED`. */
async function openDirect(url: string, name: string): Promise<pg.Client> {
  const client = await connect(url, name, 'direct');
  if (!(await isPooled(client))) return client;
  await client.end();
  throw new UserError(
    'DATABASE_URL_POOLED',
    'the direct address goes through a pooler, where advisory locks exclude nobody and settings leak to others',
    'Give the address of PostgreSQL itself (as a rule port 5432), and the pooler’s as `pooled`.',
  );
}

/** @throws UserError `DATABASE_URLS_DIFFER`. */
async function checkPooled(direct: pg.Client, url: string | null): Promise<boolean> {
  if (url === null) return false;
  const pooled = await connect(url, 'sluice', 'pooled');
  try {
    const [here, there, through] = [await identity(direct), await identity(pooled), await isPooled(pooled)];
    if (here === there) return through;
    throw new UserError(
      'DATABASE_URLS_DIFFER',
      'the pooled and the direct address lead to different databases',
      'Correct one of them: migrations would change what no app uses.',
    );
  } finally {
    await pooled.end().catch(() => {});
  }
}

async function planOn(client: pg.Client, files: readonly MigrationFile[], options: PostgresOptions, limits: Limits): Promise<DatabasePlan> {
  const own = await readLedger(client);
  const record = [...(await ranBefore(client, files, own)), ...own];
  const pending = pendingOf(files, record);
  if (pending.length === 0) return { pending: [], record, traced: false, notes: [], estimates: [] };
  const notes: string[] = [];
  const parsed = await Promise.all(
    pending.map(async (file) => {
      const directives = directivesOf(file);
      const sql = directives.backfill === null ? file.sql : withParameters(file.sql);
      return { file, directives, statements: await parseStatements(sql, file.path, file.line) };
    }),
  );
  // Compiling the look at the catalog takes longer than looking.
  await client.query('SET jit = off');
  const scratch = await openScratch(client, options, notes);
  try {
    if (scratch !== null) notes.push(...scratch.missing.map((one) => `The scratch clone lacks something: ${one}`));
    const known = await readCatalog(client);
    const judged = await examine({
      files: parsed.map(({ statements, directives }) => (directives.backfill === null ? statements : statements.map(untraced))),
      scratch: scratch?.client ?? null,
      known,
      appendOnly: options.appendOnly ?? [],
      serverMajor: await majorOf(client),
      limits,
      missing: scratch?.missing ?? [],
      invalid: Object.entries(known.indexes).flatMap(([name, { valid, partitioned }]) => (valid || partitioned ? [] : [name])),
      untried: scratch === null ? 'Give the role CREATEDB, or name a server as scratch; or approve it' : null,
      isAlone: (i) => parsed[i]?.file.noTransaction === true,
      finish: (target, i) => noteAsRunner(target, parsed[i]?.file ?? null),
    });
    const planned = parsed.map(({ file, directives }, i) => planMigration(file, directives, judged[i] ?? []));
    const last = record.findLast(({ state }) => state === 'applied')?.id;
    for (const { file, phase } of planned)
      if (last !== undefined && file.id < last && phase === 'expand') notes.push(`${file.id} comes before ${last}, which has run already`);
    return { pending: planned, record, traced: scratch !== null, notes, estimates: planned.flatMap((one) => estimatesOf(one, known)) };
  } finally {
    await scratch?.drop();
  }
}

/** What the runner writes down at the end of a file: a file may leave a session in which that fails. */
async function noteAsRunner(client: pg.Client, file: MigrationFile | null): Promise<void> {
  if (file === null) return;
  await ensureLedger(client);
  await keepInStep(client, file);
  await writeState(client, { id: file.id, checksum: file.checksum, phase: 'expand', by: 'plan', release: null }, 'applied');
}

async function majorOf(client: pg.Client): Promise<number> {
  const { rows } = await client.query<{ major: number }>("SELECT current_setting('server_version_num')::int / 10000 AS major");
  return rows[0]?.major ?? 15;
}

/** A batch has parameters, which nothing but the runner fills in. */
function untraced(statement: Statement): Statement {
  return { ...statement, sql: statement.sql.replaceAll(/\$[12]\b/g, 'NULL') };
}

async function openScratch(client: pg.Client | null, options: PostgresOptions, notes: string[]): Promise<Scratch | null> {
  const servers = [...(options.scratch ?? []), () => Promise.resolve(options.direct)];
  // The same server first: other versions lock differently. Then what is configured, or there anyway.
  for (const server of [...servers.slice(-1), ...servers.slice(0, -1)]) {
    try {
      return await createScratch(client, await server());
    } catch (error) {
      notes.push(
        `No scratch clone: ${(error as Error).message}.${error instanceof UserError && error.hint !== null ? ` ${error.hint}` : ''}`,
      );
    }
  }
  notes.push('Statements were judged by their text alone.');
  return null;
}

/** Bytes a second that PostgreSQL reads, or writes anew, on a small machine: timings of an empty clone say nothing of rows. */
const READ_BYTES_PER_MS = 200_000;
const WRITE_BYTES_PER_MS = 30_000;

function estimatesOf(planned: PlannedMigration, known: Awaited<ReturnType<typeof readCatalog>>): DatabasePlan['estimates'] {
  return planned.statements.flatMap(({ statement, trace }) => {
    if (trace === null || trace.error !== null) return [];
    const size = (name: string): number => known.tables[name]?.bytes ?? 0;
    const work = [
      ...trace.rewritten.map((name) => size(name) / WRITE_BYTES_PER_MS),
      ...trace.scanned.map((name) => size(name) / READ_BYTES_PER_MS),
    ];
    const locks = Object.fromEntries(
      Object.entries(trace.locks).filter(
        ([name, mode]) => known.tables[name] !== undefined && lockStrength(mode) >= lockStrength('ShareUpdateExclusiveLock'),
      ),
    );
    return [{ id: planned.file.id, line: statement.line, locks, ms: Math.round(1 + work.reduce((sum, one) => sum + one, 0)) }];
  });
}
