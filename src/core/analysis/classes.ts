import type { ArmRead, ArmsRead } from './arms.ts';
import type { ClassCounts } from './sample.ts';
import { logBinaryE, logOddsE, type Hits, type Line } from './sequential/binary.ts';

/**
 * Status classes that are no errors and yet may break an app: a route that is gone answers 404, a lost session 401, a redirect
 * to nowhere 302, a version that never answers is left by its clients. 5xx and failed requests are errors, which judges test
 * by themselves; what is left is 1xx and 2xx, and more of those is no harm.
 */
export const COMPARED = ['3xx', '4xx', 'aborted'] as const;
export type ComparedClass = (typeof COMPARED)[number];

/** A class counts as more frequent beyond this; as no more frequent below the other. */
const CLASS_FAIL: Line = { slope: 1.25, shift: 0.01 };
export const CLASS_PASS: Line = { slope: 1.25, shift: 0.03 };
/** Odds ratios of the alternatives, the same for each class. */
const CLASS_ODDS: readonly number[] = [1.6, 3, 8, 30, 300];
export const CLASS_ALTERNATIVES = COMPARED.length * CLASS_ODDS.length;

/** Requests of the old version without which its share of a class is guessed. */
const LEAST_HISTORY = 50;
const USUAL_SHARE = 0.01;

/** What is known of a version's classes: requests whose class was told, and those of each of `COMPARED`. */
export interface ClassTotals {
  readonly n: number;
  readonly of: readonly number[];
}

export const NO_CLASSES: ClassTotals = { n: 0, of: COMPARED.map(() => 0) };

export function addToClasses(totals: ClassTotals, arm: ArmRead | null): ClassTotals {
  if (arm === null || arm.classes === null) return totals;
  const { classes } = arm;
  return { n: totals.n + arm.requests, of: totals.of.map((count, i) => count + countIn(classes, COMPARED[i])) };
}

function countIn(classes: ClassCounts, name: string | undefined): number {
  return name === undefined ? 0 : (classes[name] ?? 0);
}

/** Requests of one arm, and how many of them are of the class; none where the source does not tell. */
export function classHits(arm: ArmRead | null, name: ComparedClass): Hits {
  return arm === null || arm.classes === null ? { n: 0, k: 0 } : { n: arm.requests, k: countIn(arm.classes, name) };
}

/** Predicted share of a class in the old version's answers, never 0 or 1. */
export function predictedShare(known: ClassTotals, i: number): number {
  return known.n < LEAST_HISTORY ? USUAL_SHARE : ((known.of[i] ?? 0) + 0.5) / (known.n + 1);
}

/**
 * Log-evidence of one block that some class is more frequent in the new version than the margin allows: for each class, for
 * each odds ratio. Each is an e-variable of its own for "this class is not", so their mean is one for "none is".
 */
export function classEvidence({ candidate, baseline }: ArmsRead, known: ClassTotals): number[] {
  const evidence = new Array<number>(CLASS_ALTERNATIVES).fill(0);
  for (const [i, name] of COMPARED.entries()) {
    const from = i * CLASS_ODDS.length;
    logOddsE(evidence, from, CLASS_FAIL, predictedShare(known, i), CLASS_ODDS, classHits(candidate, name), classHits(baseline, name));
  }
  return evidence;
}

/** The class an alternative of `classEvidence` is about. */
export function classOf(alternative: number): ComparedClass {
  return COMPARED[Math.floor(alternative / CLASS_ODDS.length)] ?? '4xx';
}

/** `the new version answers 4xx more often: 33 % against 1 % of the old version` */
export function classesDiffer(name: ComparedClass, candidate: ClassTotals, baseline: ClassTotals): string {
  const share = ({ n, of }: ClassTotals) => percent(n > 0 ? (of[COMPARED.indexOf(name)] ?? 0) / n : 0);
  const more = name === 'aborted' ? 'clients leave the new version without an answer' : `the new version answers ${name}`;
  return `${more} more often: ${share(candidate)} against ${share(baseline)} of the old version`;
}

/** Requests from which such a share is no accident. */
const LEAST_REQUESTS = 20;
/** Share of 4xx above which a version without one beside it cannot be called well. */
const NEARLY_ALL = 0.9;

/** Whether next to nothing but 4xx is answered: with no version to compare with, that is all that can be told. */
export function refusesAll({ n, of }: ClassTotals): boolean {
  return n >= LEAST_REQUESTS && (of[COMPARED.indexOf('4xx')] ?? 0) > NEARLY_ALL * n;
}

/**
 * Log of how much likelier what was seen is if the new version is beyond a line than on it (the likelihood ratio at its
 * maximum), 0 where it is not beyond. No e-value: it looks back. It keeps a bake from passing, and never fails one.
 */
export function beyondLine(line: Line, candidate: Hits, baseline: Hits): number {
  if (candidate.n === 0 || (baseline.n === 0 && line.slope !== 0)) return 0;
  const star = { candidate: seen(candidate), baseline: seen(baseline) };
  const boundary = line.slope * star.baseline + line.shift;
  return boundary > 0 && boundary < 1 && star.candidate > boundary ? logBinaryE(line, star, candidate, baseline) : 0;
}

function seen({ n, k }: Hits): number {
  return (k + 0.5) / (n + 1);
}

function percent(share: number): string {
  return `${Number((share * 100).toPrecision(3))} %`;
}
