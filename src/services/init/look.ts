import { execFile } from 'node:child_process';
import { readdir, readFile, realpath, stat } from 'node:fs/promises';
import { basename, join, sep } from 'node:path';
import { UserError } from '../../core/errors.ts';
import { folderOf, isManifest, isWorthReading, type Look } from '../../core/init/look.ts';
import { plainText } from '../../lib/plain-text.ts';

/** A manifest larger than this is none that a person wrote. */
const MOST_BYTES = 1_000_000;
/** Without git nobody says where a workspace ends. */
const MOST_FOLDERS = 5_000;
const SKIPPED: ReadonlySet<string> = new Set(['node_modules', '.git', '.sluice', 'vendor', '.venv', '__pycache__', 'dist', 'coverage']);

/** What lies in a workspace: what git knows or would take, or all files where there is no git. */
export async function lookAround(dir: string): Promise<Look> {
  const { paths, elsewhere } = (await tracked(dir)) ?? (await walk(dir));
  const packages = new Set(paths.filter((path) => /(^|\/)package\.json$/.test(path)).map(folderOf));
  const texts = new Map<string, string>();
  const unread = new Map<string, string>();
  const worth = paths.filter((path) => isWorthReading(path, packages));
  const read = await Promise.all(worth.map((path) => readSmall(join(dir, path))));
  for (const [i, path] of worth.entries()) {
    const found = read[i];
    if (typeof found === 'string') texts.set(path, found);
    else if (found !== undefined && isManifest(path)) unread.set(path, found.why);
  }
  for (const path of elsewhere) {
    const why = await whyElsewhere(dir, path);
    if (why !== null) unread.set(path, why);
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
    if (found.size > MOST_BYTES) return { why: `it is larger than ${MOST_BYTES / 1_000_000} MB` };
    const bytes = await readFile(path);
    const text = plainText(bytes);
    // Of the tools that read these, pip alone takes UTF-16.
    const isTaken = text !== null && (Number(bytes[0]) < 0xfe || /requirements[^/]*\.txt$/.test(path));
    return isTaken ? text : { why: 'it is no UTF-8 text' };
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

interface Listing {
  readonly paths: readonly string[];
  /** Links, and other repositories within this one. */
  readonly elsewhere: readonly string[];
}

async function tracked(dir: string): Promise<Listing | null> {
  const [all, modes] = await Promise.all([
    listed(dir, ['--cached', '--others', '--exclude-standard']),
    listed(dir, ['--cached', '--stage']),
  ]);
  if (all === null || modes === null) return null;
  const elsewhere = modes.flatMap((line) => /^(?:120000|160000) [^\t]*\t([^]*)$/.exec(line)?.[1] ?? []);
  return { paths: [...new Set(all)], elsewhere: [...new Set(elsewhere)] };
}

function listed(dir: string, args: readonly string[]): Promise<string[] | null> {
  return new Promise((resolve) => {
    execFile('git', ['ls-files', '-z', ...args], { cwd: dir, maxBuffer: 512 * 1024 * 1024 }, (error, stdout) =>
      resolve(error === null ? stdout.split('\0').filter((path) => path !== '') : null),
    );
  });
}

/** Why what lies below a path is not looked at; null where it is looked at elsewhere in the workspace, or is no folder. */
async function whyElsewhere(dir: string, path: string): Promise<string | null> {
  const real = await realpath(join(dir, path)).catch(() => null);
  if (real === null || !(await stat(real)).isDirectory()) return null;
  const root = await realpath(dir);
  if (real === join(root, path)) return 'it is another repository, a submodule';
  return real === root || real.startsWith(root + sep) ? null : `it is a link to ${real}, outside of the workspace`;
}

/**
 * A workspace without git. Folders that may not be read are left out.
 * @throws UserError `NOT_A_WORKSPACE` when there is far too much for one: a home folder, say.
 */
async function walk(dir: string): Promise<Listing> {
  const paths: string[] = [];
  const elsewhere: string[] = [];
  const folders = [''];
  for (let seen = 0; seen < folders.length; seen++) {
    if (folders.length > MOST_FOLDERS) throw tooMuch(dir);
    const below = folders[seen] ?? '';
    for (const entry of await readdir(join(dir, below), { withFileTypes: true }).catch(() => [])) {
      const path = below === '' ? entry.name : `${below}/${entry.name}`;
      if (entry.isDirectory() && !SKIPPED.has(entry.name)) folders.push(path);
      if (entry.isFile() || entry.isSymbolicLink()) paths.push(path);
      if (entry.isSymbolicLink()) elsewhere.push(path);
    }
  }
  return { paths, elsewhere };
}

function tooMuch(dir: string): UserError {
  return new UserError(
    'NOT_A_WORKSPACE',
    `${dir} has more than ${MOST_FOLDERS} folders below it and is no git repository`,
    'Go to the folder of the workspace, or begin one here with `git init`.',
  );
}
