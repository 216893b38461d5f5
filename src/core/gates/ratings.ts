import type { Finding, Severity } from './finding.ts';
import { SEVERITIES } from './finding.ts';

/** SonarQube's ratings, best to worst. */
export const RATINGS = ['A', 'B', 'C', 'D', 'E'] as const;
export type Rating = (typeof RATINGS)[number];

/** What developing one line costs, minutes (SonarQube's `sonar.technicalDebt.developmentCost`). */
const MINUTES_PER_LINE = 30;
const DEBT_GRID = [0.05, 0.1, 0.2, 0.5] as const;
const REVIEW_GRID = [80, 70, 50, 30] as const;

/** Reliability of bugs, security of vulnerabilities: the worst one decides; informational ones leave an A. */
export function issueRating(findings: readonly Pick<Finding, 'severity'>[]): Rating {
  const worst = findings.reduce((most, { severity }) => Math.max(most, SEVERITIES.indexOf(severity)), 0);
  return RATINGS[worst] ?? 'E';
}

/** Technical debt ratio: minutes to put everything right / (30 min × lines of code). 0 where there is no code. */
export function debtRatio(minutes: number, linesOfCode: number): number {
  return linesOfCode === 0 ? 0 : minutes / (MINUTES_PER_LINE * linesOfCode);
}

/** A up to and with 5 %, B under 10 %, C under 20 %, D under 50 %, else E. */
export function maintainabilityRating(ratio: number): Rating {
  const [a, b, c, d] = DEBT_GRID;
  return ratio <= a ? 'A' : ratio < b ? 'B' : ratio < c ? 'C' : ratio < d ? 'D' : 'E';
}

/** By the share of security hotspots that have been reviewed, percent; without any: A. */
export function reviewRating(reviewed: number, all: number): Rating {
  if (all === 0) return 'A';
  const percent = (reviewed / all) * 100;
  const place = REVIEW_GRID.findIndex((least) => percent >= least);
  return RATINGS[place < 0 ? 4 : place] ?? 'E';
}

export function isWorse(rating: Rating, limit: Rating): boolean {
  return RATINGS.indexOf(rating) > RATINGS.indexOf(limit);
}

/** Minutes to put a finding right where its tool does not say. */
export const MINUTES: Readonly<Record<Severity, number>> = { info: 0, minor: 5, major: 10, critical: 20, blocker: 30 };
