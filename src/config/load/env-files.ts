import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseEnv } from 'node:util';
import { OutsideError } from '../../core/errors.ts';
import { plainText } from '../../lib/plain-text.ts';

export type EnvFileName = `.env${string}`;

/**
 * The `.env` files at the root of the workspace, the one that counts most first. A file of the environment counts more than
 * `.env.local`, because what a person has set for their own machine must not reach production.
 * @throws OutsideError `ENV_FILE_UNREADABLE`: a file that is there and cannot be read is not the same as none.
 */
export function envFiles(dir: string, environment: string | null): readonly (readonly [EnvFileName, Readonly<Record<string, string>>])[] {
  const own = environment === null ? [] : ([`.env.${environment}.local`, `.env.${environment}`] as const);
  return ([...own, '.env.local', '.env'] as const).flatMap((name) => {
    const text = textOf(join(dir, name));
    return text === null ? [] : [[name, parsed(text)] as const];
  });
}

/** What of it has a value: an empty one is what `.env.example` leaves behind. */
function parsed(text: string): Record<string, string> {
  const said = parseEnv(text);
  return Object.fromEntries(Object.entries(said).flatMap(([name, value]) => (value === undefined || value === '' ? [] : [[name, value]])));
}

function textOf(path: string): string | null {
  let bytes: Buffer;
  try {
    bytes = readFileSync(path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    // Python keeps its virtual environment in a folder of that name.
    if (code === 'ENOENT' || code === 'ENOTDIR' || code === 'EISDIR') return null;
    throw new OutsideError(
      'ENV_FILE_UNREADABLE',
      `${path} cannot be read: ${String(error)}`,
      'See that the user who runs Sluice may read it.',
      error,
    );
  }
  const text = plainText(bytes);
  if (text !== null && !text.includes('\0')) return text;
  throw new OutsideError(
    'ENV_FILE_UNREADABLE',
    `${path} is not UTF-8 text, so that some letters of its values are not known.`,
    'Save it as UTF-8.',
  );
}
