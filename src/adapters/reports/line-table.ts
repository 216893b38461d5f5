import type { FileCoverage } from '../../core/gates/coverage.ts';

/** Rows of three numbers that grow, and are taken out file by file. Nothing is allocated per row. */
export interface LineTable {
  add(line: number, value: number, second: number): void;
  readonly size: number;
  /** The rows in order of lines, each line once, and none left. */
  take(): { readonly lines: Uint32Array; readonly values: Uint32Array; readonly seconds: Uint32Array };
}

/** `join`: what two rows of one line make together. */
export function lineTable(join: 'most' | 'sum'): LineTable {
  let lines = new Uint32Array(1024);
  let values = new Uint32Array(1024);
  let seconds = new Uint32Array(1024);
  let size = 0;
  let isOrdered = true;
  const grow = (old: Uint32Array): Uint32Array<ArrayBuffer> => {
    const larger = new Uint32Array(old.length * 2);
    larger.set(old);
    return larger;
  };
  return {
    add(line, value, second) {
      if (size === lines.length) [lines, values, seconds] = [grow(lines), grow(values), grow(seconds)];
      if (size > 0 && line <= (lines[size - 1] ?? 0)) isOrdered = false;
      lines[size] = line;
      values[size] = value;
      seconds[size] = second;
      size += 1;
    },
    get size() {
      return size;
    },
    take() {
      const taken = { lines: lines.slice(0, size), values: values.slice(0, size), seconds: seconds.slice(0, size) };
      const result = isOrdered ? taken : ordered(taken, join);
      size = 0;
      isOrdered = true;
      return result;
    },
  };
}

type Rows = ReturnType<LineTable['take']>;

function ordered({ lines, values, seconds }: Rows, join: 'most' | 'sum'): Rows {
  const order = Uint32Array.from(lines.keys()).sort((a, b) => (lines[a] ?? 0) - (lines[b] ?? 0));
  const put = { lines: new Uint32Array(order.length), values: new Uint32Array(order.length), seconds: new Uint32Array(order.length) };
  let size = 0;
  for (const i of order) {
    const [line = 0, value = 0, second = 0] = [lines[i], values[i], seconds[i]];
    if (size > 0 && put.lines[size - 1] === line) {
      const [a = 0, b = 0] = [put.values[size - 1], put.seconds[size - 1]];
      put.values[size - 1] = join === 'most' ? Math.max(a, value) : Math.min(a + value, MOST);
      put.seconds[size - 1] = join === 'most' ? Math.max(b, second) : b + second;
    } else {
      put.lines[size] = line;
      put.values[size] = value;
      put.seconds[size] = second;
      size += 1;
    }
  }
  return { lines: put.lines.slice(0, size), values: put.values.slice(0, size), seconds: put.seconds.slice(0, size) };
}

/** What counts too large for the tables are kept as. */
export const MOST = 0xffff_ffff;

/** Line table and branch table as one file's coverage. */
export function fileCoverage(path: string, lineRows: Rows, branchRows: Rows): FileCoverage {
  return {
    path,
    lines: lineRows.lines,
    hits: lineRows.values,
    branchLines: branchRows.lines,
    branches: branchRows.values,
    branchesTaken: branchRows.seconds,
  };
}
