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
