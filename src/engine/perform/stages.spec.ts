import { expect, test } from 'vitest';
import type { CheckReport } from '../../core/gates/report.ts';
import type { PerformContext } from '../runbook.ts';
import type { PerformPorts } from './ports.ts';
import { performCheck } from './stages.ts';

const WAIVER = { finding: 'GHSA-1234-abcd-5678 (lodash)', author: 'ann', reason: 'only in tests', expires: 1_790_000_000_000 };

/** What the log of the release says after its checks. */
async function checked(verdict: CheckReport['verdict']) {
  const report = {
    verdict,
    waivers: [WAIVER],
    evidence: [{ subject: 'dependencies', result: verdict === 'failed' ? 'failed' : 'passed', text: '1 advisory, waived', proof: null }],
  };
  const ports = { checks: { run: async () => report } } as unknown as PerformPorts;
  const state = { plan: { apps: [{ app: 'web', fingerprint: 'f' }] } };
  const context = { state, signal: new AbortController().signal } as unknown as PerformContext;
  const checks = { apps: [{ app: 'web', base: null }], deadlineMs: 1_000 };
  return performCheck(ports, { kind: 'check', checks, commit: 'c', key: 'check', lane: 'release', deadline: 0 }, context);
}

test('who answers for what, why and until when is in the log of the release, whether it passed or not', async () => {
  expect(await checked('passed')).toMatchObject([{ type: 'ChecksPassed', reports: [{ app: 'web', waivers: [WAIVER] }] }]);
  expect(await checked('failed')).toMatchObject([
    { type: 'ChecksFailed', reports: [{ app: 'web', waivers: [WAIVER] }], reason: 'web (dependencies: 1 advisory, waived)' },
  ]);
});
