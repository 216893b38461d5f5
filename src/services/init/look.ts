import { execFile } from 'node:child_process';
import { readdir, readFile, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { UserError } from '../../core/errors.ts';
import { folderOf, isWorthReading, type Look } from '../../core/init/look.ts';
import { withoutMark } from '../../core/init/parse.ts';

/** A manifest larger than this is none that a person wrote. */
const MOST_BYTES = 1_000_000;
/** Without git nobody says where a workspace ends. */
const MOST_FOLDERS = 5_000;
const SKIPPED: ReadonlySet<string> = new Set(['node_modules', '.git', '.sluice', 'vendor', '.venv', '__pycache__', 'dist', 'coverage']);

/** What lies in a workspace: what git knows or would take, or all files where there is no git. */
export async function lookAround(dir: string): Promise<Look> {
  const paths = (await trackedPaths(dir)) ?? (await walk(dir));
  const packages = new Set(paths.filter((path) => /(^|\/)package\.json$/.test(path)).map(folderOf));
  const texts = new Map<string, string>();
  const unread = new Map<string, string>();
  const worth = paths.filter((path) => isWorthReading(path, packages));
  const read = await Promise.all(worth.map((path) => readSmall(join(dir, path))));
  for (const [i, path] of worth.entries()) {
    const found = read[i];
    if (typeof found === 'string') texts.set(path, withoutMark(found));
    else if (found !== undefined) unread.set(path, found.why);
  }
  return { name: basename(dir), paths: new Set(paths), texts, unread };
}

/** Texts of those of the paths that are there. */
export async function readExisting(dir: string, paths: readonly string[]): Promise<ReadonlyMap<string, string>> {
  const found = await Promise.all(
    paths.map(async (path): Promise<(readonly [string, string])[]> => {
      const text = await readFile(join(dir, path), 'utf8').catch((error: NodeJS.ErrnoException) => {
        if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return null;
        throw error;
      });
      return text === null ? [] : [[path, text]];
    }),
  );
  return new Map(found.flat());
}

/** The text of a file, or why it could not be had. */
async function readSmall(path: string): Promise<string | { readonly why: string }> {
  try {
    const found = await stat(path);
    if (!found.isFile()) return { why: 'it is no file' };
    return found.size <= MOST_BYTES ? await readFile(path, 'utf8') : { why: `it is larger than ${MOST_BYTES / 1_000_000} MB` };
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    return { why: WHY[code ?? ''] ?? message };
  }
}

const WHY: Readonly<Record<string, string>> = {
  ENOENT: 'it is a link to nothing, or was removed and git still lists it',
  ELOOP: 'it is a link that leads back to itself',
  EACCES: 'it may not be read',
};

function trackedPaths(dir: string): Promise<string[] | null> {
  return new Promise((resolve) => {
    const args = ['ls-files', '-z', '--cached', '--others', '--exclude-standard'];
    execFile('git', args, { cwd: dir, maxBuffer: 512 * 1024 * 1024 }, (error, stdout) =>
      resolve(error === null ? [...new Set(stdout.split('\0').filter((path) => path !== ''))] : null),
    );
  });
}

/**
 * A workspace without git. Folders that may not be read are left out.
 * @throws UserError `NOT_A_WORKSPACE` when there is far too much for one: a home folder, say.
 */
async function walk(dir: string): Promise<string[]> {
  const files: string[] = [];
  const folders = [''];
  for (let seen = 0; seen < folders.length; seen++) {
    if (folders.length > MOST_FOLDERS) throw tooMuch(dir);
    const below = folders[seen] ?? '';
    for (const entry of await readdir(join(dir, below), { withFileTypes: true }).catch(() => [])) {
      const path = below === '' ? entry.name : `${below}/${entry.name}`;
      if (entry.isDirectory() && !SKIPPED.has(entry.name)) folders.push(path);
      if (entry.isFile() || entry.isSymbolicLink()) files.push(path);
    }
  }
  return files;
}

function tooMuch(dir: string): UserError {
  return new UserError(
    'NOT_A_WORKSPACE',
    `${dir} has more than ${MOST_FOLDERS} folders below it and is no git repository`,
    'Go to the folder of the workspace, or begin one here with `git init`.',
  );
}
