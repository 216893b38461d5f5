import { expect, test } from 'vitest';
import type { CheckReport } from '../../core/gates/report.ts';
import type { PerformContext } from '../runbook.ts';
import { performStage, type StageAdapters, stagePerformers } from './stages.ts';

const WAIVER = { finding: 'GHSA-1234-abcd-5678 (lodash)', author: 'ann', reason: 'only in tests', expires: 1_790_000_000_000 };

/** What the log of the release says after its checks. */
async function checked(verdict: CheckReport['verdict']) {
  const report = {
    verdict,
    waivers: [WAIVER],
    evidence: [{ subject: 'dependencies', result: verdict === 'failed' ? 'failed' : 'passed', text: '1 advisory, waived', proof: null }],
  };
  const performers = stagePerformers({ checks: { run: async () => report } } as unknown as StageAdapters);
  const state = { plan: { apps: [{ app: 'web', fingerprint: 'f' }], source: { commit: 'c' } } };
  const context = { state, signal: new AbortController().signal } as unknown as PerformContext;
  const checks = { apps: [{ app: 'web', base: null }], deadlineMs: 1_000 };
  return performStage(performers, { kind: 'check', checks, commit: 'c', key: 'check' }, context);
}

test('who answers for what, why and until when is in the log of the release, whether it passed or not', async () => {
  expect(await checked('passed')).toMatchObject([{ type: 'ChecksPassed', reports: [{ app: 'web', waivers: [WAIVER] }] }]);
  expect(await checked('failed')).toMatchObject([
    { type: 'ChecksFailed', reports: [{ app: 'web', waivers: [WAIVER] }], reason: 'web (dependencies: 1 advisory, waived)' },
  ]);
});

test('a plan that asks for a stage that this control plane cannot perform is told so', async () => {
  const context = {
    state: { plan: { apps: [], source: { commit: 'c' } } },
    signal: new AbortController().signal,
  } as unknown as PerformContext;
  const effect = { kind: 'backup', backup: { databases: ['shop'], deadlineMs: 1_000 }, key: 'backup' } as const;
  await expect(performStage({}, effect, context)).rejects.toMatchObject({
    code: 'STAGE_UNAVAILABLE',
    message: expect.stringContaining('backup'),
  });
});
