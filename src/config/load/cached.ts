import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { folderBelow } from '../../lib/own-folder.ts';
import { writeWhole } from '../../lib/whole-file.ts';
import { findConfig } from './find.ts';
import type { Config } from '../schema/workspace.ts';

export interface QuickConfigOptions {
  /** Root of the workspace. */
  readonly dir: string;
  /** File that remembers the last configuration that was found to be right. */
  readonly memory: string;
  /** What was remembered by another version of Sluice does not count. */
  readonly version: string;
  /** What is asked of other processes meanwhile: nothing long begins here before they have been asked. */
  readonly asked: Promise<unknown>;
}

interface Remembered {
  readonly version: string;
  readonly file: string;
  readonly text: string;
  readonly config: Config;
}

/**
 * The configuration, as `loadConfig` has it; one whose text alone decides what it says is only read and checked once,
 * and remembered by its text.
 * @throws as `loadConfig`.
 */
export async function quickConfig({
  dir,
  memory,
  version,
  asked,
}: QuickConfigOptions): Promise<{ readonly file: string; readonly config: Config }> {
  const file = await findConfig(dir);
  const text = textOf(join(dir, file));
  if (text === null || !isSelfContained(file, text)) return { file, config: await load(dir, asked) };
  const known = recall(memory);
  if (known?.version === version && known.file === file && known.text === text) return { file, config: known.config };
  const config = await load(dir, asked);
  remember(dir, memory, { version, file, text, config });
  return { file, config };
}

function textOf(path: string): string | null {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return null;
  }
}

async function load(dir: string, asked: Promise<unknown>): Promise<Config> {
  await asked.catch(() => undefined);
  const { loadConfig } = await import('./load.ts');
  // That took a while: what has come meanwhile is answered before this goes on, as others wait for it.
  await new Promise((resolve) => setImmediate(resolve));
  return loadConfig(dir);
}

/** Whether a configuration says the same each time it is read: it is data, or a program that asks nobody anything. */
function isSelfContained(file: string, text: string): boolean {
  if (/\.(json|ya?ml)$/.test(file)) return true;
  const rest = text.replaceAll(/^import\s+(?:type\s+)?\{[^}]*\}\s+from\s+['"]sluice['"];?\s*$/gm, '');
  return !/\b(import|require|process|globalThis|global|Date|Math|performance|crypto|fetch|eval|Function|await|new|this)\b/.test(rest);
}

function recall(memory: string): Remembered | null {
  try {
    return JSON.parse(readFileSync(memory, 'utf8')) as Remembered;
  } catch {
    return null;
  }
}

function remember(dir: string, memory: string, remembered: Remembered): void {
  try {
    folderBelow(dir, 'cache');
    writeWhole(memory, JSON.stringify(remembered));
  } catch {
    // It is only slower without.
  }
}
