import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex, utf8ToBytes } from '@noble/hashes/utils.js';
import { UserError } from '../../errors.ts';

/** One migration as it stands in the workspace, whatever tool wrote it. */
export interface MigrationFile {
  /** Names it for good; files run in the order of their ids. */
  readonly id: string;
  readonly path: string;
  readonly sql: string;
  /** Line of the file on which `sql` begins. */
  readonly line: number;
  /** What undoes it where that is possible; never run by itself. */
  readonly compensate: string | null;
  /** `sha256:<hex>` of `sql`, line ends made one. */
  readonly checksum: string;
  /** The file asks to run outside a transaction. */
  readonly noTransaction: boolean;
  /** What the project's own tool writes down about it, so that both agree; null where there is no such tool. */
  readonly bookkeeping: Bookkeeping | null;
}

/** What a tool keeps about the migrations it has run. */
export interface Bookkeeping {
  readonly table: string;
  /** Makes the table as the tool would. */
  readonly create: string;
  /** The column that names a migration, and this one's name there. */
  readonly column: string;
  readonly name: string;
  /** Condition on rows of migrations that are there; left out: all of them are. */
  readonly done?: string;
  /** Writes it down; run where it does not stand yet. */
  readonly insert: string;
  readonly values: readonly string[];
  /** Condition that this one ran, with its name as $1, where a row is not one migration; left out: a row with its name. */
  readonly ran?: string;
  /** Takes this one back, where that is not the removal of its row. */
  readonly strike?: string;
  /** The whole history, one row a migration: `name`, `checksum` or null, `problem` or null. Left out: the table says no more than names. */
  readonly history?: string;
  /** As the tool counts it; null where it counts none. */
  readonly checksum?: string | null;
}

/** A row of a tool's own history. */
export interface HistoryRow {
  readonly name: string | null;
  readonly checksum: string | null;
  /** Why the tool itself would not go on (a failed or a dirty run); null when it would. */
  readonly problem: string | null;
}

/**
 * The history of the project's own tool beside its files.
 * @throws UserError `MIGRATION_HISTORY` naming each row that speaks against going on: failed, edited since, without a file, out of order.
 */
export function checkHistory(files: readonly MigrationFile[], rows: readonly HistoryRow[]): void {
  const named = files.flatMap(({ id, bookkeeping }) => (bookkeeping === null ? [] : [{ id, bookkeeping }]));
  const byName = new Map(named.map((one) => [one.bookkeeping.name, one]));
  const done = new Set(rows.map(({ name }) => name));
  const last = named.findLastIndex(({ bookkeeping }) => done.has(bookkeeping.name));
  const problems = [
    ...rows.flatMap(({ name, checksum, problem }) => {
      if (problem !== null) return [`${name ?? 'a row'} is ${problem}`];
      const known = name === null ? undefined : byName.get(name);
      if (name === null) return [];
      if (known === undefined) return [`${name} ran, and there is no file of it`];
      const own = known.bookkeeping.checksum ?? null;
      return checksum !== null && own !== null && checksum !== own
        ? [`${known.id} was edited after it had run (checksum ${own}, recorded ${checksum})`]
        : [];
    }),
    ...named
      .slice(0, Math.max(0, last))
      .flatMap(({ id, bookkeeping }) => (done.has(bookkeeping.name) ? [] : [`${id} has not run, and a later one has`])),
  ];
  if (problems.length > 0)
    throw new UserError(
      'MIGRATION_HISTORY',
      `the history of the project's own tool does not fit its files: ${problems.join('; ')}`,
      'Put it in order with the tool itself (its repair or force command), then plan again.',
    );
}

/** What a file says about itself, in comments `-- sluice: …`. */
export interface Directives {
  /** It may only run in the contract phase. */
  readonly contract: boolean;
  readonly backfill: Backfill | null;
  /** Rules that a person has looked at, with the reason. */
  readonly allowed: readonly { readonly rule: number; readonly reason: string }[];
}

export interface Backfill {
  /** As it is written, with its schema where one is given. */
  readonly table: string;
  /** Unique and not null; rows go by its order. */
  readonly key: string;
  /** Rows a transaction. */
  readonly batch: number;
  /** Rest between two batches, ms. */
  readonly pauseMs: number;
}

export function checksumOf(sql: string): string {
  return `sha256:${bytesToHex(sha256(utf8ToBytes(sql.replaceAll('\r\n', '\n').trim())))}`;
}

const DIRECTIVE = /^\s*--\s*sluice:\s*(.+?)\s*$/gm;
const BACKFILL = /^backfill\s+((?:[\w$]+\.)?[\w$]+)\.([\w$]+)(?:\s+batch\s+(\d+))?(?:\s+pause\s+(\d+)\s*ms)?$/i;
const ALLOW = /^allow\s+(?:rule\s+)?(\d+)\s+because\s+(\S.*)$/i;

/** @throws UserError `MIGRATION_DIRECTIVE`. */
export function directivesOf(file: Pick<MigrationFile, 'sql' | 'path'>): Directives {
  let contract = false;
  let backfill: Backfill | null = null;
  const allowed: { rule: number; reason: string }[] = [];
  for (const [, text = ''] of file.sql.matchAll(DIRECTIVE)) {
    const rows = BACKFILL.exec(text);
    const allow = ALLOW.exec(text);
    if (/^contract$/i.test(text)) contract = true;
    else if (/^no-transaction$/i.test(text)) continue;
    else if (allow !== null) allowed.push({ rule: Number(allow[1]), reason: allow[2] ?? '' });
    else if (rows !== null)
      backfill = { table: rows[1] ?? '', key: rows[2] ?? '', batch: Number(rows[3] ?? 2_000), pauseMs: Number(rows[4] ?? 20) };
    else
      throw new UserError(
        'MIGRATION_DIRECTIVE',
        `${file.path} says "sluice: ${text}", which means nothing`,
        'Known: `contract`, `no-transaction`, `backfill table.key batch 2000 pause 20ms`, `allow 12 because …`.',
      );
  }
  return { contract, backfill, allowed };
}

/** `:from` and `:to`, the ends of a batch, as PostgreSQL's parameters. */
export function withParameters(sql: string): string {
  return sql.replaceAll(/(?<![:\w]):from\b/g, '$1').replaceAll(/(?<![:\w]):to\b/g, '$2');
}
