import type { FileCoverage } from './coverage.ts';
import type { FindingKind, Severity } from './finding.ts';

/** Formats of reports that can be read. */
export const FORMATS = ['lcov', 'cobertura', 'junit', 'sarif', 'cyclonedx', 'sonarqube', 'k6', 'npm-audit', 'osv'] as const;
export type Format = (typeof FORMATS)[number];

/** What a report says, whatever its format. Paths are as the report has them; the reader resolves them. */
export type ReportContent =
  | {
      readonly kind: 'coverage';
      readonly files: readonly FileCoverage[];
      /** Folders that paths may be relative to. */ readonly roots: readonly string[];
    }
  | { readonly kind: 'tests'; readonly tests: readonly TestCase[] }
  | { readonly kind: 'findings'; readonly tool: string; readonly findings: readonly RawFinding[] }
  | { readonly kind: 'components'; readonly components: readonly Component[] }
  | { readonly kind: 'advisories'; readonly advisories: readonly Advisory[] }
  | { readonly kind: 'qualityGate'; readonly status: string; readonly conditions: readonly QualityCondition[] }
  | {
      readonly kind: 'metrics';
      readonly metrics: ReadonlyMap<string, number>;
      /** Thresholds of the tool's own that were not kept. */ readonly broken: readonly string[];
    };

export type ContentKind = ReportContent['kind'];

export interface TestCase {
  /** `suite › name` */
  readonly name: string;
  /** What did not run, or did not do what it is for, is skipped. */
  readonly result: 'passed' | 'failed' | 'skipped';
  readonly message: string | null;
  /** It passed, and only after it had failed. */
  readonly isFlaky?: boolean;
}

export interface RawFinding {
  readonly tool: string;
  readonly rule: string;
  readonly kind: FindingKind;
  readonly severity: Severity;
  readonly message: string;
  readonly path: string | null;
  readonly line: number | null;
  /** Last line; the first one where the report does not say. */
  readonly endLine: number | null;
  /** What the tool itself recognises it by, if it says. */
  readonly fingerprint: string | null;
  /** The tool compared with a baseline and says so; null: it did not. */
  readonly isNew: boolean | null;
  /** A hotspot that somebody has reviewed. */
  readonly isReviewed: boolean;
  readonly minutes: number | null;
}

export interface Component {
  readonly name: string;
  readonly version: string;
  /** SPDX expressions or names; none: unknown. */
  readonly licences: readonly string[];
}

export interface Advisory {
  /** `GHSA-…`, `CVE-…` or the registry's number. */
  readonly id: string;
  readonly aliases: readonly string[];
  readonly package: string;
  readonly version: string | null;
  readonly severity: 'low' | 'moderate' | 'high' | 'critical' | 'unknown';
  readonly title: string;
}

export interface QualityCondition {
  readonly metric: string;
  readonly status: string;
  readonly actual: string | null;
  readonly threshold: string | null;
}

/** One report that was asked for: what it says, or why it cannot count. */
export type ReadReport = {
  readonly format: Format;
  /** Where it is, as people know it. */
  readonly name: string;
  /** The check that made it, or that reads it. */
  readonly check: string;
  /** No command of the check made it. */
  readonly isFromElsewhere?: boolean;
} & (
  | { readonly content: ReportContent; /** How it was read, where that is not plain. */ readonly note?: string }
  | { readonly problem: ReportProblem }
);

export interface ReportProblem {
  readonly kind: 'missing' | 'empty' | 'stale' | 'unresolvable' | 'damaged' | 'unreachable';
  readonly message: string;
}
