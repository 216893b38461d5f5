import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Mutant } from './mutant.ts';

/** Files of this folder that hold no mutants. */
const OTHERS: readonly string[] = ['index.ts', 'mutant.ts', 'mutants.spec.ts'];

/** Every planted mistake by its track: each file of this folder exports a list as its default. */
export async function allMutants(): Promise<ReadonlyMap<string, readonly Mutant[]>> {
  const files = (await readdir(import.meta.dirname)).filter((file) => file.endsWith('.ts') && !OTHERS.includes(file));
  const tracks = files.toSorted().map(async (file) => {
    const module = (await import(pathToFileURL(join(import.meta.dirname, file)).href)) as { readonly default: readonly Mutant[] };
    return [file.slice(0, -'.ts'.length), module.default] as const;
  });
  return new Map(await Promise.all(tracks));
}
