import type { Finding } from './catalog.ts';
import type { Lsn } from './wal.ts';

/** A row that the control plane writes into the source once a minute: it shows up to where a copy reaches. */
export interface Heartbeat {
  readonly beat: number;
  /** Of the source's own clock, ms. */
  readonly at: number;
  readonly lsn: Lsn;
  /** Highest position of the event store that no transaction under way could still come before; null without one. */
  readonly position: string | null;
  readonly migration: string | null;
  /** Rows of each small table; null on beats that do not count. */
  readonly counts: Readonly<Record<string, number>> | null;
}

/** What a copy holds, read from it as it runs. */
export interface Inspection {
  readonly newest: Heartbeat | null;
  readonly counts: Readonly<Record<string, number>>;
  readonly migration: string | null;
  /** Of every table with transaction ids in it: highest id, and whether today's readers would see its rows. */
  readonly transactionIds: readonly TransactionIds[];
  /** What could not be looked at, and the right that is missing. */
  readonly refused: readonly string[];
}

export interface TransactionIds {
  readonly table: string;
  readonly column: string;
  readonly rows: number;
  readonly highest: string;
  /** Rows that readers who wait for transactions to end do not see. */
  readonly unreadable: number;
  /** The first id not given out yet (`pg_snapshot_xmax`). */
  readonly next: string;
}

/** Rows that are there but that no reader sees: a logical copy brought transaction ids that its new cluster has not reached yet. */
export function judgeTransactionIds(tables: readonly TransactionIds[]): Finding[] {
  return tables
    .filter(({ highest, next }) => BigInt(highest) >= BigInt(next))
    .map(({ table, column, rows, highest, unreadable, next }) => ({
      code: 'EVENTS_UNREADABLE' as const,
      severity: 'fail' as const,
      message: `${unreadable} of ${rows} rows of ${table} are there but no reader sees them: ${column} goes up to ${highest}, this cluster has only come to ${next}. It was copied logically (pg_dump, logical replication, import)`,
      hint: `Restore a physical backup instead (pgBackRest, pg_basebackup, Neon branch), or, with writers stopped: UPDATE ${table} SET ${column} = '3'; and let every projection and consumer begin its position anew.`,
    }));
}

/** Counts of a copy against those that the heartbeat it reaches has recorded. `next`: the counting beat after it, if any. */
export function judgeCounts(
  found: Readonly<Record<string, number>>,
  recorded: Readonly<Record<string, number>>,
  next: Readonly<Record<string, number>> | null,
): Finding[] {
  return Object.entries(recorded).flatMap(([table, before]): Finding[] => {
    const rows = found[table];
    const after = next?.[table] ?? rows ?? before;
    const slack = Math.ceil(0.05 * Math.max(before, after));
    const low = Math.min(before, after) - slack;
    const high = Math.max(before, after) + slack;
    if (rows !== undefined && rows >= low && rows <= high && !(rows === 0 && before > 0 && after > 0)) return [];
    const what = rows === undefined ? 'is not there' : `has ${rows} rows`;
    return [
      {
        code: 'ROW_COUNT_DIFFERS',
        severity: 'fail',
        message: `${table} ${what} in the copy; the source had ${before} at the moment it was restored to`,
        hint: 'See whether the table was truncated just then; otherwise restore from an earlier backup and compare.',
      },
    ];
  });
}

/** Order-independent sums over the same rows of the source and of a copy. */
export interface TableSum {
  readonly table: string;
  readonly rows: number;
  readonly sum: string;
}

export function judgeSums(source: readonly TableSum[], copy: readonly TableSum[]): Finding[] {
  return source.flatMap(({ table, rows, sum }): Finding[] => {
    const other = copy.find((one) => one.table === table);
    if (other !== undefined && other.rows === rows && other.sum === sum) return [];
    const message =
      other === undefined
        ? `${table} is not there in the copy`
        : `${table} differs: ${rows} rows with sum ${sum} in the source, ${other.rows} with sum ${other.sum} in the copy, over the same positions`;
    return [
      {
        code: 'CHECKSUM_DIFFERS',
        severity: 'fail',
        message,
        hint: 'Events are never changed: either the source or the backup is damaged. Stop expiring backups, and compare both with the one before.',
      },
    ];
  });
}

export function judgeMigration(found: string | null, recorded: string | null): Finding[] {
  if (found === recorded) return [];
  return [
    {
      code: 'MIGRATION_VERSION_DIFFERS',
      severity: 'fail',
      message: `the copy is at migration ${found ?? 'none'}; the source was at ${recorded ?? 'none'} at the moment it was restored to`,
      hint: 'Apps of that time would not fit this schema. See the migration table of the copy.',
    },
  ];
}
