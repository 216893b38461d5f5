import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { UserError } from '../../core/errors.ts';
import { writeAtomic } from '../../lib/atomic-file.ts';

/** Committed with the workspace: the key that marks are made with, and the marks that somebody answers for. */
const FILE = '.sluice-secrets';

export interface Ignores {
  readonly key: string;
  readonly marks: ReadonlySet<string>;
}

/**
 * Without a file the key is a usual one; nothing is written by looking.
 * @throws UserError `IGNORES_INVALID`.
 */
export async function readIgnores(dir: string): Promise<Ignores> {
  const lines = (await text(dir)).split('\n').map((line) => line.replace(/\s*#.*$/, '').trim());
  let key = 'sluice';
  const marks = new Set<string>();
  for (const line of lines) {
    const named = /^key ([0-9a-f]{32,})$/.exec(line)?.[1];
    const mark = /^ignore ([0-9a-f]{64})$/.exec(line)?.[1];
    if (named !== undefined) key = named;
    else if (mark !== undefined) marks.add(mark);
    else if (line !== '')
      throw new UserError(
        'IGNORES_INVALID',
        `${FILE} has a line that is neither "key …" nor "ignore …"`,
        'Each line of it is written by sluice scan --ignore.',
      );
  }
  return { key, marks };
}

/** Gives the workspace a key of its own where it has none, so that marks tell nobody else anything. */
export async function ensureKey(dir: string): Promise<string> {
  const { key } = await readIgnores(dir);
  if (key !== 'sluice') return key;
  const made = randomBytes(16).toString('hex');
  const head = '# Secrets that are known and answered for, by a mark that tells nothing about them. Written by sluice scan --ignore.\n';
  await writeAtomic(join(dir, FILE), `${head}key ${made}\n${await text(dir)}`);
  return made;
}

export async function addIgnore(
  dir: string,
  mark: string,
  why: { readonly by: string; readonly reason: string; readonly at: string },
): Promise<void> {
  const before = await text(dir);
  const note = `${why.at} ${why.by}: ${why.reason}`.replaceAll(/\s+/g, ' ');
  await writeAtomic(join(dir, FILE), `${before.trimEnd()}\nignore ${mark} # ${note}\n`);
}

async function text(dir: string): Promise<string> {
  return readFile(join(dir, FILE), 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return '';
    throw error;
  });
}
