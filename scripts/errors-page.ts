/** Makes docs/errors.md, one page with every error code, from what the rooms write in docs/errors.d. */
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

const docs = join(import.meta.dirname, '../docs');

export interface Entry {
  readonly code: string;
  readonly text: string;
}

/** Sorted by code. */
export async function readEntries(): Promise<readonly Entry[]> {
  const names = (await readdir(join(docs, 'errors.d'))).filter((name) => name.endsWith('.md'));
  const texts = await Promise.all(names.map((name) => readFile(join(docs, 'errors.d', name), 'utf8')));
  return texts.flatMap(entriesIn).toSorted((a, b) => (a.code < b.code ? -1 : 1));
}

function entriesIn(text: string): Entry[] {
  return text
    .split(/^## /m)
    .slice(1)
    .map((part) => ({ code: part.slice(0, part.indexOf('\n')).trim(), text: part.slice(part.indexOf('\n')).trim() }));
}

export function errorsPage(entries: readonly Entry[]): string {
  const head = [
    '# Errors',
    '',
    '<!-- Made from docs/errors.d: make docs -->',
    '',
    'Every message of Sluice ends with a code that stays the same. What happened is in the message; this page says what it',
    'means and what to do. An error with the code `BUG` is a mistake in Sluice.',
    '',
  ];
  return [...head, ...entries.map(({ code, text }) => `## ${code}\n\n${text}\n`)].join('\n');
}

if (process.argv[1] === import.meta.filename) await writeFile(join(docs, 'errors.md'), errorsPage(await readEntries()));
