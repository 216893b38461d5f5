import type { CheckRequest } from './check-request.ts';
import type { Judgement } from './judge.ts';
import type { CheckOutcome, CheckReport, EvidenceLine, GateResult, Measures } from './report.ts';
import { FINDINGS_KEPT } from './report.ts';

const UNMEASURED: Measures = {
  coverage: null,
  newCoverage: null,
  duplication: null,
  newDuplication: null,
  debtRatio: null,
  tests: null,
  findings: null,
  metrics: {},
};

export interface Parts {
  readonly request: CheckRequest;
  readonly startedAt: number;
  readonly endedAt: number;
  readonly checks: readonly CheckOutcome[];
  /** Null: no gates are asked for. */
  readonly judgement: Judgement | null;
}

/** The report of an app. One check or gate that did not pass fails it; where nothing was asked for, nothing passed. */
export function reportOf({ request, startedAt, endedAt, checks, judgement }: Parts): CheckReport {
  const { app, commit, base, fingerprint } = request;
  const gates = judgement?.gates ?? [];
  const isBad = checks.some((one) => one.result !== 'passed') || gates.some((one) => one.result === 'failed');
  const isNothing = checks.length === 0 && judgement === null;
  return {
    app,
    commit,
    base,
    fingerprint,
    verdict: isNothing ? 'none' : isBad ? 'failed' : 'passed',
    checks,
    gates,
    findings: (judgement?.findings ?? []).slice(0, FINDINGS_KEPT).map((one) => ({ ...one })),
    waivers: judgement?.waivers ?? [],
    evidence: [...checks.map(checkLine), ...gates.map(gateLine)],
    measures: judgement?.measures ?? UNMEASURED,
    startedAt,
    endedAt,
  };
}

function checkLine({ check, result, message, log }: CheckOutcome): EvidenceLine {
  return { subject: check, result: result === 'passed' ? 'passed' : 'failed', text: message, proof: log };
}

const SUBJECTS: Readonly<Record<string, string>> = {
  rating: 'quality',
  debtRatio: 'quality',
  qualityGate: 'quality',
  advisories: 'dependencies',
  report: 'reports',
};

function gateLine({ gate, result, message }: GateResult): EvidenceLine {
  const [first = gate] = gate.split('.');
  return { subject: SUBJECTS[first] ?? first, result, text: message, proof: `gate ${gate}` };
}
