import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { postgresDatabase } from '../adapters/database/postgres/postgres.ts';
import { utf8 } from '../adapters/migrations/files.ts';
import { migrationKinds } from '../adapters/migrations/index.ts';
import { gitSource } from '../adapters/source/git.ts';
import { createSecrets } from '../services/secrets/secrets.ts';
import { refuse, refuseUnapproved, resolveDatabases, type ResolvedDatabase } from '../config/resolve/data-migrations.ts';
import { loadConfig } from '../config/load/load.ts';
import type { Config } from '../config/schema/workspace.ts';
import { checksumOf, type MigrationFile } from '../core/data/migrations/files.ts';
import { mayWorkWith, type SchemaNeeds, type Traffic } from '../core/data/migrations/gates.ts';
import type { PlannedMigration } from '../core/data/migrations/phases.ts';
import { UserError } from '../core/errors.ts';
import type { PlannedMigrations } from '../core/release/preparations/migrations.ts';
import type { SchemaFit } from '../core/release/preparations/schema.ts';
import type { Manifest, ManifestApp } from '../engine/face.ts';
import { findEmbedded, startEmbeddedPostgres } from '../engine/postgres/embedded.ts';
import type { MigrationStage } from '../engine/perform/ports.ts';
import type { Database, DatabasePlan } from '../ports/database.ts';
import type { SourceControl } from '../ports/source.ts';

export interface MigrationsOptions {
  /** Root of the workspace. */
  readonly workspace: string;
  readonly source: SourceControl;
  /** The configuration as it stands now. Default: read from `workspace`. */
  readonly config?: () => Promise<Config>;
  /** Where the addresses of the databases stand. */
  readonly value: (name: string, environment: string | null) => string | undefined;
  readonly manifest: (environment: string) => Promise<Manifest>;
  /** A server of ours for scratch clones, where the user's own may not be used. */
  readonly scratch?: () => Promise<string>;
  readonly log?: (message: string) => void;
}

export interface Migrations {
  databases(environment: string): Promise<readonly ResolvedDatabase[]>;
  open(database: ResolvedDatabase): Database;
  /** Migrations as a commit has them; null: as they lie in the working tree. */
  files(database: ResolvedDatabase, commit: string | null): Promise<readonly MigrationFile[]>;
  /** Versions that use a database, with what they were written for and when they last had traffic. */
  traffic(database: ResolvedDatabase, manifest: Manifest, now: number): Promise<readonly Traffic[]>;
  /**
   * What a release of this commit would run before its apps; undefined when there is nothing to do.
   * @throws UserError `MIGRATION_REFUSED` with everything that may not run as it is.
   */
  planned(environment: string, commit: string, config: Config): Promise<PlannedMigrations | undefined>;
  /** What the migrations planned last for an environment lock, and for about how long; no part of the plan, as tables grow. */
  notices(environment: string): readonly string[];
  readonly stage: MigrationStage;
}

/** An hour: a big backfill is still better done as a migration of its own, ahead of the release. */
const DEADLINE_MS = 3_600_000;

/** Ties configuration, history, manifest and databases together for migrations. */
export function createMigrations(options: MigrationsOptions): Migrations {
  const { manifest } = options;
  const databases = async (environment: string): Promise<ResolvedDatabase[]> =>
    resolveDatabases(await (options.config ?? (() => loadConfig(options.workspace)))(), environment);
  const open = (database: ResolvedDatabase): Database => openDatabase(database, options);
  const files = (database: ResolvedDatabase, commit: string | null): Promise<MigrationFile[]> => filesAt(database, commit, options);
  const needsOf = async (database: ResolvedDatabase, app: string, version: string, commit: string | null): Promise<SchemaNeeds> => ({
    version: `${app} ${version}`,
    migrations: commit === null ? null : await idsAt(database, commit, options),
  });
  const fit = async (database: ResolvedDatabase, needs: readonly SchemaNeeds[]): Promise<string[]> => {
    const record = await open(database).record();
    return needs.flatMap((one) => mayWorkWith(one, record).reasons.map((reason) => `${database.name}: ${reason}`));
  };
  const locks = new Map<string, readonly string[]>();
  return {
    databases,
    open,
    files,
    notices: (environment) => locks.get(environment) ?? [],
    async traffic(database, at, now) {
      const apps = Object.values(at.apps).filter(({ app }) => database.apps.includes(app));
      const seen = apps.flatMap((app) => trafficOf(app, now));
      return Promise.all(
        seen.map(async ({ app, version, commit, lastTrafficAt }) => ({
          app,
          version,
          lastTrafficAt,
          migrations: commit === null ? null : await idsAt(database, commit, options),
        })),
      );
    },
    async planned(environment, commit, config) {
      const found = await Promise.all(
        resolveDatabases(config, environment).map(async (database) => ({
          database: database.name,
          ...(await runnable(database, commit, open(database), files)),
        })),
      );
      locks.set(
        environment,
        found.flatMap((one) => one.locks),
      );
      // Where a plan is approved, what it runs is.
      if (config.environments?.[environment]?.approval === undefined)
        for (const { database, migrations } of found) refuseUnapproved(database, migrations);
      const some = found.filter(({ migrations }) => migrations.length > 0);
      if (some.length === 0) return undefined;
      return {
        databases: some.map(({ database, migrations }) => ({
          database,
          migrations: migrations.map(({ file }) => ({ id: file.id, checksum: file.checksum })),
        })),
        deadlineMs: DEADLINE_MS,
      };
    },
    stage: {
      async apply(request, planned, signal) {
        const all = await databases(request.environment);
        const applied: { database: string; id: string; ms: number }[] = [];
        for (const { database: name, migrations } of planned.databases) {
          const database = all.find((one) => one.name === name);
          if (database === undefined)
            throw new UserError('DATABASE_UNKNOWN', `there is no database ${name} in the configuration any more`, 'Make a new plan.');
          try {
            const chosen = await chosenFor(database, migrations, request.commit, open(database), files);
            const done = await open(database).apply(chosen, {
              by: 'sluice',
              release: request.release,
              signal,
              onProgress: (message) => options.log?.(`${request.release} ${name}: ${message}`),
            });
            applied.push(...done.map(({ id, tookMs }) => ({ database: name, id, ms: tookMs })));
          } catch (error) {
            if (!(error instanceof UserError)) throw error;
            return { applied, old: { works: true, reason: null }, failed: `${name}: ${error.message}` };
          }
        }
        const now = await manifest(request.environment);
        const reasons = await Promise.all(
          all.map(async (database) =>
            fit(
              database,
              await Promise.all(
                Object.values(now.apps)
                  .filter(({ app, stable }) => database.apps.includes(app) && stable !== null)
                  .map(({ app, stable }) => needsOf(database, app, stable?.id ?? '', stable?.commit ?? null)),
              ),
            ),
          ),
        );
        return { applied, old: answer(reasons.flat()), failed: null };
      },
      async worksWith(request, apps) {
        const now = await manifest(request.environment);
        const reasons = await Promise.all(
          (await databases(request.environment)).map(async (database) =>
            fit(
              database,
              await Promise.all(
                apps
                  .filter(({ app }) => database.apps.includes(app))
                  .map(({ app, artifact }) => {
                    const known = now.apps[app];
                    const versions = [known?.stable ?? null, ...(known?.history.map(({ version }) => version) ?? [])];
                    const version = versions.find((one) => one !== null && one.artifact === artifact) ?? null;
                    return needsOf(database, app, version?.id ?? artifact ?? 'unknown', version?.commit ?? null);
                  }),
              ),
            ),
          ),
        );
        return answer(reasons.flat());
      },
    },
  };
}

/** For the command line, which works from where the person sits. */
export function migrationsOf({
  env,
  ...options
}: Pick<MigrationsOptions, 'workspace' | 'manifest'> & { readonly env: NodeJS.ProcessEnv }): Migrations {
  const { value } = createSecrets({ workspace: options.workspace, own: env, ownFirst: true });
  const scratch = async (): Promise<string> => {
    const dir = join(options.workspace, '.sluice');
    if ((await findEmbedded(dir))?.running !== true)
      throw new UserError('SCRATCH_NONE', 'no PostgreSQL of ours runs in this workspace', null);
    return (await startEmbeddedPostgres(dir)).url;
  };
  return createMigrations({ ...options, value, source: gitSource({ dir: options.workspace }), scratch });
}

/** A file that is judged by itself. */
export async function sqlFile(path: string): Promise<MigrationFile> {
  const bytes = await readFile(path).catch((error: unknown) => {
    throw new UserError('MIGRATION_UNREADABLE', `${path} cannot be read`, 'See that it is there.', error);
  });
  const sql = utf8(bytes, path);
  return { id: path, path, sql, line: 1, compensate: null, checksum: checksumOf(sql), noTransaction: false, bookkeeping: null };
}

function answer(reasons: readonly string[]): SchemaFit {
  return { works: reasons.length === 0, reason: reasons.length === 0 ? null : reasons.join('; ') };
}

function openDatabase(database: ResolvedDatabase, { value: valueOf, scratch }: MigrationsOptions): Database {
  const address = (name: string): string => {
    const value = valueOf(name, database.environment);
    if (value === undefined || value === '')
      throw new UserError(
        'DATABASE_ADDRESS_MISSING',
        `${name}, the address of database ${database.name}, is not set`,
        `Put it into .env.${database.environment} or .env, or set ${name} in the shell that runs this command.`,
      );
    return value;
  };
  const servers = [
    ...(database.scratch === null ? [] : [() => Promise.resolve(address(database.scratch ?? ''))]),
    ...(scratch === undefined ? [] : [scratch]),
  ];
  return postgresDatabase({
    direct: address(database.direct),
    pooled: database.pooled === null ? null : address(database.pooled),
    scratch: servers,
    appendOnly: database.appendOnly,
    limits: database.limits,
  });
}

/** Empty where the commit has no such folder. */
async function filesAt(
  database: ResolvedDatabase,
  commit: string | null,
  { workspace, source }: MigrationsOptions,
): Promise<MigrationFile[]> {
  const read = migrationKinds[database.kind];
  if (read === undefined)
    throw new UserError(
      'MIGRATION_FORMAT',
      `nobody knows migrations of kind ${database.kind}`,
      `Known: ${Object.keys(migrationKinds).join(', ')}.`,
    );
  if (commit === null) return read(join(workspace, database.path));
  const dir = await mkdtemp(join(tmpdir(), 'sluice-migrations-'));
  try {
    await source.export(commit, database.path, dir);
    return await read(dir);
  } catch (error) {
    if (error instanceof UserError && error.code === 'PATH_NOT_COMMITTED') return [];
    throw error;
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

/** Null where the commit is not there any more. */
async function idsAt(database: ResolvedDatabase, commit: string, options: MigrationsOptions): Promise<string[] | null> {
  try {
    return (await filesAt(database, commit, options)).map(({ id }) => id);
  } catch (error) {
    if (error instanceof UserError && error.code === 'COMMIT_UNKNOWN') return null;
    throw error;
  }
}

/** What may run before the apps, in order. @throws UserError `MIGRATION_REFUSED`. */
async function runnable(
  database: ResolvedDatabase,
  commit: string,
  connection: Database,
  files: Migrations['files'],
): Promise<{ readonly migrations: readonly PlannedMigration[]; readonly locks: readonly string[] }> {
  const all = await files(database, commit);
  if (all.length === 0) return { migrations: [], locks: [] };
  const { pending, estimates } = await connection.plan(all);
  const early = pending.filter(({ phase }) => phase !== 'contract');
  refuse(database.name, early);
  const mine = estimates.filter(({ id }) => early.some(({ file }) => file.id === id));
  return { migrations: early, locks: mine.flatMap((one) => lockText(database.name, one)) };
}

/** Nothing where no lock is taken that others could notice. */
function lockText(database: string, { id, line, locks, ms }: DatabasePlan['estimates'][number]): string[] {
  const held = Object.entries(locks).map(([table, mode]) => `${table} (${mode})`);
  return held.length === 0 ? [] : [`Migration ${id} of ${database}, line ${line}, locks ${held.join(', ')} for about ${ms} ms.`];
}

/** The files that the plan names, unchanged since. @throws UserError `PLAN_STALE`, `MIGRATION_REFUSED`. */
async function chosenFor(
  database: ResolvedDatabase,
  wanted: readonly { readonly id: string; readonly checksum: string }[],
  commit: string | null,
  connection: Database,
  files: Migrations['files'],
): Promise<PlannedMigration[]> {
  const all = await files(database, commit);
  for (const { id, checksum } of wanted)
    if (all.find((file) => file.id === id)?.checksum !== checksum)
      throw new UserError('PLAN_STALE', `migration ${id} of ${database.name} is not what the plan was made with`, 'Make a new plan.');
  const { pending } = await connection.plan(all);
  const chosen = pending.filter(({ file, phase }) => phase !== 'contract' && wanted.some(({ id }) => id === file.id));
  refuse(database.name, chosen);
  return chosen;
}

/** What had traffic, and until when. */
function trafficOf(app: ManifestApp, now: number): { app: string; version: string; commit: string | null; lastTrafficAt: number }[] {
  const earlier = app.history.filter(({ version }) => version.id !== app.stable?.id).toSorted((a, b) => b.at - a.at);
  const known = new Map(
    [...earlier.map(({ version }) => version), ...(app.stable === null ? [] : [app.stable])].map((version) => [version.id, version]),
  );
  const live = Object.entries(app.weights)
    .filter(([, weight]) => weight > 0)
    .map(([id]) => id);
  const present = new Set([...live, ...(app.stable === null ? [] : [app.stable.id])]);
  return [
    ...[...present].map((version) => ({ app: app.app, version, commit: known.get(version)?.commit ?? null, lastTrafficAt: now })),
    ...earlier
      .filter(({ version }) => !present.has(version.id))
      .map(({ version }, i) => ({
        app: app.app,
        version: version.id,
        commit: version.commit,
        lastTrafficAt: i === 0 ? app.since : (earlier[i - 1]?.at ?? now),
      })),
  ];
}
