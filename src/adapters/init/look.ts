import { execFile } from 'node:child_process';
import { readdir, readFile, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { UserError } from '../../core/errors.ts';
import { isWorthReading, type Look } from '../../core/init/look.ts';

/** A manifest larger than this is none that a person wrote. */
const MOST_BYTES = 1_000_000;
/** Without git nobody says where a workspace ends. */
const MOST_FOLDERS = 5_000;
const SKIPPED: ReadonlySet<string> = new Set(['node_modules', '.git', '.sluice', 'vendor', '.venv', '__pycache__', 'dist', 'coverage']);

/** What lies in a workspace: what git knows or would take, or all files where there is no git. */
export async function lookAround(dir: string): Promise<Look> {
  const paths = (await trackedPaths(dir)) ?? (await walk(dir));
  const texts = await Promise.all(
    paths.filter(isWorthReading).map(async (path): Promise<(readonly [string, string])[]> => {
      const text = await readSmall(join(dir, path));
      return text === null ? [] : [[path, text]];
    }),
  );
  return { name: basename(dir), paths: new Set(paths), texts: new Map(texts.flat()) };
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

async function readSmall(path: string): Promise<string | null> {
  try {
    const { size, isFile } = await stat(path).then((found) => ({ size: found.size, isFile: found.isFile() }));
    return isFile && size <= MOST_BYTES ? await readFile(path, 'utf8') : null;
  } catch {
    return null;
  }
}

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
      if (entry.isFile()) files.push(path);
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
