import type { ChecklistLine } from './checklist-line.ts';
import type { EvidenceLine } from '../../gates/report.ts';
import { databasesWithoutBackup } from '../preparations/stages.ts';
import type { ReleaseState, RolloutState } from './state.ts';

type Item = ChecklistLine['item'];

/** Subjects of evidence from checks, by line of the list. */
const SUBJECTS: readonly [Item, readonly string[]][] = [
  ['quality', ['quality', 'findings', 'duplication', 'lint', 'types', 'build']],
  ['tests', ['tests', 'test', 'unit', 'integration', 'e2e']],
  ['coverage', ['coverage']],
  ['scans', ['scan', 'scans', 'secrets', 'licences']],
  ['dependencies', ['dependencies']],
];

/** Computed from the release's own events, at any time of its life: nobody ticks a box. */
export function checklistOf(state: ReleaseState): readonly ChecklistLine[] {
  return [
    ...SUBJECTS.map(([item, subjects]) => checked(state, item, subjects)),
    approval(state),
    backup(state),
    migrations(state),
    projections(state),
    performance(state),
    health(state),
    line('dashboards', 'done', 'its timeline, weights and verdicts are kept with it', `sluice status ${state.id}`),
    rollbackPlan(state),
  ];
}

function checked(state: ReleaseState, item: Item, subjects: readonly string[]): ChecklistLine {
  const { plan, preparation } = state;
  if (plan.checks === undefined) return line(item, 'notApplicable', whyUnchecked(state), null);
  if (preparation.checks === null) return line(item, 'open', 'its checks have not ended yet', null);
  const found = preparation.checks.reports.flatMap(({ app, evidence }) =>
    evidence.filter(({ subject }) => subjects.includes(subject)).map((one) => ({ app, ...one })),
  );
  const relevant = found.filter(({ result }) => result !== 'notApplicable');
  const [first] = relevant;
  if (first === undefined) return line(item, 'notApplicable', found[0]?.text ?? 'no check or gate of these apps looks at it', null);
  const failed = relevant.filter(({ result }) => result === 'failed');
  const shown = failed.length > 0 ? failed : relevant;
  const proof = shown.find((one: EvidenceLine) => one.proof !== null)?.proof ?? `sluice status ${state.id}`;
  return line(item, failed.length > 0 ? 'failed' : 'done', shown.map(({ app, text }) => `${app}: ${text}`).join('; '), proof);
}

function whyUnchecked({ plan }: ReleaseState): string {
  if (plan.breakGlass !== undefined) return `set aside in an emergency: ${plan.breakGlass.reason}`;
  if (plan.promotedFrom !== undefined) return `checked on the way to ${plan.promotedFrom}; the same artifacts`;
  return plan.kind === 'rollback' ? 'these versions have been released before' : 'the apps have no checks or gates';
}

function approval({ plan, preparation: { approval: asked }, id }: ReleaseState): ChecklistLine {
  if (plan.approval === undefined) return line('approval', 'notApplicable', `${plan.environment} asks for none`, null);
  if (asked === null) return line('approval', 'open', 'not asked for yet', null);
  if (asked.rejected !== null)
    return line('approval', 'failed', `rejected by ${asked.rejected.by}: ${asked.rejected.reason}`, `sluice status ${id}`);
  const by = asked.given.map((one) => `${one.by} at ${new Date(one.at).toISOString()}`).join(', ');
  if (asked.given.length < plan.approval.number)
    return line('approval', 'open', `${asked.given.length} of ${plan.approval.number} given`, null);
  const emergency = plan.breakGlass === undefined ? '' : ` (emergency: ${plan.breakGlass.reason})`;
  return line('approval', 'done', `plan ${asked.planHash.slice(0, 19)} approved by ${by}${emergency}`, asked.planHash);
}

function backup({ plan, preparation: { restorePoints } }: ReleaseState): ChecklistLine {
  if (plan.backup === undefined) {
    const changed = databasesWithoutBackup(plan);
    const why =
      changed.length === 0 ? 'no data changes with it' : `${changed.join(', ')}: not in \`backups\`, so there is no restore point`;
    return line('backup', 'notApplicable', why, null);
  }
  if (restorePoints === null) return line('backup', 'open', 'no restore point yet', null);
  const points = restorePoints.map(({ database, id }) => `${database}: ${id}`).join(', ');
  return line('backup', 'done', 'restore points were made', points);
}

function migrations({ plan, preparation }: ReleaseState): ChecklistLine {
  if (plan.migrations === undefined) return line('migrations', 'notApplicable', 'it brings no schema changes', null);
  if (preparation.migrations === null)
    return line('migrations', preparation.failed === null ? 'open' : 'failed', preparation.failed?.message ?? 'not applied yet', null);
  const { applied, old } = preparation.migrations;
  const ids = applied.map(({ database, id }) => `${database}/${id}`).join(', ') || 'nothing to apply';
  return line('migrations', 'done', old.works ? 'applied; the versions before can work with them' : `applied; ${old.reason}`, ids);
}

function projections({ plan, preparation }: ReleaseState): ChecklistLine {
  if (plan.projections === undefined) return line('projections', 'notApplicable', 'it brings no read models', null);
  const done = preparation.projections;
  if (done === null)
    return line('projections', preparation.failed === null ? 'open' : 'failed', preparation.failed?.message ?? 'not rebuilt yet', null);
  if (done.reverted) return line('projections', 'failed', 'taken back with the release', null);
  return line(
    'projections',
    'done',
    'rebuilt, compared and switched',
    done.ready.map(({ name, version, events }) => `${name} ${version}: ${events} events`).join(', '),
  );
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

function line(item: Item, result: ChecklistLine['result'], text: string, proof: string | null): ChecklistLine {
  return { item, result, text, proof };
}
