import { canonicalJson } from '../../core/text/canonical.ts';
import type { AppDeclaration } from '../affected/workspace.ts';
import { environmentNames, environmentOf, normalPath } from '../../config/schema/names.ts';
import type { Config } from '../../config/schema/workspace.ts';

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
      settings: canonicalJson([settings, differences]),
    };
  });
}

/** Inputs of every app: those of the configuration, and the files of variables that tools read by themselves. */
export function inputsOfAll(config: Config, environments: readonly string[]): string[] {
  return [...(config.inputs ?? []).map(normalPath), '.env', ...environments.map((name) => `.env.${name}`)];
}

/** Folders of apps, as the readers of manifests want them. */
export function foldersOf(apps: readonly { readonly path: string }[]): string[] {
  return [...new Set(apps.map((app) => app.path))].filter((path) => path !== '.').toSorted();
}
