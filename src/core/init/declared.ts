import type { Command, Look, Variable } from './look.ts';
import { folderOf, plainFolder, plainName } from './look.ts';
import { commandOf, type Data, data, list, string, strings, yaml } from './parse.ts';

/** An app that some other tool's file already describes. What is null is found out from its folder. */
export interface Declared {
  readonly name: string;
  readonly folder: string;
  readonly build: Command | null;
  readonly run: Command | null;
  readonly routes: readonly string[] | null;
  readonly health: string | null;
  readonly listens: boolean | null;
  readonly env: Readonly<Record<string, Variable>>;
  readonly dependsOn: readonly string[];
  readonly dockerfile: string | null;
  readonly isStatic: boolean;
  readonly notes: readonly string[];
}

export interface Declarations {
  readonly apps: readonly Declared[];
  readonly leftOut: readonly string[];
}

const NOTHING = {
  build: null,
  run: null,
  routes: null,
  health: null,
  listens: null,
  env: {},
  dependsOn: [],
  dockerfile: null,
  isStatic: false,
  notes: [],
};

export function declarations(look: Look): Declarations {
  const all = [digitalOcean(look), ...composeFiles(look).map((file) => compose(look, file))];
  return { apps: all.flatMap((one) => one.apps), leftOut: all.flatMap((one) => one.leftOut) };
}

function composeFiles(look: Look): string[] {
  return [...look.texts.keys()]
    .filter((path) => /(^|\/)(docker-)?compose\.ya?ml$/.test(path))
    .toSorted()
    .slice(0, 5);
}

function compose(look: Look, file: string): Declarations {
  const apps: Declared[] = [];
  const leftOut: string[] = [];
  const services = Object.entries(data(yaml(look.texts.get(file))['services'])).map(([name, value]) => [name, data(value)] as const);
  const built = new Set(services.filter(([, service]) => service['build'] !== undefined).map(([name]) => name));
  for (const [name, service] of services) {
    const { build } = service;
    const context = string(build) ?? string(data(build)['context']) ?? '.';
    const folder = plainFolder(`${folderOf(file)}/${context}`);
    if (!built.has(name) || folder === null) {
      leftOut.push(
        `${name} of ${file} (${string(service['image']) ?? 'no image'}) is run by others: start it with docker compose up ${name}.`,
      );
      continue;
    }
    const needs = Array.isArray(service['depends_on']) ? strings(service['depends_on']) : Object.keys(data(service['depends_on']));
    const command = service['command'];
    apps.push({
      ...NOTHING,
      name: plainName(name),
      folder,
      run: Array.isArray(command) ? command.map(String) : typeof command === 'string' ? commandOf(command) : null,
      listens: list(service['ports']).length > 0 || list(service['expose']).length > 0 ? true : null,
      env: composeEnv(service),
      dependsOn: needs.filter((other) => built.has(other)).map(plainName),
      dockerfile: string(data(build)['dockerfile']) ?? 'Dockerfile',
      notes: [`A service of ${file}, run here as a process: Sluice does not run containers yet.`],
    });
  }
  return { apps, leftOut };
}

function composeEnv(service: Data): Record<string, Variable> {
  const { environment } = service;
  const pairs: (readonly [string, unknown])[] = Array.isArray(environment)
    ? strings(environment).map((line) => [line.split('=')[0] ?? '', line.includes('=') ? line.slice(line.indexOf('=') + 1) : null] as const)
    : Object.entries(data(environment));
  return variables(pairs);
}

/** Values that may be secret, or are put together elsewhere, are named and never copied. */
export function variables(pairs: readonly (readonly [string, unknown])[]): Record<string, Variable> {
  return Object.fromEntries(
    pairs
      .filter(([name]) => /^[A-Za-z_][A-Za-z0-9_]*$/.test(name) && name !== 'PORT')
      .map(([name, value]): [string, Variable] => {
        const text = typeof value === 'number' || typeof value === 'boolean' ? String(value) : value;
        const isPlain = typeof text === 'string' && /^[\w.,:/ -]{1,80}$/.test(text) && !text.includes('://') && !MAY_BE_SECRET.test(name);
        return [name, isPlain ? text : { fromEnv: name }];
      }),
  );
}

const MAY_BE_SECRET = /SECRET|TOKEN|KEY|PASS|PWD|CREDENTIAL|AUTH|DSN|URL|URI|PRIVATE|SALT|CERT/i;

function digitalOcean(look: Look): Declarations {
  const file = [...look.texts.keys()].find((path) => path.startsWith('.do/'));
  if (file === undefined) return { apps: [], leftOut: [] };
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
        dockerfile: string(component['dockerfile_path']),
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
  return { apps, leftOut: [...leftOut, ...others] };
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
