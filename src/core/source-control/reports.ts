import type { CheckRunReport, DeploymentReport } from './report-types.ts';
import { checklistOf } from '../release/state/checklist.ts';
import type { Outcome } from '../release/state/events.ts';
import type { ReleaseState } from '../release/state/state.ts';

/** Where people go on from a report. */
export interface ReportLinks {
  /** Where the environment answers, as those see it who read the report; null: nowhere. */
  readonly environmentUrl: string | null;
  readonly releaseUrl: string | null;
}

/** What the host of the repository is told of one release, as it stands now. */
export interface ReleaseReports {
  readonly deployment: DeploymentReport;
  readonly check: CheckRunReport;
  /** Of which comment of a change request it is the content, and that, in Markdown. */
  readonly comment: { readonly key: string; readonly body: string };
}

const STATES: Readonly<Record<Outcome, DeploymentReport['state']>> = {
  Succeeded: 'success',
  Failed: 'failure',
  RolledBack: 'failure',
  RollbackFailed: 'failure',
  Errored: 'error',
  Aborted: 'error',
};
const CONCLUSIONS: Readonly<Record<Outcome, NonNullable<CheckRunReport['conclusion']>>> = {
  Succeeded: 'success',
  Failed: 'failure',
  RolledBack: 'failure',
  RollbackFailed: 'failure',
  Errored: 'failure',
  Aborted: 'cancelled',
};
const WAITING: ReadonlySet<ReleaseState['stage']> = new Set(['checking', 'awaiting', 'scheduled', 'queued']);
const SIGNS = { done: '✓', failed: '✗', open: '…', notApplicable: '–' } as const;

/** Null where the host knows no commit that this release is of: uncommitted changes, or versions of several commits. */
export function reportsOf(state: ReleaseState, { environmentUrl, releaseUrl }: ReportLinks): ReleaseReports | null {
  const { id, plan, outcome } = state;
  const { commit, dirty } = plan.source;
  if (commit === null || dirty) return null;
  const said = sentenceOf(state);
  const lines = listing(state);
  return {
    deployment: {
      commit,
      environment: plan.environment,
      release: id,
      state: outcome === null ? (WAITING.has(state.stage) ? 'queued' : 'in_progress') : STATES[outcome],
      description: said,
      environmentUrl,
      logUrl: releaseUrl,
      isProduction: plan.environment === 'production',
      isTransient: plan.environment === 'preview',
    },
    check: {
      commit,
      name: `sluice ${plan.environment}`,
      conclusion: outcome === null ? null : CONCLUSIONS[outcome],
      title: said,
      summary: lines,
      annotations: [],
      detailsUrl: releaseUrl,
    },
    comment: { key: `release-${plan.environment}`, body: `### Sluice: ${escaped(plan.environment)}\n\n${escaped(said)}\n\n${lines}` },
  };
}

function sentenceOf({ id, plan, outcome, stage, reason, pause }: ReleaseState): string {
  const what = `${plan.apps.map(({ app }) => app).join(', ') || 'nothing'}: `;
  if (outcome !== null) return `${what}${outcome}${reason === null ? '' : `, ${reason}`} (${id})`;
  return `${what}${pause === null ? stage : `paused by ${pause.by}`} (${id})`;
}

function listing(state: ReleaseState): string {
  const apps = state.plan.apps.map(({ app }) => `| ${escaped(app)} | ${escaped(state.rollouts[app]?.stage ?? 'waiting')} |`);
  const points = checklistOf(state).map(
    ({ item, result, text }) =>
      `| ${SIGNS[result]} | ${item} | ${escaped(result === 'notApplicable' ? `not applicable: ${text}` : text)} |`,
  );
  return [
    `| app | stage |\n| --- | --- |\n${apps.join('\n')}`,
    `<details><summary>Checklist</summary>\n\n| | | |\n| --- | --- | --- |\n${points.join('\n')}\n\n</details>`,
    `Release \`${state.id}\`, asked for by ${escaped(state.by)}`,
  ].join('\n\n');
}

/** Text of ours and others in a cell of a table: no markup, no mentions, no end of the cell. */
function escaped(text: string): string {
  return text
    .replaceAll(/[\\`*_{}[\]<>|#~]/g, String.raw`\$&`)
    .replaceAll('@', '@\u200b')
    .replaceAll(/\s+/g, ' ');
}

/** An address of this machine helps nobody who reads the host. */
export function publicUrl(url: string | null): string | null {
  return url === null || /\/\/(127\.|localhost|\[::1\])/.test(url) ? null : url;
}
