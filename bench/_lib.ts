import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';

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
