import type { Severity } from './finding.ts';
import type { CheckReport } from './report.ts';

const LEVELS: Readonly<Record<Severity, 'note' | 'warning' | 'error'>> = {
  info: 'note',
  minor: 'warning',
  major: 'error',
  critical: 'error',
  blocker: 'error',
};

/** What the reports found and which gates failed as SARIF 2.1.0: one run an app. */
export function sarifOf(reports: readonly CheckReport[], version: string): object {
  return {
    $schema: 'https://json.schemastore.org/sarif-2.1.0.json',
    version: '2.1.0',
    runs: reports.filter((one) => one.verdict !== 'none').map((report) => runOf(report, version)),
  };
}

function runOf({ app, commit, gates, checks, findings }: CheckReport, version: string): object {
  const failedGates = gates.filter((one) => one.result === 'failed');
  const failedChecks = checks.filter((one) => one.result !== 'passed');
  const rules = new Set([
    ...findings.map((one) => `${one.tool}/${one.rule}`),
    ...failedGates.map((one) => `gate/${one.gate}`),
    ...failedChecks.map((one) => `check/${one.check}`),
  ]);
  return {
    tool: { driver: { name: 'sluice', version, rules: [...rules].map((id) => ({ id })) } },
    automationDetails: { id: `sluice/${app}` },
    invocations: [{ executionSuccessful: true }],
    properties: { commit },
    results: [
      ...findings.map((one) => ({
        ruleId: `${one.tool}/${one.rule}`,
        level: LEVELS[one.severity],
        message: { text: one.message === '' ? one.rule : one.message },
        baselineState: one.isNew ? 'new' : 'unchanged',
        partialFingerprints: { 'sluice/v1': one.id },
        ...(one.isWaived ? { suppressions: [{ kind: 'external', status: 'accepted' }] } : {}),
        ...place(one.path, one.line),
      })),
      ...failedGates.map((one) => ({
        ruleId: `gate/${one.gate}`,
        level: 'error',
        message: { text: [one.message, ...one.details].join('\n') },
      })),
      ...failedChecks.map((one) => ({ ruleId: `check/${one.check}`, level: 'error', message: { text: one.message } })),
    ],
  };
}

function place(path: string | null, line: number | null): object {
  if (path === null) return {};
  const uri = path.split('/').map(encodeURIComponent).join('/');
  return { locations: [{ physicalLocation: { artifactLocation: { uri }, ...(line === null ? {} : { region: { startLine: line } }) } }] };
}
