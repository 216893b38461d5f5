import type { Base } from './base.ts';
import type { Finding } from './finding.ts';

/** What the checks and gates of one app said about one state of its sources. Plain data, kept with the release. */
export interface CheckReport {
  readonly app: string;
  /** Commit or recorded snapshot that was looked at. */
  readonly commit: string;
  /** What lines are new against. */
  readonly base: Base;
  readonly fingerprint: string;
  /** Passed only on evidence: an app that asks for no checks and no gates is `none`. */
  readonly verdict: 'passed' | 'failed' | 'none';
  readonly checks: readonly CheckOutcome[];
  readonly gates: readonly GateResult[];
  /** What reports found, waived ones too; the new and the worst first, at most `FINDINGS_KEPT`. */
  readonly findings: readonly Finding[];
  /** Waivers that were needed, for the audit log. */
  readonly waivers: readonly WaiverUse[];
  /** One line for each thing looked at, with its proof. */
  readonly evidence: readonly EvidenceLine[];
  readonly measures: Measures;
  /** ms since epoch */
  readonly startedAt: number;
  readonly endedAt: number;
}

/** Findings that a report carries at most; gates count all of them. */
export const FINDINGS_KEPT = 500;

export interface CheckOutcome {
  readonly check: string;
  readonly result: 'passed' | 'failed' | 'timedOut' | 'aborted' | 'skipped';
  /** Not run now: the same inputs have passed before. */
  readonly reused: boolean;
  /** Why, one sentence. */
  readonly message: string;
  readonly exitCode: number | null;
  readonly ms: number;
  /** File with the whole output; null where nothing was run. */
  readonly log: string | null;
  /** The end of the output of a check that did not pass. */
  readonly lastLines: readonly string[];
  /** When it was run, ms since epoch; of a reused one: then. */
  readonly at: number;
}

export interface GateResult {
  /** `coverage.new`, `duplication.new`, `rating.security`… */
  readonly gate: string;
  readonly result: 'passed' | 'failed' | 'notApplicable';
  /** What was measured against what, one sentence. */
  readonly message: string;
  readonly value: number | null;
  readonly limit: number | null;
  /** Places and names that explain it. */
  readonly details: readonly string[];
}

export interface EvidenceLine {
  /** `tests`, `coverage`, `duplication`, `findings`, `dependencies`, `licences`, `performance`, `quality` or the name of a check. */
  readonly subject: string;
  readonly result: 'passed' | 'failed' | 'notApplicable';
  readonly text: string;
  /** Log, report or gate that shows it. */
  readonly proof: string | null;
}

/** A finding that does not count because somebody answers for it. */
export interface WaiverUse {
  readonly finding: string;
  readonly author: string;
  readonly reason: string;
  /** ms since epoch */
  readonly expires: number;
}

/** What trends are kept of. Percentages 0 to 100; null: not measured. */
export interface Measures {
  readonly coverage: number | null;
  readonly newCoverage: number | null;
  readonly duplication: number | null;
  readonly newDuplication: number | null;
  readonly debtRatio: number | null;
  readonly tests: number | null;
  readonly findings: number | null;
  /** Metrics that have a budget, in the unit of their report. */
  readonly metrics: Readonly<Record<string, number>>;
}
