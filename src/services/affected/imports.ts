import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { folderOf, insideWorkspace } from '../../core/changes/project.ts';

/**
 * Whether one of these files may be part of what the configuration says besides its own text: a program takes in others by
 * relative paths. Those lie where the path leads, or beside it, because they may take in others in turn.
 */
export function importsAny(dir: string, file: string, changed: readonly string[]): boolean {
  if (/\.(json|ya?ml)$/.test(file) || changed.length === 0) return false;
  const text = readFileSync(join(dir, file), 'utf8');
  const named = [...text.matchAll(/['"`](\.{1,2}\/[^'"`\n$]+)['"`]/g)].flatMap(([, path = '']) => insideWorkspace('.', path) ?? []);
  const stems = named.map((path) => path.replace(/\.\w+$/, ''));
  const folders = named.map(folderOf).filter((folder) => folder !== '.');
  return changed.some(
    (path) =>
      stems.some((stem) => path === stem || path.startsWith(`${stem}.`) || path.startsWith(`${stem}/`)) ||
      folders.some((folder) => path.startsWith(`${folder}/`)),
  );
}
