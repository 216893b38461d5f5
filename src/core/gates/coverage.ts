/** What one file's coverage report says. Line numbers from 1, ascending; a number appears once. */
export interface FileCoverage {
  /** As resolved: inside the workspace, POSIX separators. */
  readonly path: string;
  /** Lines that can be covered. */
  readonly lines: Uint32Array;
  /** How often each was run; the same order. */
  readonly hits: Uint32Array;
  /** Lines with branches, with how many there are and how many were taken. */
  readonly branchLines: Uint32Array;
  readonly branches: Uint32Array;
  readonly branchesTaken: Uint32Array;
}

/** Numbers that coverage percentages are made of. */
export interface CoverageCount {
  readonly lines: number;
  readonly linesCovered: number;
  readonly branches: number;
  readonly branchesCovered: number;
}

const NOTHING: CoverageCount = { lines: 0, linesCovered: 0, branches: 0, branchesCovered: 0 };

/**
 * SonarQube's coverage in percent, 0 to 100: (covered branches + covered lines) / (branches + lines).
 * Null where there is nothing to cover: that is no coverage of 100 %.
 */
export function coveragePercent({ lines, linesCovered, branches, branchesCovered }: CoverageCount): number | null {
  return lines + branches === 0 ? null : ((linesCovered + branchesCovered) / (lines + branches)) * 100;
}

/** All lines, or those that `isCounted` says. */
export function countCoverage(files: readonly FileCoverage[], isCounted?: (path: string, line: number) => boolean): CoverageCount {
  return files.reduce((sum, file) => add(sum, countFile(file, isCounted)), NOTHING);
}

function add(a: CoverageCount, b: CoverageCount): CoverageCount {
  return {
    lines: a.lines + b.lines,
    linesCovered: a.linesCovered + b.linesCovered,
    branches: a.branches + b.branches,
    branchesCovered: a.branchesCovered + b.branchesCovered,
  };
}

function countFile(file: FileCoverage, isCounted?: (path: string, line: number) => boolean): CoverageCount {
  let [lines, linesCovered, branches, branchesCovered] = [0, 0, 0, 0];
  for (const [i, line] of file.lines.entries()) {
    if (isCounted !== undefined && !isCounted(file.path, line)) continue;
    lines += 1;
    if ((file.hits[i] ?? 0) > 0) linesCovered += 1;
  }
  for (const [i, line] of file.branchLines.entries()) {
    if (isCounted !== undefined && !isCounted(file.path, line)) continue;
    branches += file.branches[i] ?? 0;
    branchesCovered += Math.min(file.branchesTaken[i] ?? 0, file.branches[i] ?? 0);
  }
  return { lines, linesCovered, branches, branchesCovered };
}

/** The same file where it has no lines beyond the last one. */
export function withoutLinesBeyond(file: FileCoverage, last: number): FileCoverage {
  const [lines, branchLines] = [upTo(file.lines, last), upTo(file.branchLines, last)];
  if (lines === file.lines.length && branchLines === file.branchLines.length) return file;
  return {
    path: file.path,
    lines: file.lines.subarray(0, lines),
    hits: file.hits.subarray(0, lines),
    branchLines: file.branchLines.subarray(0, branchLines),
    branches: file.branches.subarray(0, branchLines),
    branchesTaken: file.branchesTaken.subarray(0, branchLines),
  };
}

/** How many of ascending numbers are not above the last one. */
function upTo(lines: Uint32Array, last: number): number {
  let count = lines.length;
  while (count > 0 && (lines[count - 1] ?? 0) > last) count -= 1;
  return count;
}

/**
 * Several reports of the same sources as one: a line is covered when any report says so. Which branches of a line
 * were taken is not known by name, so the report that saw most of them counts.
 */
export function mergeCoverage(reports: readonly (readonly FileCoverage[])[]): FileCoverage[] {
  const byPath = new Map<string, FileCoverage[]>();
  for (const file of reports.flat()) {
    const known = byPath.get(file.path);
    if (known === undefined) byPath.set(file.path, [file]);
    else known.push(file);
  }
  return [...byPath.values()].map(mergeFile);
}

function mergeFile(parts: readonly FileCoverage[]): FileCoverage {
  const [first] = parts;
  if (first !== undefined && parts.length === 1) return first;
  const hits = new Map<number, number>();
  const branches = new Map<number, { all: number; taken: number }>();
  for (const part of parts) {
    for (const [i, line] of part.lines.entries()) hits.set(line, Math.max(hits.get(line) ?? 0, part.hits[i] ?? 0));
    for (const [i, line] of part.branchLines.entries()) {
      const known = branches.get(line) ?? { all: 0, taken: 0 };
      branches.set(line, {
        all: Math.max(known.all, part.branches[i] ?? 0),
        taken: Math.max(known.taken, part.branchesTaken[i] ?? 0),
      });
    }
  }
  const lines = [...hits.keys()].sort((a, b) => a - b);
  const branchLines = [...branches.keys()].sort((a, b) => a - b);
  return {
    path: first?.path ?? '',
    lines: Uint32Array.from(lines),
    hits: Uint32Array.from(lines, (line) => hits.get(line) ?? 0),
    branchLines: Uint32Array.from(branchLines),
    branches: Uint32Array.from(branchLines, (line) => branches.get(line)?.all ?? 0),
    branchesTaken: Uint32Array.from(branchLines, (line) => branches.get(line)?.taken ?? 0),
  };
}

/** New lines that can be covered and were not, `path:3-7, 12` for each file. */
export function uncovered(files: readonly FileCoverage[], isCounted: (path: string, line: number) => boolean): string[] {
  return files.flatMap((file) => {
    const lines = [...file.lines].filter((line, i) => (file.hits[i] ?? 0) === 0 && isCounted(file.path, line));
    return lines.length === 0 ? [] : [`${file.path}:${ranges(lines)}`];
  });
}

/** `[3, 4, 5, 9]` → `3-5, 9` */
export function ranges(lines: readonly number[]): string {
  const found: [number, number][] = [];
  for (const line of lines) {
    const last = found.at(-1);
    if (last !== undefined && last[1] === line - 1) last[1] = line;
    else found.push([line, line]);
  }
  return found.map(([from, to]) => (from === to ? String(from) : `${from}-${to}`)).join(', ');
}
