import type { CoverageCount, FileCoverage } from './coverage.ts';
import { countCoverage, coveragePercent, mergeCoverage, ranges, uncovered } from './coverage.ts';
import type { SourceFile } from './duplication.ts';
import { matchesAny } from './glob.ts';
import type { Material } from './material.ts';
import { contentsOf, gate, gateWithoutBase, percent, plural } from './material.ts';
import { areKnown, isNewLine } from './new-lines.ts';
import type { GateResult } from './report.ts';
import type { GateSettings } from './settings.ts';
import { codeLineNumbers, isSource } from './tokens.ts';

export interface CoverageJudgement {
  readonly gates: readonly GateResult[];
  readonly coverage: number | null;
  readonly newCoverage: number | null;
}

type Settings = NonNullable<GateSettings['coverage']>;
type IsCounted = (path: string, line: number) => boolean;

/**
 * Coverage of new lines and of all. Only lines that can be covered count. A source file like those that were measured,
 * which no report mentions, counts as not covered: leaving a file out of a report does not make it good.
 */
export function judgeCoverage(settings: Settings | null, smallChange: number, material: Material): CoverageJudgement {
  const reports = contentsOf(material.reports, 'coverage');
  const exclude = settings?.exclude ?? [];
  const files = mergeCoverage(reports.map((report) => report.files)).filter((file) => !matchesAny(file.path, exclude));
  const unmeasured = settings?.unmeasured === 'ignore' ? [] : unmeasuredFiles(files, material.sources, exclude);
  const { newLines } = material;
  const isNew = isNewLine(newLines);
  const fresh = withUnmeasured(countCoverage(files, isNew), unmeasured, isNew);
  const all = withUnmeasured(countCoverage(files), unmeasured, () => true);
  const measured = { coverage: coveragePercent(all), newCoverage: areKnown(newLines) ? coveragePercent(fresh) : null };
  if (settings === null) return { gates: [], ...measured };
  if (reports.length === 0 || (measured.coverage === null && settings.overall !== null))
    return { gates: withoutReport(settings), coverage: null, newCoverage: null };
  return {
    gates: [
      ...(settings.new === null
        ? []
        : [
            areKnown(newLines)
              ? newGate(settings.new, smallChange, fresh, () => holes(files, unmeasured, isNew))
              : gateWithoutBase('coverage.new', newLines, measured.coverage === 100, 'All of the code is covered.', settings.new),
          ]),
      ...(settings.overall === null ? [] : [overallGate(settings.overall, measured.coverage)]),
    ],
    ...measured,
  };
}

function withoutReport(settings: Settings): GateResult[] {
  const asked = [
    ['coverage.new', settings.new],
    ['coverage.overall', settings.overall],
  ] as const;
  return asked.flatMap(([name, limit]) =>
    limit === null ? [] : [gate(name, 'failed', 'There is no coverage report that counts.', { limit })],
  );
}

function newGate(limit: number, smallChange: number, count: CoverageCount, details: () => string[]): GateResult {
  const value = coveragePercent(count);
  if (value === null) return gate('coverage.new', 'notApplicable', 'No new line can be covered.', { limit });
  if (count.lines < smallChange) {
    const message = `${plural(count.lines, 'new line')} that can be covered, fewer than ${smallChange}: too few to judge.`;
    return gate('coverage.new', 'notApplicable', message, { value, limit });
  }
  const message = `${percent(value)} of the new code is covered (${count.linesCovered} of ${plural(count.lines, 'line')}, ${count.branchesCovered} of ${plural(count.branches, 'branch', 'branches')}); at least ${limit} % is asked for.`;
  return value >= limit
    ? gate('coverage.new', 'passed', message, { value, limit })
    : gate('coverage.new', 'failed', message, { value, limit, details: details() });
}

function overallGate(limit: number, value: number | null): GateResult {
  const message = `${percent(value ?? 0)} of all code is covered; at least ${limit} % is asked for.`;
  return gate('coverage.overall', value !== null && value >= limit ? 'passed' : 'failed', message, { value, limit });
}

interface Unmeasured {
  readonly path: string;
  readonly lines: readonly number[];
}

function unmeasuredFiles(files: readonly FileCoverage[], sources: readonly SourceFile[], exclude: readonly string[]): Unmeasured[] {
  const measured = new Set(files.map((file) => file.path));
  const endings = new Set(files.map((file) => ending(file.path)));
  return sources
    .filter(({ path }) => !measured.has(path) && endings.has(ending(path)) && isSource(path) && !matchesAny(path, exclude))
    .map(({ path, text }) => ({ path, lines: codeLineNumbers(path, text) }));
}

function ending(path: string): string {
  return path.slice(path.lastIndexOf('.') + 1);
}

function withUnmeasured(count: CoverageCount, unmeasured: readonly Unmeasured[], isCounted: IsCounted): CoverageCount {
  const more = unmeasured.reduce((sum, { path, lines }) => sum + lines.filter((line) => isCounted(path, line)).length, 0);
  return { ...count, lines: count.lines + more };
}

function holes(files: readonly FileCoverage[], unmeasured: readonly Unmeasured[], isNew: IsCounted): string[] {
  const unknown = unmeasured.flatMap(({ path, lines }) => {
    const fresh = lines.filter((line) => isNew(path, line));
    return fresh.length === 0 ? [] : [`${path}:${ranges(fresh)} (in no report)`];
  });
  return [...uncovered(files, isNew), ...unknown];
}
