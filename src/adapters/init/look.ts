import { execFile } from 'node:child_process';
import { readdir, readFile, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { isWorthReading, type Look } from '../../core/init/look.ts';

/** A manifest larger than this is none that a person wrote. */
const MOST_BYTES = 1_000_000;
const SKIPPED: ReadonlySet<string> = new Set(['node_modules', '.git', '.sluice', 'vendor', '.venv', '__pycache__', 'dist', 'coverage']);

/** What lies in a workspace: what git knows or would take, or all files where there is no git. */
export async function lookAround(dir: string): Promise<Look> {
  const paths = (await trackedPaths(dir)) ?? (await walk(dir, ''));
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

async function walk(dir: string, below: string): Promise<string[]> {
  const entries = await readdir(join(dir, below), { withFileTypes: true });
  const found = await Promise.all(
    entries.map(async (entry) => {
      const path = below === '' ? entry.name : `${below}/${entry.name}`;
      if (entry.isDirectory()) return SKIPPED.has(entry.name) ? [] : walk(dir, path);
      return entry.isFile() ? [path] : [];
    }),
  );
  return found.flat();
}
