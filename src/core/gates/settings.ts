import type { Severity } from './finding.ts';
import type { Rating } from './ratings.ts';

/** What an app's gates ask for, every value decided. Null: that gate is not asked for. */
export interface GateSettings {
  readonly coverage: {
    /** Least coverage of new lines, percent. */
    readonly new: number | null;
    readonly overall: number | null;
    /** Files that need not be covered, patterns. */
    readonly exclude: readonly string[];
    /** What changed source files that no report mentions mean. */
    readonly unmeasured: 'uncovered' | 'ignore';
  } | null;
  readonly duplication: { readonly new: number | null; readonly overall: number | null; readonly exclude: readonly string[] } | null;
  /** Fewer new lines than this are not judged for coverage and duplication; 0: all changes are. */
  readonly smallChange: number;
  readonly tests: {
    /** Least number of tests that ran. */ readonly least: number;
    /** Names, patterns with `*`. */ readonly expectedSkips: readonly string[];
  } | null;
  readonly findings: {
    /** New findings of at least this severity are too many. */
    readonly new: Severity | null;
    readonly overall: Severity | null;
    readonly exclude: readonly string[];
  } | null;
  readonly ratings: { readonly [Name in RatingName]: Rating | null };
  /** Of which findings ratings and debt are made. */
  readonly ratingsOf: 'new' | 'overall';
  /** Most technical debt, percent of what developing it costs. */
  readonly debtRatio: number | null;
  readonly licences: {
    /** SPDX ids. */
    readonly allow: readonly string[];
    /** Packages `name` or `name@version` that are allowed whatever their licence, patterns. */
    readonly except: readonly string[];
  } | null;
  readonly advisories: { readonly least: AdvisorySeverity } | null;
  /** name of a metric → what it may be. */
  readonly budgets: Readonly<Record<string, Budget>> | null;
  readonly qualityGate: boolean;
  readonly waivers: readonly Waiver[];
}

export type RatingName = 'reliability' | 'security' | 'maintainability' | 'review';

export const ADVISORY_SEVERITIES = ['low', 'moderate', 'high', 'critical'] as const;
export type AdvisorySeverity = (typeof ADVISORY_SEVERITIES)[number];

export interface Budget {
  readonly most: number | null;
  readonly least: number | null;
  /** Percent by which it may be worse than the last time all gates passed: above it, or below where only `least` is given. */
  readonly worse: number | null;
}

/** Somebody answers for something that a gate would fail, until a day. */
export interface Waiver {
  /** Name of a gate, or pattern of a rule, an advisory's id or a package. */
  readonly what: string;
  /** Files it is about, pattern; null: all. */
  readonly path: string | null;
  readonly author: string;
  readonly reason: string;
  /** ms since epoch; from then on it does not count. */
  readonly expires: number;
}
