import { lstatSync, realpathSync, statSync } from 'node:fs';
import { readFile, realpath } from 'node:fs/promises';
import { basename, dirname, join, resolve, sep } from 'node:path';
import { OutsideError } from '../../core/errors.ts';
import { plainText } from '../../lib/plain-text.ts';
import { findConfig } from './find.ts';
import type { Locate } from '../validate/locate.ts';
import { plainJson } from './plain-json.ts';
import type { Mistake, Problem } from '../validate/problems.ts';
import { ConfigError, valueAt } from '../validate/problems.ts';
import { normalPath } from '../resolve/resolve.ts';
import type { Config } from '../schema/workspace.ts';
import { validate } from '../validate/validate.ts';

export { findWorkspace } from './find.ts';

/**
 * The configuration of the workspace at `dir`, checked in full.
 * @throws UserError `CONFIG_NOT_FOUND`, `CONFIG_AMBIGUOUS`; `CONFIG_INVALID` (a ConfigError with every
 *   mistake in `problems`).
 */
export async function loadConfig(dir: string): Promise<Config> {
  const file = await findConfig(dir);
  const { value, locate } = await read(dir, file);
  const { config, mistakes } = validate(value);
  const missing = await missingPaths(dir, value);
  const all = [...mistakes, ...missing];
  if (config === null || all.length > 0) throw new ConfigError(inReadingOrder(all.map(await locate())));
  return config;
}

function inReadingOrder(problems: readonly Problem[]): Problem[] {
  return problems.toSorted((a, b) => (a.line ?? 0) - (b.line ?? 0) || (a.column ?? 0) - (b.column ?? 0));
}

interface Written {
  readonly value: unknown;
  /** Where things stand in it is only worked out, with parsers that take a while to load, when something is wrong. */
  locate(): Promise<Locate>;
}

async function read(dir: string, file: string): Promise<Written> {
  const path = join(dir, file);
  const bytes = await readFile(path).catch((error: NodeJS.ErrnoException) => {
    throw new OutsideError('CONFIG_UNREADABLE', `${path} could not be read: ${error.message}.`, 'See that the file may be read.', error);
  });
  const text = plainText(bytes);
  // Letters that are not known would become others, in names and values, and all else would go on.
  if (text === null || text.includes('\0')) throw new ConfigError([{ ...WHOLE_FILE, file, message: NO_TEXT }]);
  if (!/\.(json|ya?ml)$/.test(file)) {
    const { importConfig } = await import('./import-config.ts');
    const { value, mistakes } = await importConfig(path);
    const locate = async (): Promise<Locate> => (await import('../validate/locate.ts')).locateByPath(file);
    if (mistakes.length > 0) throw new ConfigError(mistakes.map(await locate()));
    return { value, locate };
  }
  const parse = async () => (await import('../validate/locate.ts')).parseText(file, text, file.endsWith('.json') ? 'json' : 'yaml');
  const plain = file.endsWith('.json') ? plainJson(text) : null;
  if (plain !== null) return { value: plain.value, locate: async () => (await parse()).locate };
  const { value, locate, problems } = await parse();
  if (problems.length > 0) throw new ConfigError(problems);
  return { value, locate: async () => locate };
}

const WHOLE_FILE = { path: '', line: null, column: null, suggestion: null };
const NO_TEXT = 'is not UTF-8 text, so that some of its letters are not known: save it as UTF-8.';

/** Apps whose folder is not there, or is a link that leads out of the workspace. */
async function missingPaths(dir: string, value: unknown): Promise<Mistake[]> {
  const apps = valueAt(value, ['apps']);
  if (typeof apps !== 'object' || apps === null) return [];
  const root = await realpath(dir);
  const real = realFolders();
  // One after another, without waiting: a workspace may have hundreds of apps, and asking about a folder takes microseconds.
  return Object.entries(apps).flatMap(([name, app]): Mistake[] => {
    const path = valueAt(app, ['path']);
    if (typeof path !== 'string' || path.startsWith('/') || normalPath(path).split('/').includes('..')) return [];
    const place = ['apps', name, 'path'];
    const folder = real(resolve(root, path));
    if (folder === null) return [{ path: place, message: `there is no folder "${path}" in the workspace.` }];
    return folder === root || folder.startsWith(root + sep)
      ? []
      : [{ path: place, message: `"${path}" is a link that leads outside the workspace.` }];
  });
}

/** Where a folder really is; null when it is none, or not there. Most lie in the same few, which are asked about once. */
function realFolders(): (path: string) => string | null {
  const known = new Map<string, string | null>();
  const real = (path: string): string | null => {
    let found = known.get(path);
    if (found === undefined) known.set(path, (found = ask(path)));
    return found;
  };
  const ask = (path: string): string | null => {
    const [folder, name] = [dirname(path), basename(path)];
    if (folder === path) return path;
    try {
      const at = lstatSync(path);
      if (at.isSymbolicLink()) return statSync(path).isDirectory() ? realpathSync.native(path) : null;
      const around = at.isDirectory() ? real(folder) : null;
      return around === null ? null : join(around, name);
    } catch {
      return null;
    }
  };
  return real;
}
