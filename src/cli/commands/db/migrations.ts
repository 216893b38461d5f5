import { Option } from 'commander';
import type { ResolvedDatabase } from '../../../config/resolve/data-migrations.ts';
import type { MigrationFile } from '../../../core/data/migrations/files.ts';
import type { Migrations } from '../../../compose/migrations.ts';
import type { PlannedMigration } from '../../../core/data/migrations/phases.ts';
import type { RecordedApproval } from '../../../core/data/migrations/word.ts';
import type { ReleaseState } from '../../../core/release/state/state.ts';
import { UserError } from '../../../core/errors.ts';
import type { Manifest } from '../../../engine/face.ts';
import type { Database } from '../../../ports/database.ts';
import { environmentOption } from '../../session/options.ts';
import type { Session } from '../../session/session.ts';

export interface DbOptions {
  readonly env?: string;
  readonly database?: string;
}

const databaseOption = (): Option => new Option('-d, --database <name>', 'only this database');
export const dbOptions = (): Option[] => [environmentOption(), databaseOption()];

/** One database of an environment, opened from where the person sits: it needs the addresses, not the control plane. */
export interface OpenDatabase {
  readonly settings: ResolvedDatabase;
  readonly database: Database;
  readonly files: readonly MigrationFile[];
}

function environmentFrom(session: Session, options: DbOptions): string {
  return options.env ?? (session.env['SLUICE_ENV'] || 'development');
}

/** @throws UserError `DATABASE_UNKNOWN`, `DATABASE_NONE`. */
export async function openDatabases(
  session: Session,
  options: DbOptions,
): Promise<{ environment: string; opened: OpenDatabase[]; migrations: Awaited<ReturnType<typeof loadMigrations>> }> {
  const environment = environmentFrom(session, options);
  const migrations = await loadMigrations(session);
  const all = await migrations.databases(environment);
  if (all.length === 0)
    throw new UserError(
      'DATABASE_NONE',
      'the configuration names no databases',
      'databases: { shop: { apps, migrations: { path }, direct, pooled } }; see docs/migrations.md.',
    );
  const chosen = options.database === undefined ? all : all.filter(({ name }) => name === options.database);
  if (chosen.length === 0)
    throw new UserError(
      'DATABASE_UNKNOWN',
      `there is no database ${options.database ?? ''}`,
      `Databases: ${all.map(({ name }) => name).join(', ')}.`,
    );
  const opened = await Promise.all(
    chosen.map(async (settings) => ({ settings, database: migrations.open(settings), files: await migrations.files(settings, null) })),
  );
  return { environment, opened, migrations };
}

async function loadMigrations(session: Session) {
  const { migrationsOf } = await import('../../../compose/migrations.ts');
  const client = () => session.client();
  return migrationsOf({
    workspace: await session.workspace(),
    env: session.env,
    manifest: async (environment) => (await client()).get<Manifest>(`/v1/manifest/${encodeURIComponent(environment)}`),
  });
}

/** A file and what stands against it, for people. */
export function plannedLines({ file, phase, statements, refusals, directives, needsApproval }: PlannedMigration): string[] {
  const what =
    refusals.length > 0
      ? 'REFUSED'
      : phase === 'contract'
        ? 'contract: later, with approval'
        : phase === 'backfill'
          ? 'backfill in batches'
          : needsApproval
            ? 'expand, with approval'
            : 'expand';
  const found = statements.flatMap(({ statement, findings }) =>
    findings.flatMap(({ rule, hazard, message, safe, stops }) => [
      `    line ${statement.line}: ${hazard}${stops ? '' : ' (note)'}, rule ${rule}: ${message}${directives.allowed.some((one) => one.rule === rule) ? ' (allowed)' : ''}`,
      ...(safe === null ? [] : [`      instead: ${safe}`]),
    ]),
  );
  const own = refusals.filter((one) => !statements.some(({ findings }) => findings.some(({ message }) => one.includes(message))));
  return [`  ${file.id}  ${what}`, ...found, ...own.map((one) => `    ${one}`)];
}

/** The approval that a release of the environment was given, where the word is the id of one; null where it is not. */
export async function recordedApproval(
  session: Session,
  word: string | undefined,
  migrations: Pick<Migrations, 'files'>,
  settings: ResolvedDatabase,
): Promise<RecordedApproval | null> {
  if (word === undefined || !/^[0-9A-HJKMNP-TV-Z]{26}$/.test(word)) return null;
  const client = await session.client();
  const { plan, preparation } = await client.get<ReleaseState>(`/v1/releases/${encodeURIComponent(word)}`);
  // The working tree is nothing that anybody has approved.
  const files = plan.source.commit === null ? [] : await migrations.files(settings, plan.source.commit);
  return {
    release: word,
    environment: plan.environment,
    given: preparation.approval?.given.map(({ by }) => by) ?? [],
    holds: Object.fromEntries(files.map(({ id, checksum }) => [id, checksum])),
  };
}

/** Ends when a person presses Ctrl-C: what was half done is continued by the next run. */
export async function interruptible<T>(session: Session, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const abort = new AbortController();
  const dispose = session.terminal.onInterrupt(() => abort.abort(new Error('interrupted')));
  try {
    return await work(abort.signal);
  } finally {
    dispose();
  }
}
