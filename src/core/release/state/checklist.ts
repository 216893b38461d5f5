import type { ChecklistLine } from './checklist-line.ts';
import { PREPARATIONS } from '../preparations/index.ts';
import { line } from '../preparations/stage.ts';
import type { ReleaseState, RolloutState } from './state.ts';

/** Computed from the release's own events, at any time of its life: nobody ticks a box. */
export function checklistOf(state: ReleaseState): readonly ChecklistLine[] {
  return [
    ...PREPARATIONS.flatMap(({ words: { checklist } }) => checklist(state)),
    performance(state),
    health(state),
    line('dashboards', 'done', 'its timeline, weights and verdicts are kept with it', `sluice status ${state.id}`),
    rollbackPlan(state),
  ];
}

/** How the new versions did under real traffic, beside the old ones. */
function performance(state: ReleaseState): ChecklistLine {
  const judged = rolled(state).filter(({ app }) => 'analysis' in app.strategy && app.strategy.analysis !== null && app.stable !== null);
  if (judged.length === 0) return line('performance', 'notApplicable', 'no strategy here judges the new version under traffic', null);
  const said = judged.flatMap(({ app, verdict }) => (verdict === null ? [] : [{ app: app.app, verdict }]));
  const bad = said.filter(({ verdict }) => verdict.phase !== 'Successful');
  if (bad.length > 0) return line('performance', 'failed', words(bad), `sluice status ${state.id}`);
  return said.length < judged.length
    ? line('performance', isOver(state) ? 'notApplicable' : 'open', 'no verdict for every app', null)
    : line('performance', 'done', words(said), `sluice status ${state.id}`);
}

function words(said: readonly { readonly app: string; readonly verdict: { readonly reason: string } }[]): string {
  return said.map(({ app, verdict }) => `${app}: ${verdict.reason}`).join('; ');
}

function health(state: ReleaseState): ChecklistLine {
  const open = rolled(state);
  const sick = open.filter(({ failedCheck }) => failedCheck !== null);
  if (sick.length > 0)
    return line(
      'health',
      'failed',
      sick.map(({ app, failedCheck }) => `${app.app}: ${failedCheck?.message}`).join('; '),
      `sluice status ${state.id}`,
    );
  const well = open.filter(({ provenAt }) => provenAt !== null);
  if (open.length === 0) return line('health', 'notApplicable', 'everything ran already', null);
  if (well.length < open.length)
    return line('health', isOver(state) ? 'failed' : 'open', `${well.length} of ${open.length} apps seen healthy`, null);
  const seen = well
    .map(({ app, candidate, provenAt }) => `${app.app} ${candidate?.id} at ${new Date(provenAt ?? 0).toISOString()}`)
    .join(', ');
  return line('health', 'done', 'every new version was seen healthy', seen);
}

function rollbackPlan({ plan, preparation }: ReleaseState): ChecklistLine {
  const { migrations: applied } = preparation;
  if (applied !== null && !applied.old.works) return line('rollback plan', 'failed', `it cannot go back: ${applied.old.reason}`, null);
  const first = plan.apps.filter(({ stable }) => stable === null).map(({ app }) => app);
  const back = plan.apps.flatMap(({ app, stable }) => (stable === null ? [] : [`${app} to ${stable.id}`]));
  if (back.length === 0) return line('rollback plan', 'notApplicable', 'first deploy: there is nothing to go back to', null);
  const note = first.length === 0 ? '' : `; ${first.join(', ')}: first deploy, nothing to go back to`;
  return line(
    'rollback plan',
    'done',
    `traffic back on the version before, at once (${back.join(', ')})${note}`,
    `sluice rollback -e ${plan.environment}`,
  );
}

function rolled(state: ReleaseState): RolloutState[] {
  return Object.values(state.rollouts).filter(({ stage }) => stage !== 'skipped');
}

function isOver({ stage }: ReleaseState): boolean {
  return stage === 'ended' || stage === 'closed';
}
