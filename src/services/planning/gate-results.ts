import { join } from 'node:path';
import { fileTrends, type Trend } from '../checks/trends.ts';
import type { PlanStep } from './pipeline.ts';
import type { Plan } from '../../core/release/plan/plan.ts';

/** Says beside a plan what the checks and gates of its apps have come to on these very sources, wherever they were looked at. */
export function gateResults(dir: string): PlanStep {
  return { notices: async (_environment, plan) => (plan === undefined ? [] : resultsOf(plan, dir)) };
}

/** One sentence for each app whose checks the plan asks for. */
async function resultsOf(plan: Plan, dir: string): Promise<string[]> {
  const trends = fileTrends(join(dir, '.sluice', 'checks', 'trends'));
  return Promise.all(
    (plan.checks?.apps ?? []).map(async ({ app }) => {
      const fingerprint = plan.apps.find((one) => one.app === app)?.fingerprint;
      return resultText(
        app,
        (await trends.read(app)).findLast((one) => one.fingerprint === fingerprint && one.verdict !== 'none'),
      );
    }),
  );
}

function resultText(app: string, seen: Trend | undefined): string {
  if (seen === undefined) return `${app}: checks and gates have not looked at these sources yet; the release does so first.`;
  const { coverage, newCoverage, duplication, findings } = seen.measures;
  const measured = [
    coverage === null ? '' : `coverage ${percent(coverage)}`,
    newCoverage === null ? '' : `of new lines ${percent(newCoverage)}`,
    duplication === null ? '' : `duplication ${percent(duplication)}`,
    findings === null ? '' : `findings ${findings}`,
  ].filter((part) => part !== '');
  const when = new Date(seen.at).toISOString().slice(0, 16).replace('T', ' ');
  const what = `${app}: checks and gates ${seen.verdict} for these very sources on ${when} UTC`;
  const next = seen.verdict === 'passed' ? '' : '; the release would end at its checks unless they pass by then';
  return `${what}${measured.length === 0 ? '' : ` (${measured.join(', ')})`}${next}.`;
}

function percent(value: number): string {
  return `${value.toFixed(1)} %`;
}
