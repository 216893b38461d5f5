import type { ChecklistLine } from '../../../core/release/state/checklist-line.ts';
import type { Manifest, ReleaseRow, ReleaseState } from '../../../engine/face.ts';
import type { ServedApp } from '../../../services/serving/served-app.ts';
import type { Client } from '../../control-plane/client.ts';
import { EXIT, exitOfOutcome } from '../../session/exit.ts';
import { follow } from '../../view/follow.ts';
import { checklistText } from './checklist.ts';
import { environmentOption, type FollowOptions, followOptions, watchOption } from '../../session/options.ts';
import { activeRelease, environments } from '../../session/pick.ts';
import { command, type Session } from '../../session/session.ts';
import { summaryOf } from '../../view/state.ts';
import { treeOf } from '../../view/tree.ts';
import { age, planText, table } from '../../view/words.ts';
import { marksOf } from '../../view/marks.ts';

interface StatusOptions extends FollowOptions {
  readonly env?: string;
  readonly watch?: boolean;
}

interface Row {
  readonly name: string;
  readonly url: string | null;
  readonly manifest: Manifest;
  /** What users get of each app that has routes; empty where nobody can be asked. */
  readonly served: readonly ServedApp[];
}

export const status = command<StatusOptions>({
  help: 'With -w and no release: follows the one that is under way. The exit code is then that of the release.\n\n  $ sluice status\n  $ sluice status r-42\n  $ sluice status -w r-42',
  options: [environmentOption(), watchOption(), ...followOptions()],
  async run(session, { args, options }) {
    const client = await session.client();
    const [id] = args;
    if (options.watch === true) return follow(session, await activeRelease(session, client, id, options.env), options);
    if (id !== undefined) return one(session, client, id);
    return overview(session, client, options.env);
  },
});

async function one(session: Session, client: Client, id: string) {
  const state = await client.get<ReleaseState>(`/v1/releases/${encodeURIComponent(id)}`);
  const { lines } = await client.get<{ lines: ChecklistLine[] }>(`/v1/releases/${encodeURIComponent(id)}/checklist`);
  const tree = treeOf(state, {
    now: session.now(),
    columns: session.terminal.columns(),
    tick: 0,
    seen: new Map(),
    marks: marksOf(session.env),
    colour: (_colour, text) => text,
  });
  const exit = state.outcome === null ? EXIT.ok : exitOfOutcome(state.outcome);
  return {
    exit: EXIT.ok,
    data: { ...summaryOf(state), checklist: lines, exitCode: exit },
    text: [...tree, '', planText(state.plan), '', 'Checklist', ...checklistText(lines).map((line) => `  ${line}`)].join('\n'),
  };
}

async function overview(session: Session, client: Client, environment: string | undefined) {
  const known = (await environments(client)).filter((one) => environment === undefined || one.name === environment);
  // Asked for even when it is unknown, so that the answer says so.
  const names = environment !== undefined && known.length === 0 ? [{ name: environment, url: null }] : known;
  const rows: Row[] = await Promise.all(
    names.map(async ({ name, url }) => {
      const [manifest, served] = await Promise.all([
        client.get<Manifest>(`/v1/manifest/${encodeURIComponent(name)}`),
        client.get<{ apps: ServedApp[] }>(`/v1/served/${encodeURIComponent(name)}`),
      ]);
      return { name, url, manifest, served: served.apps };
    }),
  );
  const { releases } = await client.get<{ releases: ReleaseRow[] }>('/v1/releases', { active: true, environment });
  return {
    exit: EXIT.ok,
    data: dataOf(rows, releases),
    text: [...matrix(rows, session.now()), ...unserved(rows), '', ...underWay(releases, session.now())].join('\n'),
  };
}

function dataOf(rows: readonly Row[], releases: readonly ReleaseRow[]) {
  const appsOf = ({ manifest, served }: Row) =>
    Object.values(manifest.apps).map(({ app, stable, weights, since, release, held }) => ({
      app,
      version: stable?.id ?? null,
      commit: stable?.commit ?? null,
      weights,
      since,
      release,
      held: held.map((one) => one.version),
      served: served.find((one) => one.app === app) ?? null,
    }));
  return { environments: rows.map((row) => ({ name: row.name, url: row.url, apps: appsOf(row) })), active: releases };
}

function matrix(rows: readonly Row[], now: number): string[] {
  const apps = [...new Set(rows.flatMap((row) => Object.keys(row.manifest.apps)))].toSorted();
  const head = ['', ...rows.map((row) => row.name)];
  const cells = apps.map((app) => [app, ...rows.map((row) => cell(row, app, now))]);
  if (apps.length === 0) return [`Nothing has been released to ${rows.map((row) => row.name).join(', ')} yet: \`sluice deploy\`.`];
  const urls = rows.some((row) => row.url !== null) ? [['', ...rows.map((row) => row.url ?? '')]] : [];
  return table([head, ...cells, ...urls]);
}

/** `3fa9c1d2e4b5 2 h, serves`, and the weights while there is more than one version. */
function cell({ manifest, served }: Row, app: string, now: number): string {
  const known = manifest.apps[app];
  if (known === undefined) return '–';
  const version = known.stable === null ? 'no stable version' : `${known.stable.id} ${age(now - known.since)}`;
  const split = Object.entries(known.weights).filter(([, weight]) => weight > 0);
  const shares = split.length > 1 ? ` (${split.map(([id, weight]) => `${id} ${weight} %`).join(', ')})` : '';
  const users = served.find((one) => one.app === app);
  const reach = users === undefined ? '' : users.trouble === null ? ', serves' : ', NOT SERVED';
  return `${version}${shares}${reach}${known.held.length > 0 ? ` [${known.held.length} held]` : ''}`;
}

/** What is wrong for users, each with its reason; nothing while all is well. */
function unserved(rows: readonly Row[]): string[] {
  const bad = rows.flatMap(({ name, served }) =>
    served.flatMap(({ app, trouble }) => (trouble === null ? [] : [[`  ${app}`, name, trouble]])),
  );
  return bad.length === 0 ? [] : ['', 'Not served (`sluice doctor` says what to do)', ...table(bad)];
}

function underWay(releases: readonly ReleaseRow[], now: number): string[] {
  if (releases.length === 0) return ['No release is under way.'];
  return [
    'Under way',
    ...table(
      releases.map((row) => [
        `  ${row.id}`,
        row.environment,
        row.kind,
        row.apps.join(', '),
        `by ${row.by}`,
        `for ${age(now - row.requestedAt)}`,
      ]),
    ),
  ];
}
