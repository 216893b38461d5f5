import type { ChecklistLine } from '../state/checklist-line.ts';
import type { PlannedMigrations } from './migrations.ts';
import { line, type PreparationStage, type ReleaseView } from './stage.ts';

export interface PlannedBackup {
  readonly databases: readonly string[];
  readonly deadlineMs: number;
}

/** A moment that a database can be taken back to. */
export interface RestorePoint {
  readonly database: string;
  readonly id: string;
  /** ms since epoch */
  readonly at: number;
}

export interface Types {
  readonly plan: { readonly backup?: PlannedBackup; readonly migrations?: PlannedMigrations };
  readonly state: { readonly restorePoints: readonly RestorePoint[] | null };
  readonly event: { readonly type: 'RestorePointMade'; readonly points: readonly RestorePoint[] };
  /** Make a moment to which the databases can be taken back. Answers RestorePointMade. */
  readonly effect: { readonly kind: 'backup'; readonly backup: PlannedBackup };
}

/** Restore points of the databases that the release changes. */
export const backup: PreparationStage<Types> = {
  name: 'backup',
  during: 'preparing',
  planned: 'backup',
  initial: { restorePoints: null },
  events: { RestorePointMade: 'plain' },
  fold: (_release, event) => ({ kept: { restorePoints: event.points }, isDone: true }),
  isDone: ({ preparation }) => preparation.restorePoints !== null,
  effect({ plan }) {
    if (plan.backup === undefined) return null;
    return { want: 'perform', effect: { kind: 'backup', backup: plan.backup }, deadlineMs: plan.backup.deadlineMs };
  },
  words: {
    name: 'backup',
    about: 'Restore points made before the rollouts.',
    plan(plan) {
      const unsafe = databasesWithoutBackup(plan);
      return [
        ...(plan.backup === undefined ? [] : [`restore point of ${plan.backup.databases.join(', ')}`]),
        ...(unsafe.length === 0 ? [] : [`no restore point of ${unsafe.join(', ')}: \`backups\` names no source like that`]),
      ];
    },
    event: ({ points }) => `restore point of ${points.map(({ database }) => database).join(', ')} made`,
    progress: ({ plan }) => (plan.backup === undefined ? null : { text: plan.backup.databases.join(', ') }),
    checklist: (release) => [checklistLine(release)],
  },
};

/** Databases that migrations change and nothing backs up. */
function databasesWithoutBackup(plan: Types['plan']): string[] {
  const safe = plan.backup?.databases ?? [];
  return (plan.migrations?.databases ?? []).map(({ database }) => database).filter((database) => !safe.includes(database));
}

function checklistLine({ plan, preparation: { restorePoints } }: ReleaseView<Types>): ChecklistLine {
  if (plan.backup === undefined) {
    const changed = databasesWithoutBackup(plan);
    const why =
      changed.length === 0 ? 'no data changes with it' : `${changed.join(', ')}: not in \`backups\`, so there is no restore point`;
    return line('backup', 'notApplicable', why);
  }
  if (restorePoints === null) return line('backup', 'open', 'no restore point yet');
  return line('backup', 'done', 'restore points were made', restorePoints.map(({ database, id }) => `${database}: ${id}`).join(', '));
}
