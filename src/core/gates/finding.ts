/** From least to worst, SonarQube's five. */
export const SEVERITIES = ['info', 'minor', 'major', 'critical', 'blocker'] as const;
export type Severity = (typeof SEVERITIES)[number];

export type FindingKind = 'bug' | 'vulnerability' | 'codeSmell' | 'hotspot';

/** One thing a report says is wrong. */
export interface Finding {
  /** Stays the same while the finding does: tool, rule, file and what stands there, not the line number. */
  readonly id: string;
  readonly tool: string;
  readonly rule: string;
  readonly kind: FindingKind;
  readonly severity: Severity;
  readonly message: string;
  /** Inside the workspace, POSIX separators; null: nowhere in particular. */
  readonly path: string | null;
  /** From 1. */
  readonly line: number | null;
  /** On a new or changed line, or where that cannot be told. */
  readonly isNew: boolean;
  readonly isWaived: boolean;
  /** Minutes to put it right, as the tool says or by its severity. */
  readonly minutes: number;
}

export function isAtLeast(severity: Severity, least: Severity): boolean {
  return SEVERITIES.indexOf(severity) >= SEVERITIES.indexOf(least);
}
