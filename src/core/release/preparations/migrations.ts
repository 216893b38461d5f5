import type { ChecklistLine } from '../state/checklist-line.ts';
import { plural } from '../../text/words.ts';
import type { SchemaFit } from './schema.ts';
import { line, type PreparationStage, type ReleaseView } from './stage.ts';

export interface PlannedMigrations {
  readonly databases: readonly {
    readonly database: string;
    /** In the order in which they are applied. */
    readonly migrations: readonly { readonly id: string; readonly checksum: string }[];
  }[];
  readonly deadlineMs: number;
}

export interface AppliedMigration {
  readonly database: string;
  readonly id: string;
  readonly ms: number;
}

export interface Types {
  readonly plan: { readonly migrations?: PlannedMigrations };
  readonly state: {
    /** `old`: whether the versions that run now can work with the schema it made. */
    readonly migrations: { readonly at: number; readonly applied: readonly AppliedMigration[]; readonly old: SchemaFit } | null;
  };
  readonly event:
    /** `old`: whether the versions that run now can work with the schema as it is from here on. */
    | { readonly type: 'MigrationsApplied'; readonly applied: readonly AppliedMigration[]; readonly old: SchemaFit }
    | { readonly type: 'MigrationsFailed'; readonly reason: string };
  /** Answers MigrationsApplied | MigrationsFailed. */
  readonly effect: { readonly kind: 'migrate'; readonly migrations: PlannedMigrations };
}

/** Schema changes that the new versions need and the old ones can work with. */
export const migrations: PreparationStage<Types> = {
  name: 'migrations',
  during: 'preparing',
  planned: 'migrations',
  initial: { migrations: null },
  events: { MigrationsApplied: 'good', MigrationsFailed: 'bad' },
  fold(_release, event, at) {
    if (event.type === 'MigrationsFailed') return { failed: { code: 'MIGRATION_FAILED', message: event.reason } };
    return { kept: { migrations: { at, applied: event.applied, old: event.old } }, isDone: true };
  },
  isDone: ({ preparation }) => preparation.migrations !== null,
  effect({ plan }) {
    if (plan.migrations === undefined) return null;
    return { want: 'perform', effect: { kind: 'migrate', migrations: plan.migrations }, deadlineMs: plan.migrations.deadlineMs };
  },
  words: {
    name: 'migrations',
    about: 'Schema changes applied before the rollouts.',
    plan: (plan) =>
      (plan.migrations?.databases ?? []).map(
        ({ database, migrations: list }) => `migrations of ${database}: ${list.map(({ id }) => id).join(', ')}`,
      ),
    event(event) {
      if (event.type === 'MigrationsFailed') return `migrations failed: ${event.reason}`;
      return event.applied.length === 0 ? 'the schema was up to date' : `${event.applied.length} migrations applied`;
    },
    progress({ plan }) {
      if (plan.migrations === undefined) return null;
      return { text: plural(plan.migrations.databases.flatMap(({ migrations: list }) => list).length, 'migration') };
    },
    checklist: (release) => [checklistLine(release)],
  },
};

function checklistLine({ plan, preparation }: ReleaseView<Types>): ChecklistLine {
  if (plan.migrations === undefined) return line('migrations', 'notApplicable', 'it brings no schema changes');
  if (preparation.migrations === null)
    return line('migrations', preparation.failed === null ? 'open' : 'failed', preparation.failed?.message ?? 'not applied yet');
  const { applied, old } = preparation.migrations;
  const ids = applied.map(({ database, id }) => `${database}/${id}`).join(', ') || 'nothing to apply';
  return line('migrations', 'done', old.works ? 'applied; the versions before can work with them' : `applied; ${old.reason}`, ids);
}
