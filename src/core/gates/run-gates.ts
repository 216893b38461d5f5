import type { Material } from './material.ts';
import { contentsOf, gate, plural } from './material.ts';
import type { GateResult } from './report.ts';
import type { Budget, GateSettings } from './settings.ts';
import { matchesWildcard } from '../text/glob.ts';

const FLAKY_SHOWN = 5;

/** Tests must have run, none may have failed, and those skipped must be known. */
export function judgeTests(
  settings: GateSettings['tests'],
  { reports }: Material,
): { readonly gates: readonly GateResult[]; readonly tests: number | null } {
  const contents = contentsOf(reports, 'tests');
  const tests = contents.flatMap((content) => content.tests);
  const ran = tests.filter((one) => one.result !== 'skipped').length;
  if (settings === null) return { gates: [], tests: contents.length === 0 ? null : ran };
  if (contents.length === 0) return { gates: [gate('tests', 'failed', 'There is no report of tests that counts.')], tests: null };
  const failed = tests.filter((one) => one.result === 'failed');
  const skipped = tests.filter((one) => one.result === 'skipped');
  const unexpected = skipped.filter((one) => !settings.expectedSkips.some((pattern) => matchesWildcard(one.name, pattern)));
  const flaky = tests.filter((one) => one.isFlaky === true).map((one) => one.name);
  const run = gate(
    'tests',
    failed.length === 0 && ran >= settings.least ? 'passed' : 'failed',
    ran < settings.least
      ? `${plural(ran, 'test')} ran; at least ${settings.least} must.`
      : failed.length === 0
        ? `${plural(ran, 'test')} passed${flaky.length === 0 ? '' : `, ${flaky.length} only after failing: ${flaky.slice(0, FLAKY_SHOWN).join(', ')}`}.`
        : `${failed.length} of ${plural(ran, 'test')} failed.`,
    { value: failed.length, limit: 0, details: failed.map((one) => `${one.name}${one.message === null ? '' : `: ${one.message}`}`) },
  );
  const split = `${plural(skipped.length - unexpected.length, 'expected skip')}, ${unexpected.length} unexpected.`;
  const skips = gate('tests.skipped', unexpected.length === 0 ? 'passed' : 'failed', split, {
    value: unexpected.length,
    limit: 0,
    details: unexpected.map((one) => `${one.name}${one.message === null ? '' : `: ${one.message}`}`),
  });
  return { gates: [run, skips], tests: ran };
}

/** Metrics of performance against their budgets, and against the last time all was well. */
export function judgeBudgets(
  budgets: GateSettings['budgets'],
  { reports, previous }: Material,
): { readonly gates: readonly GateResult[]; readonly metrics: Readonly<Record<string, number>> } {
  const contents = contentsOf(reports, 'metrics');
  // Several reports may have the same figure: the worst of them counts.
  const valuesOf = (name: string): number[] => contents.flatMap(({ metrics }) => metrics.get(name) ?? []);
  const broken = contents.flatMap((content) => content.broken);
  const own =
    contents.length === 0
      ? []
      : [
          gate(
            'performance',
            broken.length === 0 ? 'passed' : 'failed',
            broken.length === 0
              ? "The tool's own thresholds were kept."
              : `${plural(broken.length, "threshold of the tool's own was", "thresholds of the tool's own were")} not kept.`,
            { value: broken.length, limit: 0, details: broken },
          ),
        ];
  const judged = Object.entries(budgets ?? {}).map(([name, budget]) =>
    judgeBudget(name, budget, worstOf(budget, valuesOf(name)), previous[name]),
  );
  const kept = Object.entries(budgets ?? {}).flatMap(([name, budget]): [string, number][] => {
    const value = worstOf(budget, valuesOf(name));
    return value === undefined ? [] : [[name, value]];
  });
  return { gates: [...own, ...judged], metrics: Object.fromEntries(kept) };
}

/** What is lower is worse where only `least` is asked for. */
function isLowerWorse({ most, least }: Budget): boolean {
  return least !== null && most === null;
}

/** A figure beyond either limit is worse than any within. */
function worstOf(budget: Budget, values: readonly number[]): number | undefined {
  const { least } = budget;
  if (values.length === 0) return undefined;
  const lowest = Math.min(...values);
  return isLowerWorse(budget) || (least !== null && lowest < least) ? lowest : Math.max(...values);
}

function judgeBudget(name: string, budget: Budget, value: number | undefined, previous: number | undefined): GateResult {
  const { most, least, worse } = budget;
  const title = `performance.${name}`;
  if (value === undefined) return gate(title, 'failed', `No report has the metric ${name}.`);
  const problems = [
    ...(most !== null && value > most ? [`more than ${most}`] : []),
    ...(least !== null && value < least ? [`less than ${least}`] : []),
  ];
  const change = previous === undefined ? null : worsened(isLowerWorse(budget) ? previous - value : value - previous, previous);
  if (worse !== null && change !== null && change > worse)
    problems.push(`${Number.isFinite(change) ? `${change.toFixed(1)} % ` : ''}worse than ${previous}, where ${worse} % is allowed`);
  // A first figure is no comparison: it is said, and does not pass as one.
  if (problems.length === 0 && worse !== null && change === null && most === null && least === null)
    return gate(title, 'notApplicable', `${name} is ${value}; there is nothing to compare it with yet.`, { value });
  const compared = worse === null ? '' : change === null ? '; nothing to compare with yet' : ` (before: ${previous})`;
  return problems.length === 0
    ? gate(title, 'passed', `${name} is ${value}${compared}.`, { value, limit: most ?? least })
    : gate(title, 'failed', `${name} is ${value}: ${problems.join(', and ')}.`, { value, limit: most ?? least });
}

/** Percent of what it was; whatever is worse than nothing is worse without bound. */
function worsened(by: number, previous: number): number {
  return previous === 0 ? (by > 0 ? Number.POSITIVE_INFINITY : 0) : (by / Math.abs(previous)) * 100;
}

/** What SonarQube itself said of this very analysis. Anything but OK fails. */
export function judgeQualityGate(isAsked: boolean, { reports }: Material): GateResult[] {
  const contents = contentsOf(reports, 'qualityGate');
  if (contents.length === 0) return isAsked ? [gate('qualityGate', 'failed', 'There is no quality gate of SonarQube that counts.')] : [];
  return contents.map(({ status, conditions }) => {
    const failed = conditions.filter((one) => one.status !== 'OK');
    const isGood = status === 'OK' && failed.length === 0;
    return gate('qualityGate', isGood ? 'passed' : 'failed', `SonarQube's quality gate is ${status}.`, {
      value: failed.length,
      limit: 0,
      details: failed.map(
        ({ metric, status: said, actual, threshold }) => `${metric}: ${said}, ${actual ?? 'no value'} against ${threshold ?? 'no limit'}`,
      ),
    });
  });
}
