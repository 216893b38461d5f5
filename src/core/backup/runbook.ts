import type { Catalog, Finding } from './catalog.ts';
import { span, type Evidence, type Incident } from './drill.ts';
import type { BackupPolicy } from './policy.ts';

/** One source as the runbooks speak of it. */
export interface RunbookSource {
  readonly name: string;
  readonly adapter: string;
  /** The control plane's own database: when it is lost there is no control plane to ask. */
  readonly isOwn: boolean;
  readonly restoresTo: 'folder' | 'branch' | 'file';
  readonly pointInTime: boolean;
  readonly order: number;
  /** For people: where the backups lie. */
  readonly location: string;
  readonly second: string | null;
  readonly policy: BackupPolicy;
  readonly catalog: Catalog;
  readonly alarms: readonly Finding[];
  readonly drill: { readonly at: number; readonly passed: boolean; readonly evidence: Evidence } | null;
}

export interface RunbookFacts {
  readonly workspace: string;
  readonly sources: readonly RunbookSource[];
  /** Apps by environment, each after what it depends on. */
  readonly environments: readonly { readonly name: string; readonly apps: readonly string[] }[];
  readonly madeAt: number;
}

/** The critical path: event stores first, then what is made from them, then the rest. */
export function restoreOrder<S extends { readonly name: string; readonly order: number }>(sources: readonly S[]): S[] {
  return sources.toSorted((a, b) => a.order - b.order || (a.name < b.name ? -1 : 1));
}

export function usualOrder(source: { readonly hasEvents: boolean; readonly isDatabase: boolean }): number {
  return source.hasEvents ? 10 : source.isDatabase ? 20 : 30;
}

/** Runbooks for the four incidents, as Markdown. Every command in them is complete, and every restore in them is what a drill does. */
export function runbook(facts: RunbookFacts): string {
  const sources = restoreOrder(facts.sources);
  const parts = [
    `# Recovery of ${facts.workspace}`,
    `Made ${iso(facts.madeAt)} from the configuration and the backups as they are. Make it anew with \`sluice backup runbook\`, and keep a copy where the incident cannot reach it.`,
    '## What there is',
    inventory(sources),
    '## Order of recovery',
    orderText(sources, facts),
    incident('Corruption', 'Wrong rows, damaged pages, a table dropped by mistake.', exercised(sources, 'corruption'), [
      'Stop what writes: `sluice down`, or set the apps concerned to zero instances. Every write from now on may be lost.',
      'Find the last good moment: `sluice history`, the logs of the apps, and for damaged pages `sluice backup verify`.',
      ...sources
        .filter(({ restoresTo }) => restoresTo !== 'file')
        .map((source) => restoreStep(source, source.pointInTime ? ' --to <moment before the damage>' : '')),
      'Compare the copy with the damaged one, and copy back what is missing; or let the copy take its place (below).',
      takePlace(sources),
    ]),
    incident('Bad release', 'A release changed data that it should not have changed.', exercised(sources, 'badRelease'), [
      '`sluice rollback` first: traffic goes back to the version before, which is a matter of seconds. It says so when that version cannot read the data any more.',
      '`sluice backup list` shows the restore point that was made before the release (reason `release …`).',
      ...sources.filter(({ pointInTime }) => pointInTime).map((source) => restoreStep(source, ' --to <restore point>')),
      'Copy back what the release has changed. What users wrote since is in the live database only: do not replace it as a whole without need.',
    ]),
    incident('Loss of a data centre', 'The machines are gone; the backups are not.', exercised(sources, 'dataCentreLoss'), [
      'Get a machine with Sluice of the same version, this repository, and the variables that the configuration names.',
      ...sources.map((source) => restoreStep(source, lost(source))),
      takePlace(sources),
      ...facts.environments.map(
        ({ name, apps }) => `\`sluice deploy -e ${name}\` brings the apps up in this order: ${apps.join(' → ') || 'none'}.`,
      ),
    ]),
    incident('Loss of a region', 'The machines and the first copy of the backups are gone.', exercised(sources, 'regionLoss'), [
      'Get a machine in another region, with Sluice of the same version, this repository, and the variables that the configuration names.',
      ...secondLocation(sources),
      'Name the second locations as `to` in the configuration, and new ones as `copyTo`. Then go on as after the loss of a data centre.',
    ]),
    '## What the drills have shown',
    drillTable(sources),
  ];
  return `${parts.join('\n\n')}\n`;
}

function inventory(sources: readonly RunbookSource[]): string {
  const rows = sources.map(({ name, adapter, location, second, catalog, policy }) => {
    const newest = catalog.backups.at(-1);
    const window = catalog.window === null ? 'only the backups themselves' : `${iso(catalog.window.from)} to ${iso(catalog.window.to)}`;
    return `| ${name} | ${adapter} | ${location} | ${second ?? '**none**'} | ${newest === undefined ? '**none**' : iso(newest.endedAt)} | ${window} | ${span(policy.objectives.rtoMs)} / ${span(policy.objectives.rpoMs)} |`;
  });
  return [
    '| source | adapter | backups | second copy | newest | any moment | objectives: time / loss |',
    '|---|---|---|---|---|---|---|',
    ...rows,
  ].join('\n');
}

function orderText(sources: readonly RunbookSource[], { environments }: RunbookFacts): string {
  const steps = [
    ...sources.map(({ name, order }) => `**${name}**${order <= 10 ? ': the event store; everything else can be made from it' : ''}`),
    'projections: those that lie in a restored database are as old as it is and go on by themselves; `sluice db verify` compares, `sluice db rebuild` makes them anew',
    ...environments.map(({ name, apps }) => `apps of ${name}: ${apps.join(' → ') || 'none'}`),
  ];
  return steps.map((step, i) => `${i + 1}. ${step}`).join('\n');
}

function incident(title: string, what: string, drills: string, steps: readonly string[]): string {
  return `## ${title}\n\n${what} ${drills}\n\n${steps.map((step, i) => `${i + 1}. ${step}`).join('\n')}`;
}

/** Which of these restores a drill has really done, and when. */
function exercised(sources: readonly RunbookSource[], incident: Incident): string {
  const done = sources.filter(({ drill }) => drill?.evidence.exercised?.includes(incident) === true);
  const open = sources.filter((source) => !done.includes(source)).map(({ name }) => name);
  const said = done.map(({ name, drill }) => `${name} (${iso(drill?.at ?? 0)})`).join(', ');
  return [
    done.length === 0 ? 'No drill has gone through this yet.' : `Gone through by the last drill of ${said}.`,
    ...(done.length > 0 && open.length > 0 ? [`**Not yet** of ${open.join(', ')}.`] : []),
  ].join(' ');
}

/** With the database that the control plane lives by, the control plane is gone as well. */
function lost({ isOwn }: RunbookSource): string {
  return isOwn ? ' --offline' : '';
}

function restoreStep(source: RunbookSource, to: string): string {
  const { name, restoresTo, drill } = source;
  const into =
    restoresTo === 'folder'
      ? `/var/lib/sluice/restored-${name}`
      : restoresTo === 'branch'
        ? `restored-${name}`
        : `restored-${name}.tfstate`;
  const took = drill?.evidence.rtoMs == null ? 'never drilled' : `${span(drill.evidence.rtoMs)} in the drill of ${iso(drill.at)}`;
  return `\`sluice backup restore ${name}${to} --into ${into}\` (${took})`;
}

function takePlace(sources: readonly RunbookSource[]): string {
  const folder = sources.filter(({ restoresTo }) => restoresTo === 'folder').map(({ name }) => name);
  if (folder.length === 0) return 'Point the apps at the copy (connection strings), and release.';
  return `Start the copy (${folder.join(', ')}): \`pg_ctl -D <folder>/data start\` as its user, turn archiving on again (\`archive_mode\`), point \`SLUICE_DATABASE_URL\` and the apps at it, and take a full backup: \`sluice backup now\`.`;
}

function secondLocation(sources: readonly RunbookSource[]): string[] {
  return sources.map((source) => {
    const { name, second, adapter } = source;
    if (second !== null) return `${restoreStep(source, `${lost(source)} --from-copy`)}, which lies in ${second}`;
    if (adapter === 'neon') return `${name}: Neon keeps its branches in one region. Without a logical copy elsewhere **it is lost**.`;
    if (adapter === 'pgbackrest') return `${name}: pgBackRest's own configuration says whether there is a second repository (repo2-*).`;
    return `${name}: there is **no second copy**. It is lost. Give it a \`copyTo\` before this happens.`;
  });
}

function drillTable(sources: readonly RunbookSource[]): string {
  const rows = sources.map(({ name, drill }) => {
    if (drill === null) return `| ${name} | never | | | |`;
    const { evidence } = drill;
    const parts = evidence.timings.map(({ part, ms }) => `${part} ${span(ms)}`).join(', ');
    return `| ${name} | ${iso(drill.at)} ${drill.passed ? 'passed' : '**failed**'} | ${evidence.rtoMs === null ? '-' : span(evidence.rtoMs)} | ${evidence.rpoMs === null ? '-' : span(evidence.rpoMs)} | ${parts} |`;
  });
  return ['| source | last drill | time to recover | loss | parts |', '|---|---|---|---|---|', ...rows].join('\n');
}

function iso(at: number): string {
  return `${new Date(at).toISOString().slice(0, 19)}Z`;
}
