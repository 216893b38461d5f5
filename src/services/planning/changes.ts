import { canonicalJson } from '../../core/text/canonical.ts';
import { type Affected, affectedBy, indexOf } from '../../core/changes/affected.ts';
import type { ResolvedEnvironment } from '../../core/changes/environment.ts';
import type { ProjectGraph } from '../../core/changes/project.ts';
import { appNode } from '../../core/changes/project.ts';
import type { AppDeclaration, ManifestState, Readers } from '../affected/workspace.ts';
import { baseManifests, fingerprintsOf, manifestsAt, reachable, withApps } from '../affected/workspace.ts';
import { foldersOf, inputsOfAll } from './declared.ts';
import { sha256Hex } from './digest.ts';
import { normalPath } from '../../config/schema/names.ts';
import type { Config } from '../../config/schema/workspace.ts';

/** What the apps are made from in one environment: the settings that count there, in full. */
function declaredIn(config: Config, environment: ResolvedEnvironment): AppDeclaration[] {
  return environment.apps.map(({ app, path, dependsOn, build: { command, output, env } }) => {
    const { inputs = [], checks, gates } = config.apps[app] ?? {};
    return {
      app,
      path,
      dependsOn,
      inputs: inputs.map(normalPath),
      settings: canonicalJson({ build: { command, output, env }, checks, gates }),
    };
  });
}

export interface WorkspaceAt {
  readonly graph: ProjectGraph;
  /** App → fingerprint. */
  readonly fingerprints: ReadonlyMap<string, string>;
  readonly unreadable: ManifestState['unreadable'];
}

/** The graph of one environment at a commit, and the fingerprints of its apps. */
export async function workspaceAt(readers: Readers, at: string, config: Config, environment: ResolvedEnvironment): Promise<WorkspaceAt> {
  const { projects, unreadable } = await manifestsAt(readers, at, foldersOf(environment.apps));
  const graph = withApps(projects, declaredIn(config, environment), inputsOfAll(config, [environment.name]));
  const names = environment.apps.map((app) => appNode(app.app));
  const prints = await fingerprintsOf(readers.history, at, reachable(graph, names), sha256Hex);
  return { graph, unreadable, fingerprints: new Map(environment.apps.map(({ app }) => [app, prints.get(appNode(app)) ?? ''])) };
}

/**
 * What differs between a commit and the present one, by today's configuration. A commit that a shallow clone lacks is
 * fetched.
 * @throws UserError `COMMIT_UNKNOWN`.
 */
export async function comparedWith(
  readers: Readers,
  config: Config,
  environment: ResolvedEnvironment,
  head: string,
  commit: string,
): Promise<{ readonly graph: ProjectGraph; readonly affected: Affected }> {
  const { history } = readers;
  const [there] = await history.ids(commit, ['.']);
  const base = there === null || there === undefined ? await history.resolve(commit) : commit;
  const folders = foldersOf(environment.apps);
  const changed = await history.changed(base, head);
  const now = await manifestsAt(readers, head, folders);
  const then = await baseManifests(readers, now, base, changed, folders);
  const [declared, everywhere] = [declaredIn(config, environment), inputsOfAll(config, [environment.name])];
  const graph = withApps(now.projects, declared, everywhere);
  const before = then.projects === now.projects ? null : indexOf(withApps(then.projects, declared, everywhere));
  const files = changed.map((one) => one.path);
  return { graph, affected: affectedBy(indexOf(graph), before, files) };
}
