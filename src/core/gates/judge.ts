import type { ReadReport } from './contents.ts';
import { withoutLinesBeyond } from './coverage.ts';
import { judgeCoverage } from './coverage-gates.ts';
import { judgeDuplication } from './duplication-gates.ts';
import type { Finding } from './finding.ts';
import { type CodeSize, judgeFindings } from './finding-gates.ts';
import { findingsOf } from './findings.ts';
import type { Material } from './material.ts';
import { contentsOf, gate } from './material.ts';
import { areKnown, type NewLines } from './new-lines.ts';
import type { GateResult, Measures, WaiverUse } from './report.ts';
import { judgeBudgets, judgeQualityGate, judgeTests } from './run-gates.ts';
import type { GateSettings } from './settings.ts';
import { judgeAdvisories, judgeLicences } from './supply-gates.ts';
import { codeLineNumbers, isSource } from './tokens.ts';
import { day, waiversAt } from './waivers.ts';

export interface Judgement {
  readonly gates: readonly GateResult[];
  readonly findings: readonly Finding[];
  readonly measures: Measures;
  readonly waivers: readonly WaiverUse[];
}

/** All gates of an app on what its reports and its sources say. Pure: the same material, the same judgement. */
export function judge(settings: GateSettings, said: Material): Judgement {
  const material = { ...said, reports: ofTheseSources(said.reports, said.sources) };
  const waivers = waiversAt(settings.waivers, material.now);
  const { reports, sources, newLines } = material;
  const coverage = judgeCoverage(settings.coverage, settings.smallChange, material);
  const duplication = judgeDuplication(settings.duplication, settings.smallChange, material);
  const findings = findingsOf(reports, { sources, newLines, exclude: settings.findings?.exclude ?? [], waivers });
  const hasFindings = contentsOf(reports, 'findings').length > 0;
  const size: CodeSize = { all: duplication.codeLines, new: areKnown(newLines) ? newCodeLines(sources, newLines) : newLines };
  const found = judgeFindings(settings, findings, size, hasFindings);
  const tests = judgeTests(settings.tests, material);
  const budgets = judgeBudgets(settings.budgets, material);
  const judged = [
    ...tests.gates,
    ...coverage.gates,
    ...duplication.gates,
    ...found.gates,
    ...judgeLicences(settings.licences, material, waivers),
    ...judgeAdvisories(settings.advisories, material, waivers),
    ...budgets.gates,
    ...judgeQualityGate(settings.qualityGate, material),
  ].map((one): GateResult => {
    const waiver = one.result === 'failed' && isWaivable(one) ? waivers.find([one.gate]) : null;
    return waiver === null
      ? one
      : { ...one, result: 'passed', message: `${one.message} Waived by ${waiver.author} until ${day(waiver.expires)}: ${waiver.reason}` };
  });
  const expired = waivers.expired();
  const over =
    expired.length === 0 ? [] : [gate('waivers', 'notApplicable', 'Waivers that are over no longer count.', { details: expired })];
  return {
    gates: [...reportGates(reports), ...judged, ...over],
    findings,
    waivers: waivers.used(),
    measures: {
      coverage: coverage.coverage,
      newCoverage: coverage.newCoverage,
      duplication: duplication.duplication,
      newDuplication: duplication.newDuplication,
      debtRatio: found.debtRatio,
      tests: tests.tests,
      findings: hasFindings ? findings.filter((one) => !one.isWaived).length : null,
      metrics: budgets.metrics,
    },
  };
}

/** A gate that was measured may be waived; evidence that is missing may not. */
function isWaivable({ value }: GateResult): boolean {
  return value !== null;
}

/** A report that was asked for and cannot count fails, whatever the others say; how one was read is said where it is not plain. */
function reportGates(reports: readonly ReadReport[]): GateResult[] {
  return reports.flatMap((report) => {
    const [name, what] = [`report.${report.check}`, `${report.name} (${report.format})`];
    if ('problem' in report) return [gate(name, 'failed', `${what} ${WORDS[report.problem.kind]}: ${report.problem.message}`)];
    return report.note === undefined ? [] : [gate(name, 'notApplicable', `${what}: ${report.note}`)];
  });
}

/**
 * Coverage of lines that a file does not have is coverage of nothing: it is left out. In a report that was made elsewhere it shows
 * another state of the sources, whose lines need not be these.
 */
function ofTheseSources(reports: readonly ReadReport[], sources: Material['sources']): ReadReport[] {
  const counts = new Map(sources.map(({ path, text }) => [path, text.split('\n').length]));
  return reports.map((report) => {
    if (!('content' in report) || report.content.kind !== 'coverage') return report;
    const { content, ...rest } = report;
    const files = content.files.map((file) => withoutLinesBeyond(file, counts.get(file.path) ?? Number.POSITIVE_INFINITY));
    const beyond = content.files.find((file, i) => files[i] !== file);
    if (beyond === undefined) return report;
    const what = `speaks of line ${beyond.lines.at(-1)} of ${beyond.path}, which has ${counts.get(beyond.path)}`;
    if (rest.isFromElsewhere !== true)
      return { ...rest, content: { ...content, files }, note: `it ${what}; lines that are not there are left out.` };
    const { format, name, check } = rest;
    return { format, name, check, problem: { kind: 'stale', message: `it ${what}: it is about another state of the sources.` } };
  });
}

const WORDS = {
  missing: 'is missing',
  empty: 'says nothing',
  stale: 'is stale',
  unresolvable: 'is about files that are not here',
  damaged: 'is damaged',
  unreachable: 'could not be had',
} as const;

function newCodeLines(sources: Material['sources'], newLines: NewLines): number {
  return sources.reduce((sum, { path, text }) => {
    const fresh = newLines.get(path);
    return fresh === undefined || !isSource(path) ? sum : sum + codeLineNumbers(path, text).filter((line) => fresh.has(line)).length;
  }, 0);
}
