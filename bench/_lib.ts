import { accessSync, constants, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { delimiter, join } from 'node:path';

const RESULTS = join(import.meta.dirname, 'RESULTS.md');

/** Replace one bench's section of bench/RESULTS.md, the text between its two markers; added at the end the first time. */
export function writeResults(name: string, markdown: string): void {
  const [from, to] = [`<!-- ${name} -->`, `<!-- /${name} -->`];
  const text = existsSync(RESULTS)
    ? readFileSync(RESULTS, 'utf8')
    : '# Measured\n\nEach section is written by `bench/<section>.bench.ts`; every figure stands beside a peer measured in the same run.\n';
  const section = `${from}\n\n${markdown.trim()}\n\n${to}`;
  const [start, end] = [text.indexOf(from), text.indexOf(to)];
  const next =
    start >= 0 && end > start ? text.slice(0, start) + section + text.slice(end + to.length) : `${text.trimEnd()}\n\n${section}\n`;
  writeFileSync(RESULTS, next);
}

/** Where it was measured, one line. */
export function machine(): string {
  return `Node ${process.versions.node}, ${cpus().length} × ${cpus()[0]?.model.trim() ?? 'unknown CPU'}`;
}

/** Markdown table. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  return [head, head.map(() => '---'), ...rows].map((row) => `| ${row.join(' | ')} |`).join('\n');
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return ((sorted[middle] ?? Number.NaN) + (sorted[(sorted.length - 1) >> 1] ?? Number.NaN)) / 2;
}

/** Path of a peer's program; null when it is not installed, and the peer is to be skipped with a line that says so. */
export function findProgram(name: string): string | null {
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin', '/usr/local/sbin'];
  for (const path of folders.map((folder) => join(folder, name))) {
    try {
      accessSync(path, constants.X_OK);
      return path;
    } catch {
      continue;
    }
  }
  return null;
}
