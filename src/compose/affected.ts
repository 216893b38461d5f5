import { join } from 'node:path';
import { changeReaders } from './change-readers.ts';
import { declaredAnywhere, foldersOf, inputsOfAll } from '../services/planning/declared.ts';
import { environmentNames, normalPath } from '../config/schema/names.ts';
import { importsAny } from '../services/affected/imports.ts';
import { quickConfig } from '../config/load/cached.ts';
import type { Config } from '../config/schema/workspace.ts';
import { changedSettings } from '../core/changes/differences.ts';
import { type Affected, affectedBy, explain, indexOf } from '../core/changes/affected.ts';
import type { ResolvedApp, ResolvedEnvironment } from '../core/changes/environment.ts';
import type { ProjectGraph } from '../core/changes/project.ts';
import { appNode } from '../core/changes/project.ts';
import { causeWords, hopWords, reasonOf, shortName, unreadableNotices } from '../core/changes/reason.ts';
import {
  baseManifests,
  changesManifest,
  type Detail,
  earlyManifests,
  type ManifestFiles,
  manifestsAt,
  type ManifestState,
  type Readers,
  withApps,
} from '../services/affected/workspace.ts';
import { SluiceError } from '../core/errors.ts';
import type { KnownManifest } from '../core/release/plan/make-plan.ts';
import type { Changed } from '../ports/history.ts';
import type { SourceControl } from '../ports/source.ts';

export interface AffectedApp {
  readonly app: string;
  readonly path: string;
  /** Why, one phrase. */
  readonly reason: string;
}

export interface RemovedApp {
  readonly app: string;
  readonly path: string;
  /** The app that has what this one had, when there is one: it was renamed. */
  readonly renamedTo: string | null;
}

export interface AffectedAnswer {
  readonly base: string | null;
  readonly head: string;
  /** Uncommitted changes are part of it. */
  readonly dirty: boolean;
  readonly apps: readonly AffectedApp[];
  /** Folders of what is affected besides apps: packages, modules, crates. */
  readonly projects: readonly string[];
  readonly added: readonly string[];
  /** Apps that are in the configuration no more: what runs of them has to be torn down. */
  readonly removed: readonly RemovedApp[];
  /** The same app in another folder. */
  readonly moved: readonly { readonly app: string; readonly from: string; readonly to: string }[];
  readonly removedProjects: readonly string[];
  readonly notices: readonly string[];
  /** Manifests and lockfiles that cannot be read, and why; what they may concern counts as affected. */
  readonly unreadable: ManifestState['unreadable'];
  /** How what changed gets to one app, line by line; null: it is not affected. */
  explain(app: string): readonly string[] | null;
}

export interface AffectedSince {
  /** Root of the workspace. */
  readonly dir: string;
  readonly version: string;
  /** Commit, branch or tag to compare with. */
  readonly since: string;
  /** Count uncommitted changes too. */
  readonly dirty: boolean;
}

/**
 * What differs between a commit and what is checked out. Needs no control plane.
 * @throws UserError `COMMIT_UNKNOWN`, `CONFIG_*`, `NOT_A_REPOSITORY`.
 */
export async function affectedSince({ dir, version, since, dirty }: AffectedSince): Promise<AffectedAnswer> {
  const readers = changeReaders(dir, version);
  const memory = join(dir, '.sluice', 'cache', 'config.json');
  const ends = endsOf(readers, since, async () => (dirty ? (await sourceIn(dir)).snapshot() : readers.history.resolve('HEAD')));
  const [{ base, head, changed, detail, early }, { file, config }] = await Promise.all([
    ends,
    quickConfig({ dir, memory, version, asked: ends }),
  ]);
  const paths = changed.map(({ path }) => path);
  const before = paths.includes(file)
    ? await configAt(readers, dir, base, file)
    : importsAny(dir, file, paths)
      ? { config: null, notices: [`Something that ${file} takes in changed, so every app counts as affected.`] }
      : { config, notices: [] };
  const graphs = await bothGraphs(readers, { base, head, changed, detail, early, config, before: before.config });
  const affected = affectedBy(graphs.head, graphs.base, paths);
  return {
    base,
    head,
    dirty,
    notices: [...before.notices, ...unreadableNotices(graphs.unreadable)],
    unreadable: graphs.unreadable,
    ...(await appsThatCameAndWent(readers, before.config ?? config, config, base, head)),
    ...told(graphs.head.graph, affected, base),
  };
}

async function sourceIn(dir: string): Promise<SourceControl> {
  const { gitSource } = await import('../adapters/source/git.ts');
  return gitSource({ dir });
}

/** What can be said of an answer once the graph and what is affected in it are known. */
function told(
  graph: ProjectGraph,
  affected: Affected,
  base: string,
): Pick<AffectedAnswer, 'apps' | 'projects' | 'removedProjects' | 'explain'> {
  const names = [...affected.names].toSorted();
  const removed = affected.removed.filter((name) => !name.includes(':')).toSorted();
  return {
    apps: names.flatMap((name) => {
      if (!name.startsWith('app:')) return [];
      return [{ app: shortName(name), path: graph.get(name)?.path ?? '', reason: reasonOf(graph, affected, name, base) ?? '' }];
    }),
    projects: names.filter((name) => !name.includes(':')),
    removedProjects: removed,
    explain(app) {
      const found = explain(graph, affected, appNode(app));
      if (found === null) return null;
      const { files, also } = found.cause;
      const why = files.length > 0 ? files.map((path) => `  ${path}`) : [`  ${causeWords(found.cause)}`];
      const end = found.hops.at(-1)?.to ?? appNode(app);
      return [
        ...found.hops.map(hopWords),
        `${shortName(end)}:`,
        ...why,
        ...(files.length > 0 && also.length > 0 ? [`  also: ${also.join(', ')}`] : []),
      ];
    },
  };
}

interface Ends {
  readonly base: string;
  readonly head: string;
  readonly changed: readonly Changed[];
  readonly detail: Detail;
  /** What the graph is made from, when it has to be made; it comes while the configuration is read. */
  readonly early: { readonly files: Promise<ManifestFiles | null> };
}

async function endsOf(readers: Readers, since: string, resolveHead: () => Promise<string>): Promise<Ends> {
  const [base, head] = await Promise.all([readers.history.resolve(since), resolveHead(), readers.memory?.recall()]);
  const changes = readers.history.changed(base, head);
  const how = changes.then((changed): Detail => (changesManifest(readers.manifests, changed) ? 'all' : 'edges'));
  const files = earlyManifests(readers, head, how);
  files.catch(() => undefined); // it is told where they are waited for, if the configuration lets it come to that
  return { base, head, changed: await changes, detail: await how, early: { files } };
}

interface Known extends Ends {
  readonly config: Config;
  /** Null: it is not known what it said. */
  readonly before: Config | null;
}

async function bothGraphs(readers: Readers, { base, head, changed, detail, early, config, before }: Known) {
  const declared = declaredAnywhere(config);
  const now = await manifestsAt(readers, head, foldersOf(declared), detail, early.files);
  const everywhere = inputsOfAll(config, environmentNames(config));
  const graph = withApps(now.projects, declared, everywhere);
  // Of settings that are not known none is known to be the same.
  const unknown = declared.map((one) => ({ ...one, settings: '' }));
  const declaredBefore = before === config ? declared : before === null ? unknown : declaredAnywhere(before);
  const then = await baseManifests(readers, now, base, changed, foldersOf(declaredBefore));
  const same = then.projects === now.projects && before === config;
  const everywhereBefore = same || before === null ? everywhere : inputsOfAll(before, environmentNames(before));
  return {
    head: indexOf(graph),
    base: same ? null : indexOf(withApps(then.projects, declaredBefore, everywhereBefore)),
    unreadable: now.unreadable,
  };
}

/** The configuration as it was; null where that cannot be told. */
async function configAt(readers: Readers, dir: string, at: string, file: string): Promise<{ config: Config | null; notices: string[] }> {
  const { readConfigText } = await import('../config/load/earlier.ts');
  const [id] = await readers.history.ids(at, [file]);
  const [text] = id === null || id === undefined ? [null] : await readers.history.texts([id]);
  if (text === null || text === undefined)
    return { config: null, notices: [`There was no ${file} at the base, so every app counts as affected.`] };
  const earlier = await readConfigText(dir, file, text);
  const notice = `${file} of the base cannot be read any more, so every app counts as affected.`;
  return { config: earlier, notices: earlier === null ? [notice] : [] };
}

/** Apps by name: the name is what an app is, its folder is where it lies. */
async function appsThatCameAndWent(
  { history }: Readers,
  before: Config,
  now: Config,
  base: string,
  head: string,
): Promise<Pick<AffectedAnswer, 'added' | 'removed' | 'moved'>> {
  const gone = Object.entries(before.apps).flatMap(([app, { path }]) =>
    now.apps[app] === undefined ? [{ app, path: normalPath(path) }] : [],
  );
  const came = Object.entries(now.apps).flatMap(([app, { path }]) =>
    before.apps[app] === undefined ? [{ app, path: normalPath(path) }] : [],
  );
  const moved = Object.entries(now.apps).flatMap(([app, { path }]) => {
    const from = before.apps[app]?.path;
    return from === undefined || normalPath(from) === normalPath(path) ? [] : [{ app, from: normalPath(from), to: normalPath(path) }];
  });
  const [had, has] = await Promise.all([
    history.ids(
      base,
      gone.map((one) => one.path),
    ),
    history.ids(
      head,
      came.map((one) => one.path),
    ),
  ]);
  const removed = gone.map(({ app, path }, i) => {
    const same = came.find((one, j) => one.path === path || (had[i] !== null && had[i] === has[j]));
    return { app, path, renamedTo: same?.app ?? null };
  });
  return { added: came.map((one) => one.app), removed, moved };
}

export interface AffectedIn {
  readonly dir: string;
  readonly version: string;
  readonly environment: string;
  /** What runs there now. */
  readonly manifest: KnownManifest;
}

/**
 * What differs between the workspace and what is deployed in an environment, app by app: each is compared with the
 * commit it was deployed from.
 * @throws UserError `CONFIG_*`, `UNKNOWN_ENVIRONMENT`, `UNCOMMITTED_CHANGES`, `NO_COMMITS`, `NOT_A_REPOSITORY`.
 */
export async function affectedIn({ dir, version, environment: name, manifest }: AffectedIn): Promise<AffectedAnswer> {
  const [{ loadConfig }, { resolveEnvironment }, { workspaceAt }, { sourceOf }] = await Promise.all([
    import('../config/load/load.ts'),
    import('../config/resolve/resolve.ts'),
    import('../services/planning/changes.ts'),
    import('../services/planning/planner.ts'),
  ]);
  const readers = changeReaders(dir, version);
  const config = await loadConfig(dir);
  const environment = resolveEnvironment(config, name);
  const from = await sourceOf(environment, await sourceIn(dir));
  const { fingerprints, unreadable } = await workspaceAt(readers, from.commit, config, environment);
  const apps = await Promise.all(
    environment.apps.map((app) =>
      stateOf({ readers, config, environment, head: from.commit }, app, manifest, fingerprints.get(app.app) ?? ''),
    ),
  );
  const known = new Set(environment.apps.map((app) => app.app));
  const gone = Object.values(manifest.apps).filter((one) => one.stable !== null && !known.has(one.app));
  return {
    base: null,
    head: from.commit,
    dirty: from.dirty,
    apps: apps.flatMap((one) => (one.reason === null ? [] : [{ app: one.app, path: one.path, reason: one.reason }])),
    projects: [],
    added: apps.filter((one) => one.reason === FIRST).map((one) => one.app),
    removed: gone.map(({ app, fingerprint }) => ({
      app,
      path: '',
      renamedTo: [...fingerprints].find(([, value]) => value === fingerprint)?.[0] ?? null,
    })),
    moved: [],
    removedProjects: [],
    notices: unreadableNotices(unreadable),
    unreadable,
    explain: (app) => apps.find((one) => one.app === app)?.lines ?? null,
  };
}

const FIRST = 'first deploy';

interface Compared {
  readonly readers: Readers;
  readonly config: Config;
  readonly environment: ResolvedEnvironment;
  readonly head: string;
}

interface AppState {
  readonly app: string;
  readonly path: string;
  /** Null: it is as it is deployed. */
  readonly reason: string | null;
  readonly lines: readonly string[] | null;
}

async function stateOf(compared: Compared, app: ResolvedApp, manifest: KnownManifest, fingerprint: string): Promise<AppState> {
  const known = manifest.apps[app.app];
  const plain = (reason: string | null): AppState => ({ app: app.app, path: app.path, reason, lines: reason === null ? null : [reason] });
  if (known === undefined || known.stable === null) return plain(FIRST);
  if (known.fingerprint === fingerprint) {
    const names = changedSettings(known.stable, app);
    return plain(names.length === 0 ? null : `settings changed: ${names.join(', ')}`);
  }
  const { commit } = known.stable;
  if (commit === null) return plain('source changed');
  try {
    const { comparedWith } = await import('../services/planning/changes.ts');
    const { graph, affected } = await comparedWith(compared.readers, compared.config, compared.environment, compared.head, commit);
    const { explain: lines } = told(graph, affected, commit);
    const reason = reasonOf(graph, affected, appNode(app.app), commit) ?? 'build or check settings changed';
    return { app: app.app, path: app.path, reason, lines: lines(app.app) ?? [reason] };
  } catch (error) {
    if (!(error instanceof SluiceError)) throw error;
    return plain(`source changed since ${commit.slice(0, 7)}, which cannot be read here (${error.code})`);
  }
}
