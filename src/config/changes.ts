import { createHash } from 'node:crypto';
import { canonicalJson } from '../core/canonical.ts';
import type { ResolvedEnvironment } from '../core/changes/environment.ts';
import type { ProjectGraph } from '../core/changes/project.ts';
import { appNode } from '../core/changes/project.ts';
import type { AppDeclaration, Readers } from '../core/changes/workspace.ts';
import { fingerprintsOf, manifestsAt, reachable, withApps } from '../core/changes/workspace.ts';
import { environmentNames, environmentOf, normalPath } from './resolve.ts';
import type { Config } from './schema.ts';

/** SHA-256, in hex. */
export function sha256Hex(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

/** What the apps are made from in one environment: the settings that count there, in full. */
export function declaredIn(config: Config, environment: ResolvedEnvironment): AppDeclaration[] {
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

/** What the apps are made from and how they are deployed, in all environments: everything that the configuration says of each. */
export function declaredAnywhere(config: Config): AppDeclaration[] {
  const names = environmentNames(config);
  return Object.entries(config.apps).map(([app, own]) => {
    const { path, dependsOn = [], inputs = [], ...settings } = own;
    const differences = names.map((name) => {
      const { apps, strategy, env } = environmentOf(config, name);
      return [name, strategy ?? null, env ?? null, apps?.[app] ?? null];
    });
    return {
      app,
      path: normalPath(path),
      dependsOn: [...dependsOn],
      inputs: inputs.map(normalPath),
      settings: sha256Hex(canonicalJson([settings, differences])),
    };
  });
}

/** Inputs of every app: those of the configuration, and the files of variables that tools read by themselves. */
export function inputsOfAll(config: Config, environments: readonly string[]): string[] {
  return [...(config.inputs ?? []).map(normalPath), '.env', ...environments.map((name) => `.env.${name}`)];
}

export interface WorkspaceAt {
  readonly graph: ProjectGraph;
  /** App → fingerprint. */
  readonly fingerprints: ReadonlyMap<string, string>;
}

/** The graph of one environment at a commit, and the fingerprints of its apps. */
export async function workspaceAt(readers: Readers, at: string, config: Config, environment: ResolvedEnvironment): Promise<WorkspaceAt> {
  const { projects } = await manifestsAt(readers, at, foldersOf(environment.apps));
  const graph = withApps(projects, declaredIn(config, environment), inputsOfAll(config, [environment.name]));
  const names = environment.apps.map((app) => appNode(app.app));
  const prints = await fingerprintsOf(readers.history, at, reachable(graph, names), sha256Hex);
  return { graph, fingerprints: new Map(environment.apps.map(({ app }) => [app, prints.get(appNode(app)) ?? ''])) };
}

/** Folders of apps, as the readers of manifests want them. */
export function foldersOf(apps: readonly { readonly path: string }[]): string[] {
  return [...new Set(apps.map((app) => app.path))].filter((path) => path !== '.').toSorted();
}
