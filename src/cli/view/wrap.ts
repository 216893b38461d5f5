import { visibleLength } from './words.ts';

/** What a line that does not fit is continued with. */
const INDENT = 4;

/** Breaks a line at spaces so that each part fits, the later ones indented; colours are kept. A word that is too long stands alone, whole. */
export function wrap(line: string, columns: number, indent = INDENT): string[] {
  if (visibleLength(line) <= columns) return [line];
  const start = /^ */.exec(line)?.[0] ?? '';
  const further = ' '.repeat(Math.min(start.length + indent, Math.max(0, columns - 1)));
  const lines: string[] = [];
  let current = start;
  for (const word of line.slice(start.length).split(' ')) {
    const isFirst = current.trim() === '' && (current === start || current === further);
    const next = isFirst ? current + word : `${current} ${word}`;
    if (!isFirst && visibleLength(next) > columns) {
      lines.push(current.trimEnd());
      current = further + word;
    } else current = next;
  }
  return [...lines, current.trimEnd()];
}
