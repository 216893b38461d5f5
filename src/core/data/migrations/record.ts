import { UserError } from '../../errors.ts';
import type { MigrationFile } from './files.ts';

export type Phase = 'expand' | 'backfill' | 'contract';

/** What became of a migration in one database. Kept in that database, where it is true. */
export interface RecordedMigration {
  readonly id: string;
  readonly checksum: string;
  readonly phase: Phase;
  /** `running`: begun and not ended; the process that began may be dead. */
  readonly state: 'running' | 'applied' | 'compensated' | 'baseline';
  readonly startedAt: number;
  readonly endedAt: number | null;
  readonly by: string;
  /** The release that carried it, null outside of one. */
  readonly release: string | null;
  /** Of a backfill: rows done so far. */
  readonly rows: number | null;
}

export type MigrationRecord = readonly RecordedMigration[];

/** In force now: applied and not taken back. */
export function isInForce({ state }: RecordedMigration): boolean {
  return state === 'applied' || state === 'baseline';
}

/**
 * Files that are not applied yet, in their order.
 * @throws UserError `MIGRATION_CHANGED` when an applied one was edited, `MIGRATION_DUPLICATE`.
 */
export function pendingOf(files: readonly MigrationFile[], record: MigrationRecord): MigrationFile[] {
  const known = new Map(record.map((one) => [one.id, one]));
  const seen = new Set<string>();
  return files
    .toSorted((a, b) => compare(a.id, b.id))
    .filter((file) => {
      if (seen.has(file.id))
        throw new UserError('MIGRATION_DUPLICATE', `there are two migrations ${file.id}`, 'Give one of them another number.');
      seen.add(file.id);
      const done = known.get(file.id);
      if (done === undefined || done.state === 'compensated') return true;
      if (done.state !== 'running' && done.state !== 'baseline' && done.checksum !== file.checksum)
        throw new UserError(
          'MIGRATION_CHANGED',
          `${file.path} was edited after it had run`,
          'Put it back as it was; a correction is a migration of its own.',
        );
      return !isInForce(done);
    });
}

/** Numbers by their size, part by part, the rest by its letters: `9_a` before `10_b`, `1.2__a` before `1.10__b`. */
function compare(a: string, b: string): number {
  const [x, y] = [numbersOf(a), numbersOf(b)];
  if (x.length > 0 && y.length > 0)
    for (let i = 0; i < Math.max(x.length, y.length); i += 1) {
      const difference = (x[i] ?? 0) - (y[i] ?? 0);
      if (difference !== 0) return difference;
    }
  return a < b ? -1 : a > b ? 1 : 0;
}

function numbersOf(id: string): number[] {
  return /^\d+(?:\.\d+)*/.exec(id)?.[0].split('.').map(Number) ?? [];
}
