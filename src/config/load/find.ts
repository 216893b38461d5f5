import { statSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { UserError } from '../../core/errors.ts';

/** Names a configuration may have, in the order in which they are proposed. */
const CONFIG_FILES = [
  'sluice.config.ts',
  'sluice.config.mts',
  'sluice.config.js',
  'sluice.config.mjs',
  'sluice.config.json',
  'sluice.config.yaml',
  'sluice.config.yml',
] as const;

/** The nearest folder, from `start` upwards, that holds a configuration; null when there is none. */
export async function findWorkspace(start: string): Promise<string | null> {
  for (let dir = resolve(start); ; dir = dirname(dir)) {
    if (present(dir).length > 0) return dir;
    if (dirname(dir) === dir) return null;
  }
}

/** Name of the configuration file at `dir`. */
export async function findConfig(dir: string): Promise<string> {
  const [file, ...others] = present(dir);
  if (file === undefined) {
    throw new UserError(
      'CONFIG_NOT_FOUND',
      `There is no configuration in ${dir}.`,
      'Go to the folder that has sluice.config.ts (or .json, .yaml), or write one: docs/config.md begins with an example.',
    );
  }
  if (others.length > 0) {
    throw new UserError(
      'CONFIG_AMBIGUOUS',
      `There are several configurations in ${dir}: ${[file, ...others].join(', ')}.`,
      'Keep one of them.',
    );
  }
  return file;
}

function present(dir: string): string[] {
  return CONFIG_FILES.filter((name) => isFile(join(dir, name)));
}

function isFile(path: string): boolean {
  try {
    return statSync(path, { throwIfNoEntry: false })?.isFile() ?? false;
  } catch {
    return false;
  }
}
