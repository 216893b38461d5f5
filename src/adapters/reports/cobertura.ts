import type { FileCoverage } from '../../core/gates/coverage.ts';
import type { ReportReader } from '../../ports/reports.ts';
import { damaged, problemOf, Unreadable } from './damage.ts';
import { asUtf8 } from './encoding.ts';
import type { CoverageScanner } from './lcov.ts';
import { fileCoverage, lineTable, MOST } from './line-table.ts';
import type { Attributes } from './tags.ts';
import { tagScanner, unescape, valueText } from './tags.ts';

/** Cobertura's XML, scanned as bytes as they come; no tree and no text is made of its lines. */
export const coberturaReader: ReportReader = {
  format: 'cobertura',
  async read(chunks) {
    try {
      const scanner = coberturaScanner();
      for await (const chunk of asUtf8(chunks)) scanner.push(chunk);
      const files = scanner.end();
      return { content: { kind: 'coverage', files, roots: scanner.roots() } };
    } catch (error) {
      return problemOf(error);
    }
  },
};

/** Elements whose end may be followed by what; anything else is not Cobertura. */
const PARENTS: Readonly<Record<string, readonly string[]>> = {
  coverage: [''],
  sources: ['coverage'],
  source: ['sources'],
  packages: ['coverage'],
  package: ['packages'],
  classes: ['package'],
  class: ['classes'],
  methods: ['class'],
  method: ['methods'],
  lines: ['class', 'method'],
  line: ['lines'],
  conditions: ['line'],
  condition: ['conditions'],
};

function coberturaScanner(): CoverageScanner & { roots(): string[] } {
  const files: FileCoverage[] = [];
  const roots: string[] = [];
  const own = { lines: lineTable('most'), branches: lineTable('most') };
  const methods = { lines: lineTable('most'), branches: lineTable('most') };
  const path: string[] = [''];
  let file = '';
  let isInMethod = false;
  let last = 0;

  const open = (name: string, bytes: Uint8Array, attributes: Attributes): void => {
    const parents = PARENTS[name];
    if (parents === undefined || !parents.includes(path.at(-1) ?? ''))
      throw damaged(`<${name}> stands where Cobertura has none (after line ${last}).`);
    path.push(name);
    if (name === 'line') addLine(isInMethod ? methods : own, bytes, attributes);
    else if (name === 'class') file = required(bytes, attributes, 'filename');
    else if (name === 'method') isInMethod = true;
  };
  const addLine = (to: typeof own, bytes: Uint8Array, attributes: Attributes): void => {
    let [line, hits, branches, taken] = [-1, -1, 0, 0];
    for (let i = 0; i < attributes.count; i += 1) {
      const nameAt = attributes.nameAt(i);
      const [first, length] = [bytes[nameAt], attributes.nameEnd(i) - nameAt];
      const [from, end] = [attributes.valueAt(i), attributes.valueEnd(i)];
      if (length === 6 && first === N && isNamed(bytes, nameAt, 'number')) line = wholeNumber(bytes, from, end);
      else if (length === 4 && first === H && isNamed(bytes, nameAt, 'hits')) hits = wholeNumber(bytes, from, end);
      else if (length === 18 && first === C && isNamed(bytes, nameAt, 'condition-coverage'))
        [taken, branches] = conditionCoverage(valueText(bytes, from, end));
    }
    if (line < 0 || hits < 0) throw damaged(`a line of ${file} has no number or no hits.`);
    last = line;
    // Tools write it for an empty file; no file has such a line.
    if (line === 0) return;
    to.lines.add(line, Math.min(hits, MOST), 0);
    if (branches > 0) to.branches.add(line, branches, taken);
  };
  const close = (name: string): void => {
    path.pop();
    if (name === 'method') isInMethod = false;
    if (name !== 'class') return;
    // The lines of methods stand among the class's own; where a tool gives only them, they count.
    const [ownLines, ownBranches] = [own.lines.take(), own.branches.take()];
    const [otherLines, otherBranches] = [methods.lines.take(), methods.branches.take()];
    files.push(ownLines.lines.length > 0 ? fileCoverage(file, ownLines, ownBranches) : fileCoverage(file, otherLines, otherBranches));
  };
  const text = (value: string): void => {
    if (path.at(-1) !== 'source') throw damaged(`there is text where none belongs: "${value.slice(0, 40)}".`);
    roots.push(unescape(value));
  };
  const scanner = tagScanner({ open, close, text });
  return {
    push: scanner.push,
    roots: () => roots,
    end() {
      scanner.end();
      if (files.length === 0) throw new Unreadable('empty', 'it has no class.');
      if (!files.some((one) => one.lines.length > 0)) throw new Unreadable('empty', 'it has no line.');
      return files;
    },
  };
}

const [N, H, C] = [110, 104, 99];

function isNamed(bytes: Uint8Array, at: number, name: string): boolean {
  for (let i = 1; i < name.length; i += 1) if (bytes[at + i] !== name.charCodeAt(i)) return false;
  return true;
}

function wholeNumber(bytes: Uint8Array, from: number, to: number): number {
  let value = 0;
  for (let i = from; i < to; i += 1) {
    const digit = (bytes[i] ?? 0) - 48;
    if (digit < 0 || digit > 9) return -1;
    value = value * 10 + digit;
  }
  return to > from && to - from < 16 ? value : -1;
}

/** `50% (1/2)` → [1, 2] */
function conditionCoverage(text: string): [number, number] {
  const match = /^\d+(?:\.\d+)?\s*%\s*\((\d{1,6})\/(\d{1,6})\)$/.exec(text.trim());
  const [taken, all] = [Number(match?.[1]), Number(match?.[2])];
  if (match === null || taken > all) throw damaged(`"${text.slice(0, 40)}" is not how much of a condition is covered.`);
  return [taken, all];
}

function required(bytes: Uint8Array, attributes: Attributes, name: string): string {
  for (let i = 0; i < attributes.count; i += 1) {
    const [from, to] = [attributes.nameAt(i), attributes.nameEnd(i)];
    if (to - from === name.length && bytes[from] === name.charCodeAt(0) && isNamed(bytes, from, name))
      return valueText(bytes, attributes.valueAt(i), attributes.valueEnd(i));
  }
  throw damaged(`a class has no ${name}.`);
}
