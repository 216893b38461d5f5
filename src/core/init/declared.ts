import { composeDeclarations } from './compose.ts';
import { type Declarations, type Declared, joined, NOTHING, variables } from './declared-app.ts';
import type { Look, Variable } from './look.ts';
import { plainFolder, plainName } from './look.ts';
import { commandOf, type Data, data, list, string, yaml } from './parse.ts';

/** The apps that files of other tools describe. */
export function declarations(look: Look): Declarations {
  const all = [digitalOcean(look), composeDeclarations(look)];
  return joined(all);
}

function digitalOcean(look: Look): Declarations {
  const file = [...look.texts.keys()].find((path) => path.startsWith('.do/'));
  if (file === undefined) return { apps: [], leftOut: [], decide: [], aside: [] };
  const read = yaml(look.texts.get(file));
  const spec = read['spec'] === undefined ? read : data(read['spec']);
  const shared = envsOf(spec);
  const of = (key: string): Data[] => list(spec[key]).map(data);
  const routes = ingressRoutes(spec);
  const notes = [`A component of ${file}, run here as a process: Sluice does not deploy to DigitalOcean yet.`];
  const leftOut: string[] = [];
  const app = (component: Data, extra: Partial<Declared>): Declared[] => {
    const name = string(component['name']) ?? 'app';
    const folder = plainFolder(string(component['source_dir']) ?? '.');
    if (component['image'] !== undefined || folder === null) {
      leftOut.push(`${name} of ${file} is an image made elsewhere, which Sluice does not run yet.`);
      return [];
    }
    const run = string(component['run_command']);
    const build = string(component['build_command']);
    const own = list(component['routes']).flatMap((one) => string(data(one)['path']) ?? []);
    return [
      {
        ...NOTHING,
        name: plainName(name),
        folder,
        // Their build installs first; so does this.
        build: build === null ? null : commandOf(build),
        run: run === null ? null : commandOf(run),
        routes: own.length > 0 ? own : (routes.get(name) ?? null),
        health: string(data(component['health_check'])['http_path']),
        env: { ...shared, ...envsOf(component) },
        dockerfile: dockerfileOf(component),
        notes,
        ...extra,
      },
    ];
  };
  const apps = [
    ...of('services').flatMap((one) => app(one, { listens: true })),
    ...of('static_sites').flatMap((one) => app(one, { listens: true, isStatic: true })),
    ...of('workers').flatMap((one) => app(one, { listens: false, routes: [] })),
  ];
  const others = [
    ...of('jobs').map((one) => `The job ${string(one['name']) ?? ''} of ${file} is not run: Sluice has no jobs yet.`),
    ...of('functions').map((one) => `The functions ${string(one['name']) ?? ''} of ${file} are not deployed: Sluice has no functions yet.`),
    ...of('databases').map(
      (one) => `The database ${string(one['name']) ?? ''} of ${file} is yours to run; give its address in a variable.`,
    ),
  ];
  return { apps, leftOut: [...leftOut, ...others], decide: trimmed(spec, file), aside: [] };
}

/** Their paths start at the root of the repository. */
function dockerfileOf(component: Data): string | null {
  const said = string(component['dockerfile_path']);
  return said === null ? null : plainFolder(said);
}

/** App Platform takes the prefix of a route off, unless it is told to keep it; the edge never does. */
function trimmed(spec: Data, file: string): string[] {
  const named = (name: string | null, prefix: string | null, kept: unknown): string[] =>
    prefix === null || prefix === '/' || kept === true
      ? []
      : [
          `${name ?? 'An app'}: ${file} takes ${prefix} off before a request reaches it, Sluice does not: let it answer below ${prefix}, or give it a host of its own.`,
        ];
  const components = ['services', 'static_sites', 'functions'].flatMap((key) => list(spec[key]).map(data));
  const own = components.flatMap((one) =>
    list(one['routes'])
      .map(data)
      .flatMap((route) => named(string(one['name']), string(route['path']), route['preserve_path_prefix'])),
  );
  const rules = list(data(spec['ingress'])['rules']).map(data);
  const ruled = rules.flatMap((rule) => {
    const component = data(rule['component']);
    const prefix = string(data(data(rule['match'])['path'])['prefix']);
    return component['rewrite'] === undefined ? named(string(component['name']), prefix, component['preserve_path_prefix']) : [];
  });
  return [...new Set([...own, ...ruled])];
}

function envsOf(component: Data): Record<string, Variable> {
  return variables(
    list(component['envs'])
      .map(data)
      .map((env) => [string(env['key']) ?? '', env['type'] === 'SECRET' ? null : env['value']] as const),
  );
}

function ingressRoutes(spec: Data): Map<string, string[]> {
  const found = new Map<string, string[]>();
  for (const rule of list(data(spec['ingress'])['rules']).map(data)) {
    const name = string(data(rule['component'])['name']);
    const prefix = string(data(data(rule['match'])['path'])['prefix']);
    if (name !== null && prefix !== null) found.set(name, [...(found.get(name) ?? []), prefix]);
  }
  return found;
}
