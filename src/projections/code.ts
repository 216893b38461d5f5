import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { build } from 'esbuild';
import { mistakesOf, type Projection } from '../core/data/projections/definition.ts';
import { UserError } from '../core/errors.ts';

/** A projection's module with everything it imports, as one text: kept with what it has built, so that any version can be run at any time. */
export interface Code {
  readonly text: string;
  readonly hash: string;
}

const TARGET = 'node20';

/**
 * The module as one text. The same sources give the same text, wherever they lie. `packages`: where installed ones are.
 * @throws UserError `PROJECTION_UNREADABLE`
 */
export async function bundle(dir: string, file: string, packages = dir): Promise<Code> {
  try {
    const made = await build({
      absWorkingDir: dir,
      entryPoints: [file],
      nodePaths: [join(packages, 'node_modules')],
      bundle: true,
      write: false,
      format: 'esm',
      platform: 'node',
      target: TARGET,
      logLevel: 'silent',
      legalComments: 'none',
      charset: 'utf8',
    });
    const text = made.outputFiles[0]?.text ?? '';
    return { text, hash: createHash('sha256').update(text).digest('hex') };
  } catch (error) {
    const [first] = (error as { errors?: readonly { text: string; location: { file: string; line: number } | null }[] }).errors ?? [];
    const place = first?.location === null || first === undefined ? '' : ` (${first.location.file}:${first.location.line})`;
    throw new UserError(
      'PROJECTION_UNREADABLE',
      `${file} could not be read: ${first?.text ?? (error as Error).message}${place}`,
      'Correct the file.',
      error,
    );
  }
}

const loaded = new Map<string, Promise<Projection>>();

/**
 * Bring code back to life. Runs it: only in a process of its own.
 * @throws UserError `PROJECTION_INVALID`
 */
export function load({ text, hash }: Code): Promise<Projection> {
  const known = loaded.get(hash);
  if (known !== undefined) return known;
  const made = read(text);
  loaded.set(hash, made);
  return made;
}

async function read(text: string): Promise<Projection> {
  const found = (await import(`data:text/javascript;base64,${Buffer.from(text).toString('base64')}`).catch((error: unknown) => {
    throw new UserError(
      'PROJECTION_INVALID',
      `the projection could not be loaded: ${error instanceof Error ? error.message : String(error)}`,
      'Correct the module.',
      error,
    );
  })) as { readonly default?: unknown };
  const mistakes = mistakesOf(found.default);
  if (mistakes.length > 0)
    throw new UserError(
      'PROJECTION_INVALID',
      `the projection has mistakes: ${mistakes.join('; ')}`,
      'docs/projections.md shows what a projection looks like.',
    );
  return found.default as Projection;
}
