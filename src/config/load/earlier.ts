import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { folderBelow } from '../../lib/own-folder.ts';
import { SluiceError } from '../../core/errors.ts';
import { parseText } from '../validate/locate.ts';
import type { Config } from '../schema/workspace.ts';
import { validate } from '../validate/validate.ts';

/**
 * What an earlier text of the configuration said, or null when that cannot be told: it is wrong by today's rules, or a
 * program that needs files which are not as they were. Whether its folders are there does not count.
 */
export async function readConfigText(dir: string, file: string, text: string): Promise<Config | null> {
  try {
    const value = /\.(json|ya?ml)$/.test(file) ? data(file, text) : await program(dir, file, text);
    const { config, mistakes } = validate(value);
    return mistakes.length > 0 ? null : config;
  } catch (error) {
    if (error instanceof SluiceError) return null;
    throw error;
  }
}

function data(file: string, text: string): unknown {
  const { value, problems } = parseText(file, text, file.endsWith('.json') ? 'json' : 'yaml');
  return problems.length > 0 ? null : value;
}

/** Read by a process of its own, from a folder of ours. */
async function program(dir: string, file: string, text: string): Promise<unknown> {
  const folder = folderBelow(dir, 'cache', `earlier-${process.pid}`);
  try {
    await writeFile(join(folder, file), text);
    const { importConfig } = await import('./import-config.ts');
    const { value, mistakes } = await importConfig(join(folder, file));
    return mistakes.length > 0 ? null : value;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
