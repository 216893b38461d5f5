import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { fileTrends } from '../checks/trends.ts';
import { gateResults } from './gate-results.ts';
import type { CheckReport, Measures } from '../../core/gates/report.ts';
import type { Plan } from '../../core/release/plan/plan.ts';

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'sluice-gates-'));
});
afterEach(() => rm(dir, { recursive: true, force: true }));

const notices = (plan: Plan | undefined) => gateResults(dir).notices?.('production', plan);
const apps = ['api', 'web', 'docs'].map((app) => ({ app, fingerprint: `sha256:${app}` }));
const plan = { apps, checks: { apps: apps.map(({ app }) => ({ app, base: null })), deadlineMs: 1 } } as unknown as Plan;

async function looked(app: string, fingerprint: string, verdict: CheckReport['verdict'], measures: Partial<Measures> = {}): Promise<void> {
  const none = { coverage: null, newCoverage: null, duplication: null, newDuplication: null, debtRatio: null, tests: null, findings: null };
  const report = {
    app,
    commit: 'c',
    fingerprint,
    verdict,
    measures: { ...none, metrics: {}, ...measures },
    endedAt: Date.UTC(2026, 0, 2, 3, 4),
  };
  await fileTrends(join(dir, '.sluice/checks/trends')).add(report as unknown as CheckReport);
}

it('says of each app what its checks came to on exactly these sources', async () => {
  await looked('api', 'sha256:api', 'passed', { coverage: 91.25, newCoverage: 100, findings: 2 });
  await looked('web', 'sha256:web', 'failed');
  await looked('docs', 'sha256:older', 'passed');
  expect(await notices(plan)).toEqual([
    'api: checks and gates passed for these very sources on 2026-01-02 03:04 UTC (coverage 91.3 %, of new lines 100.0 %, findings 2).',
    'web: checks and gates failed for these very sources on 2026-01-02 03:04 UTC; the release would end at its checks unless they pass by then.',
    'docs: checks and gates have not looked at these sources yet; the release does so first.',
  ]);
});

it('says nothing where no checks are asked for, nor without a plan', async () => {
  const { checks, ...without } = plan;
  expect(checks).toBeDefined();
  expect(await notices(without as Plan)).toEqual([]);
  expect(await notices(undefined)).toEqual([]);
});
