import { type UnknownBase, unknownBaseText } from './base.ts';
import type { Finding, FindingKind, Severity } from './finding.ts';
import { isAtLeast } from './finding.ts';
import type { JudgedFinding } from './findings.ts';
import { gate, gateWithoutBase, percentUp, plural } from './material.ts';
import type { Rating } from './ratings.ts';
import { debtRatio, isWorse, issueRating, maintainabilityRating, reviewRating } from './ratings.ts';
import type { GateResult } from './report.ts';
import type { GateSettings, RatingName } from './settings.ts';

/** Numbers of lines that debt is measured against. */
export interface CodeSize {
  /** Lines of code in all. */
  readonly all: number;
  /** Of the new code, or why that is not known: then every finding may be new. */
  readonly new: number | UnknownBase;
}

/** Gates about what reports found. `hasReport`: at least one report of findings counts. */
export function judgeFindings(
  settings: GateSettings,
  findings: readonly JudgedFinding[],
  size: CodeSize,
  hasReport: boolean,
): { readonly gates: readonly GateResult[]; readonly debtRatio: number | null } {
  const open = findings.filter((one) => !one.isWaived);
  const ratio = hasReport ? debtRatio(minutesOf(open), size.all) * 100 : null;
  const gates = [
    ...newGate(settings.findings?.new ?? null, hasReport, open, size),
    ...countGate('findings.overall', settings.findings?.overall ?? null, hasReport, open, () => true),
    ...ratingGates(settings, open, size, hasReport),
    ...debtGate(settings.debtRatio, ratio),
  ];
  return { gates, debtRatio: ratio };
}

function newGate(limit: Severity | null, hasReport: boolean, open: readonly Finding[], size: CodeSize): GateResult[] {
  const gates = countGate('findings.new', limit, hasReport, open, (one) => one.isNew);
  const base = size.new;
  // Without a base any finding may be new: where there is none at all, none is.
  if (typeof base === 'number') return gates;
  return gates.map((one) =>
    one.result === 'passed' || one.value === null ? one : { ...one, value: null, message: unknownBaseText(base) },
  );
}

function countGate(
  name: string,
  limit: Severity | null,
  hasReport: boolean,
  open: readonly Finding[],
  isCounted: (finding: Finding) => boolean,
): GateResult[] {
  if (limit === null) return [];
  if (!hasReport) return [gate(name, 'failed', 'There is no report of findings that counts.')];
  // Hotspots are questions, not findings: how many of them were answered is the rating of reviews.
  const counted = open.filter((one) => isCounted(one) && one.kind !== 'hotspot' && isAtLeast(one.severity, limit));
  const what = name === 'findings.new' ? 'new finding' : 'finding';
  const message = `${counted.length === 0 ? `No ${what}` : plural(counted.length, what)} of severity ${limit} or worse.`;
  return [
    gate(name, counted.length === 0 ? 'passed' : 'failed', message, { value: counted.length, limit: 0, details: counted.map(findingLine) }),
  ];
}

/** `src/a.ts:12 no-eval (major): Do not …` */
function findingLine({ path, line, rule, severity, message }: Finding): string {
  const place = path === null ? '' : `${path}${line === null ? '' : `:${line}`} `;
  return `${place}${rule} (${severity}): ${message}`;
}

function ratingGates(settings: GateSettings, open: readonly JudgedFinding[], size: CodeSize, hasReport: boolean): GateResult[] {
  const isNewCode = settings.ratingsOf === 'new';
  const counted = isNewCode ? open.filter((one) => one.isNew) : open;
  const of = (kind: FindingKind): JudgedFinding[] => counted.filter((one) => one.kind === kind);
  const rate: Readonly<Record<RatingName, () => Rating>> = {
    reliability: () => issueRating(of('bug')),
    security: () => issueRating(of('vulnerability')),
    maintainability: () =>
      maintainabilityRating(debtRatio(minutesOf(counted), isNewCode && typeof size.new === 'number' ? size.new : size.all)),
    review: () => {
      const hotspots = of('hotspot');
      return reviewRating(hotspots.filter((one) => one.isReviewed).length, hotspots.length);
    },
  };
  const names: readonly RatingName[] = ['reliability', 'security', 'maintainability', 'review'];
  return names.flatMap((name) => {
    const limit = settings.ratings[name];
    if (limit === null) return [];
    if (!hasReport) return [gate(`rating.${name}`, 'failed', 'There is no report of findings that counts.')];
    const { new: base } = size;
    if (isNewCode && typeof base !== 'number')
      return [
        gateWithoutBase(
          `rating.${name}`,
          base,
          of(RATED[name]).length === 0,
          `There is nothing in all of the code that its ${name} is rated by.`,
        ),
      ];
    const rating = rate[name]();
    const message = `The ${name} of ${isNewCode ? 'new' : 'all'} code is rated ${rating}; ${limit === 'A' ? 'A' : `${limit} or better`} is asked for.`;
    return [gate(`rating.${name}`, isWorse(rating, limit) ? 'failed' : 'passed', message)];
  });
}

/** What each rating is made of. */
const RATED: Readonly<Record<RatingName, FindingKind>> = {
  reliability: 'bug',
  security: 'vulnerability',
  maintainability: 'codeSmell',
  review: 'hotspot',
};

function minutesOf(findings: readonly Finding[]): number {
  return findings.filter((one) => one.kind === 'codeSmell').reduce((sum, one) => sum + one.minutes, 0);
}

function debtGate(limit: number | null, value: number | null): GateResult[] {
  if (limit === null) return [];
  if (value === null) return [gate('debtRatio', 'failed', 'There is no report of findings that counts.', { limit })];
  const message = `Technical debt is ${percentUp(value)} of what the code costs to write; at most ${limit} % is allowed.`;
  return [gate('debtRatio', value <= limit ? 'passed' : 'failed', message, { value, limit })];
}
