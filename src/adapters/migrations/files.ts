import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { checksumOf, type MigrationFile } from '../../core/data/migrations/files.ts';
import { UserError } from '../../core/errors.ts';

/** Names in a folder, sorted; none where there is no such folder. */
export async function namesIn(dir: string): Promise<string[]> {
  const names: string[] = await readdir(dir).catch(() => []);
  return names.toSorted((a, b) => (a < b ? -1 : 1));
}

export async function textOf(dir: string, name: string): Promise<string> {
  const bytes = await readFile(join(dir, name)).catch((error: unknown) => {
    throw new UserError(
      'MIGRATION_UNREADABLE',
      `${name} cannot be read: ${(error as Error).message}`,
      'See that it is there and may be read.',
      error,
    );
  });
  return utf8(bytes, name);
}

/** Text without its byte order mark. @throws UserError `MIGRATION_UNREADABLE` where it is no UTF-8. */
export function utf8(bytes: Uint8Array, name: string): string {
  try {
    // The decoder takes one byte order mark away by itself.
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (error) {
    throw new UserError('MIGRATION_UNREADABLE', `${name} is not UTF-8`, 'Convert it to UTF-8: anything else would be sent garbled.', error);
  }
}

/** A migration out of its parts. */
export function migration(parts: {
  readonly id: string;
  readonly path: string;
  readonly sql: string;
  readonly line?: number;
  readonly compensate?: string | null;
  readonly noTransaction?: boolean;
  readonly bookkeeping?: MigrationFile['bookkeeping'];
}): MigrationFile {
  const { id, path, sql, line = 1, compensate = null, bookkeeping = null } = parts;
  const noTransaction = parts.noTransaction === true || /^\s*--\s*(sluice:\s*)?no-transaction\s*$/im.test(sql);
  return { id, path, sql, line, compensate: blank(compensate) ? null : compensate, checksum: checksumOf(sql), noTransaction, bookkeeping };
}

function blank(text: string | null): boolean {
  return text === null || text.replaceAll(/--[^\n]*/g, '').trim() === '';
}

/** The part of a file between two marks, with the line it begins on; null where the first is missing. */
export function section(
  text: string,
  from: RegExp,
  to: RegExp,
): { readonly text: string; readonly line: number; readonly mark: string } | null {
  const begin = from.exec(text);
  if (begin === null) return null;
  const start = begin.index + begin[0].length;
  const rest = text.slice(start);
  const end = to.exec(rest);
  return { text: end === null ? rest : rest.slice(0, end.index), line: text.slice(0, start).split('\n').length, mark: begin[0] };
}
