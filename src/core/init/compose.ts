import { commandOf, type Data, data, list, string, strings, yaml } from './parse.ts';
import { type Declarations, type Declared, joined, NOTHING, variables } from './declared-app.ts';
import { folderOf, inFolder, isTestPath, type Look, plainFolder, plainName, type Variable } from './look.ts';

/** Of several in one folder, compose takes the first of these. */
const NAMES = ['compose.yaml', 'compose.yml', 'docker-compose.yml', 'docker-compose.yaml'];
const DEPTH = 8;

/** One service, with what it extends, and the folder that its paths start from. */
interface Service {
  readonly name: string;
  readonly base: string;
  readonly data: Data;
}

/** The apps of all compose files. */
export function composeDeclarations(look: Look): Declarations {
  // One for tests, or for an editor's container, says nothing of what runs.
  const files = [...look.texts.keys()]
    .filter((path) => NAMES.some((name) => path === name || path.endsWith(`/${name}`)) && !isTestPath(path))
    .toSorted();
  const first = files.filter((path) => NAMES.map((name) => inFolder(folderOf(path), name)).find((other) => look.texts.has(other)) === path);
  const all = first.slice(0, 5).map((file) => compose(look, file));
  return joined(all);
}

function compose(look: Look, file: string): Declarations {
  const root = yaml(look.texts.get(file));
  const decide: string[] = [];
  const included = list(root['include']).map((one) => string(one) ?? string(data(one)['path']) ?? 'a file');
  if (included.length > 0)
    decide.push(`${file} includes ${included.join(', ')}, whose services are not read here: add their apps by hand.`);
  const services = Object.keys(data(root['services'])).map((name): Service => {
    const found = extended(look, file, name, DEPTH);
    if (found.missing !== null)
      decide.push(`${name} of ${file} extends ${found.missing}, which is not read here: see that it is complete.`);
    return { name, base: found.base, data: found.data };
  });
  const built = new Set(services.filter((one) => one.data['build'] !== undefined).map(({ name }) => name));
  const once = runOnce(services);
  const apps: Declared[] = [];
  const leftOut: string[] = [];
  const aside: string[] = [];
  for (const service of services) {
    const reason = whyLeftOut(service, file, once);
    if (reason !== null) aside.push(contextOf(service) ?? '');
    const app = reason === null ? appOf(look, file, service, built) : null;
    if (app === null) leftOut.push(reason ?? `${service.name} of ${file} is built from outside of the workspace.`);
    else apps.push(app);
  }
  const names = new Set(apps.map(({ name }) => name));
  return { apps: apps.map((app) => ({ ...app, dependsOn: app.dependsOn.filter((name) => names.has(name)) })), leftOut, decide, aside };
}

/** Why a service is no app; null when it is one. */
function whyLeftOut({ name, data: service }: Service, file: string, once: ReadonlySet<string>): string | null {
  if (service['build'] === undefined)
    return `${name} of ${file} (${string(service['image']) ?? 'no image'}) is run by others: start it with docker compose up ${name}.`;
  const profiles = strings(service['profiles']);
  if (profiles.length > 0)
    return `${name} of ${file} is started on demand only (profile ${profiles.join(', ')}); add it to apps by hand if it is to run.`;
  if (once.has(name)) return `${name} of ${file} runs once and ends: Sluice has no jobs yet. Run it by hand, or make a migration of it.`;
  return null;
}

/** Services that others wait for to end well, and those that are never started again and say what they do. */
function runOnce(services: readonly Service[]): Set<string> {
  const found = new Set<string>();
  for (const { name, data: service } of services) {
    for (const [other, how] of Object.entries(data(service['depends_on'])))
      if (data(how)['condition'] === 'service_completed_successfully') found.add(other);
    const words = `${name} ${strings(service['command']).join(' ')} ${string(service['command']) ?? ''}`;
    const again = service['restart'];
    if ((again === 'no' || again === false) && /\b(migrat\w*|seed\w*|setup|init|bootstrap|fixtures?)\b/i.test(words)) found.add(name);
  }
  return found;
}

/** The folder that an image is built from; null when it lies outside, or nothing is built. */
function contextOf({ base, data: { build } }: Service): string | null {
  return build === undefined ? null : plainFolder(`${base}/${string(build) ?? string(data(build)['context']) ?? '.'}`);
}

function appOf(look: Look, file: string, one: Service, built: ReadonlySet<string>): Declared | null {
  const { name, data: service } = one;
  const { build, command } = service;
  const folder = contextOf(one);
  if (folder === null) return null;
  const needs = Array.isArray(service['depends_on']) ? strings(service['depends_on']) : Object.keys(data(service['depends_on']));
  const run = Array.isArray(command) ? command.map(String) : typeof command === 'string' ? commandOf(command) : null;
  const dockerfile = plainFolder(`${folder}/${string(data(build)['dockerfile']) ?? 'Dockerfile'}`);
  const ports = [...list(service['ports']), ...list(service['expose'])];
  return {
    ...NOTHING,
    name: plainName(name),
    folder,
    run,
    listens: listensOf(service, ports, run, dockerfile === null ? '' : (look.texts.get(dockerfile) ?? '')),
    env: environmentOf(service),
    dependsOn: needs.filter((other) => built.has(other)).map(plainName),
    dockerfile,
    target: string(data(build)['target']),
    notes: [`A service of ${file}, run here as a process: Sluice does not run containers yet.`],
    decide:
      data(build)['dockerfile_inline'] === undefined
        ? []
        : [`${name}: its Dockerfile stands within ${file} and is not read here; see that build and run do the same.`],
  };
}

/** Whether a service answers requests; null where its own folder has to tell. */
function listensOf(service: Data, ports: readonly unknown[], run: readonly string[] | null, dockerfile: string): boolean | null {
  const labels = JSON.stringify([service['labels'] ?? null, service['environment'] ?? null]);
  if (ports.length > 0 || /traefik\.http|VIRTUAL_HOST|caddy/.test(labels)) return true;
  if (run !== null) return false;
  return /^\s*EXPOSE\s/im.test(dockerfile) ? true : null;
}

interface Extended {
  readonly base: string;
  readonly data: Data;
  /** What it extends that is not there. */
  readonly missing: string | null;
}

/** A service with what it extends, near or in another file, as compose merges them. */
function extended(look: Look, file: string, name: string, depth: number): Extended {
  const own = data(data(yaml(look.texts.get(file))['services'])[name]);
  const said = own['extends'];
  const plain: Extended = { base: folderOf(file), data: own, missing: null };
  if (said === undefined) return plain;
  const other = string(said) ?? string(data(said)['service']) ?? '';
  const from = string(data(said)['file']);
  const path = from === null ? file : plainFolder(`${folderOf(file)}/${from}`);
  const there = path === null ? undefined : data(yaml(look.texts.get(path))['services'])[other];
  if (path === null || there === undefined || depth === 0) return { ...plain, missing: `${other} of ${from ?? file}` };
  const parent = extended(look, path, other, depth - 1);
  const { depends_on: _needs, ...inherited } = parent.data;
  return {
    // Paths of what is inherited start from the file that says them.
    base: own['build'] === undefined ? parent.base : plain.base,
    data: { ...inherited, ...own, environment: Object.fromEntries([...pairsOf(inherited), ...pairsOf(own)]) },
    missing: parent.missing,
  };
}

function pairsOf(service: Data): (readonly [string, unknown])[] {
  const { environment } = service;
  if (!Array.isArray(environment)) return Object.entries(data(environment));
  return strings(environment).map(
    (line) => [line.split('=')[0] ?? '', line.includes('=') ? line.slice(line.indexOf('=') + 1) : null] as const,
  );
}

function environmentOf(service: Data): Record<string, Variable> {
  return variables(pairsOf(service));
}
