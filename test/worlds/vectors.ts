import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

const FOLDER = resolve(import.meta.dirname, '../..', process.env['SLUICE_VECTORS'] ?? '../shared/vectors');

/** Whether the published vectors lie beside this repository. Suites that need them report themselves skipped where not. */
export function hasVectors(path: string): boolean {
  return existsSync(join(FOLDER, path));
}

/** One file of published vectors. */
export function vectors<T>(path: string): T {
  return JSON.parse(readFileSync(join(FOLDER, path), 'utf8')) as T;
}
