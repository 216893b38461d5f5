import { declarations } from './declared.ts';
import { type Declared, type Found, NOTHING, variables } from './declared-app.ts';
import { candidateFolders, holdsOthers, imageFolder } from './candidates.ts';
import { fixedPort, otherTools, unreadFiles } from './elsewhere.ts';
import { type Command, type Detected, type DetectedApp, folderOf, inFolder, type Look, plainName, type Runtime } from './look.ts';
import { nodeFolders, nodeRuntime, packageDependencies, packageFolders, packageManagerOf } from './node.ts';
import { dockerRuntime, goRuntime, pagesRuntime, rustRuntime, workerRuntime, wranglerFile } from './other.ts';
import { data, json, string, toml } from './parse.ts';
import { passedOver, unstarted } from './passed-over.ts';
import { withGivenPort } from './ports.ts';
import { installedProgram, procfileCommand, procfileOnce, procfileWorkers } from './procfile.ts';
import { pythonRuntime } from './python.ts';

/** The apps of a repository, from what other tools' files say and what lies in its folders. Pure. */
export function detect(look: Look): Detected {
  const { apps: said, leftOut, decide, aside } = declarations(look);
  const { declared, unplaced } = placed(look, said);
  const covered = new Set(declared.map((one) => one.folder));
  // What compose leaves out is not found again by its Dockerfile.
  const isAside = (folder: string): boolean => aside.includes(folder) && !hasOwnStart(look, folder);
  const open = candidateFolders(look, runtimeOf).filter((folder) => !covered.has(folder) && !isAside(folder));
  const found = [
    ...declared.map((one) => ({ one, runtime: declaredRuntime(look, one), isDeclared: true })),
    ...open.map((folder) => ({ one: undeclared(look, folder), runtime: runtimeOf(look, folder), isDeclared: false })),
  ];
  const silent = found.filter(({ runtime, isDeclared }) => runtime === null && isDeclared);
  const running = distinct(found.flatMap(({ one, runtime }) => (runtime === null ? [] : [{ one, runtime }])));
  const whole = running.filter(({ one, runtime }) => isWholeImage(look, one, runtime, running.length));
  const started = [...running.filter((one) => !whole.includes(one)), ...procfileWorkers(look, running)];
  const apps = withRoutes(withDependencies(look, started));
  const known = new Set(started.map(({ one }) => one.folder));
  return {
    workspace: plainName(string(json(look.texts.get('package.json'))['name']) ?? look.name),
    apps,
    leftOut: [
      ...leftOut,
      ...silent.map(({ one }) => `${one.name} (${one.folder}) does not say how it is started; add it to apps by hand.`),
      ...whole.map(({ one }) => `The Dockerfile in ${one.folder} makes an image of the whole workspace, which is no app of its own here.`),
      ...procfileOnce(look, known),
      ...passedOver(look, known, runtimeOf),
    ],
    decide: [
      ...unreadFiles(look),
      ...decide,
      ...unplaced,
      ...decisions(look, started),
      ...otherTools(look, known),
      ...unstarted(look, known),
    ],
    packageManager: packageManagerOf(look),
    languages: new Set(apps.map((app) => app.language)),
    ecosystems: ecosystems(look),
  };
}

/** What compose makes an image of is the folder of one app, never the whole of a workspace. */
function placed(look: Look, said: readonly Declared[]): { readonly declared: readonly Declared[]; readonly unplaced: readonly string[] } {
  const all = said.map((one) => {
    if (one.dockerfile === null || hasOwnStart(look, one.folder)) return { one, folder: one.folder };
    return { one, folder: imageFolder(look, one.folder, one.dockerfile) };
  });
  return {
    declared: all.flatMap(({ one, folder }) => (folder === null ? [] : [{ ...one, folder }])),
    unplaced: all.flatMap(({ one, folder }) =>
      folder === null
        ? [
            `${one.name}: ${one.dockerfile ?? 'its image'} is made of the whole of ${one.folder}, in which several apps lie. Add it with the path of its own folder, its build and its run.`,
          ]
        : [],
    ),
  };
}

function hasOwnStart(look: Look, folder: string): boolean {
  const runtime = runtimeOf(look, folder);
  return runtime !== null && runtime.framework !== 'Dockerfile';
}

/** A Dockerfile that nothing declares, above the folders of apps. */
function isWholeImage(look: Look, one: Declared, { framework }: Runtime, apps: number): boolean {
  return framework === 'Dockerfile' && one.dockerfile === null && apps > 1 && holdsOthers(look, one.folder);
}

/** What stands in the way of a deploy that only a person can take away. */
function decisions(look: Look, found: readonly Found[]): string[] {
  return found.flatMap(({ one, runtime }) => {
    const start = string(data(json(look.texts.get(inFolder(one.folder, 'package.json')))['scripts'])['start']);
    // A port that its command is given counts, whatever its sources say for other occasions.
    const isGiven = runtime.run.some((word) => word.includes('$PORT'));
    const fixed = runtime.listens && !isGiven ? fixedPort(look, one.folder, one.run === null ? start : null) : null;
    const port =
      fixed === null
        ? []
        : [
            `${one.name} listens on port ${fixed} itself: let it listen on PORT, which each instance is given, or it is never found healthy.`,
          ];
    return [...port, ...one.decide, ...(one.build === null ? (runtime.decide ?? []) : [])];
  });
}

function runtimeOf(look: Look, folder: string): Runtime | null {
  const node = look.texts.has(inFolder(folder, 'package.json')) ? nodeRuntime(look, folder) : null;
  const worker = workerRuntime(look, folder, node ?? installOnly(look, folder));
  const found =
    worker ??
    node ??
    goRuntime(look, folder) ??
    rustRuntime(look, folder) ??
    pythonRuntime(look, folder) ??
    dockerOf(look, folder) ??
    onlyPages(look, folder);
  const procfile = procfileCommand(look, folder);
  return found === null || worker !== null || procfile === null || found.isWide === true
    ? found
    : { ...found, run: installedProgram(found, procfile), listens: true };
}

/** A Worker's package has no start script; wrangler itself still has to be installed. */
function installOnly(look: Look, folder: string): Runtime | null {
  const path = inFolder(folder, 'package.json');
  const text = look.texts.get(path);
  if (text === undefined || wranglerFile(look, folder) === null) return null;
  const withStart = JSON.stringify({ ...json(text), scripts: { start: 'wrangler dev', ...(json(text)['scripts'] as object | undefined) } });
  return nodeRuntime({ ...look, texts: new Map([...look.texts, [path, withStart]]) }, folder);
}

/** A Dockerfile beside the manifest of a library says how the library is tried, not that it is an app. */
function dockerOf(look: Look, folder: string): Runtime | null {
  return look.texts.has(inFolder(folder, 'package.json')) ? null : dockerRuntime(look, folder);
}

function onlyPages(look: Look, folder: string): Runtime | null {
  return look.texts.has(inFolder(folder, 'package.json')) ? null : pagesRuntime(look, folder);
}

function declaredRuntime(look: Look, one: Declared): Runtime | null {
  const there = one.isStatic ? (runtimeOf(look, one.folder) ?? pagesRuntime(look, one.folder)) : runtimeOf(look, one.folder);
  // Which stage of a Dockerfile is run, and whether it listens, the other tool's file says.
  const own = there?.framework === 'Dockerfile' ? null : there;
  const container = one.dockerfile === null ? null : dockerRuntime(look, one.folder, one.dockerfile, one.target);
  const base = own ?? container;
  if (base === null && one.run === null) return null;
  const plain: Runtime = base ?? {
    framework: 'command',
    language: 'other',
    path: one.folder,
    build: null,
    run: [],
    env: {},
    isFrontEnd: false,
    listens: true,
    checks: {},
    notes: [],
  };
  const install = plain.checks['install']?.command ?? (plain.build !== null && plain.build[0] !== 'sh' ? plain.build : null);
  const isOwnFolder = plain.isWide !== true;
  return {
    ...plain,
    build: one.build === null || !isOwnFolder ? plain.build : joined(install, one.build),
    run: one.run === null ? plain.run : isOwnFolder ? one.run : inside(one.folder, one.run),
    isFrontEnd: one.isStatic || plain.isFrontEnd,
    listens: one.listens ?? own?.listens ?? false,
  };
}

/** A command of another tool's file runs in the app's folder. */
function inside(folder: string, run: Command): Command {
  const line = run[0] === 'sh' && run.length === 3 ? (run[2] ?? '') : run.join(' ');
  return ['sh', '-c', `cd '${folder}' && ${run[0] === 'sh' ? line : `exec ${line}`}`];
}

function joined(install: readonly string[] | null, build: readonly string[]): readonly string[] {
  const line = build[0] === 'sh' ? (build[2] ?? '') : build.join(' ');
  if (install === null || /\b(install|ci)\b/.test(line)) return build;
  return ['sh', '-c', `${install.join(' ')} && ${line}`];
}

function undeclared(look: Look, folder: string): Declared {
  const own = wranglerFile(look, folder);
  const named = own?.endsWith('.toml') === true ? string(toml(look.texts.get(own))['name']) : null;
  const fallback = folder === '.' ? (string(json(look.texts.get('package.json'))['name']) ?? look.name) : lastName(folder);
  return {
    ...NOTHING,
    name: plainName(named ?? fallback),
    folder,
    env: exampleEnv(look, folder),
  };
}

/** `services/cart/src` → `cart`: folders that only say that sources lie there name no app. */
function lastName(folder: string): string {
  const parts = folder.split('/');
  return parts.findLast((part) => !/^(src|source|sources|code)$/i.test(part)) ?? folder;
}

/** Variables that an app's `.env.example` names: all of them come from outside. */
function exampleEnv(look: Look, folder: string): Record<string, { readonly fromEnv: string }> {
  const text =
    ['.env.example', '.env.sample', '.env.template']
      .map((name) => look.texts.get(inFolder(folder, name)))
      .find((one) => one !== undefined) ?? '';
  if (text.includes('sluice init')) return {};
  const names = text.split('\n').flatMap((line) => /^\s*(?:export\s+)?([A-Za-z_]\w*)\s*=/.exec(line)?.[1] ?? []);
  return Object.fromEntries(Object.keys(variables(names.map((name) => [name, null] as const))).map((name) => [name, { fromEnv: name }]));
}

/** Equal names get their folder's, then a number. */
function distinct(found: readonly Found[]): Found[] {
  const taken = new Set<string>();
  return found.map(({ one, runtime }) => {
    const tries = [one.name, plainName(one.folder.replaceAll('/', '-')), ...Array.from({ length: 99 }, (_, i) => `${one.name}-${i + 2}`)];
    const name = tries.find((candidate) => !taken.has(candidate)) ?? one.name;
    taken.add(name);
    return { one: { ...one, name }, runtime };
  });
}

interface Unrouted {
  readonly app: Omit<DetectedApp, 'routes'>;
  readonly routes: readonly string[] | null;
  readonly isFrontEnd: boolean;
}

function withDependencies(look: Look, found: readonly Found[]): Unrouted[] {
  const folders = packageFolders(look);
  const names = new Set(found.map(({ one }) => one.name));
  const byFolder = new Map(found.map(({ one }) => [one.folder, one.name]));
  return found.map(({ one, runtime }) => {
    const packages = packageDependencies(look, one.folder, folders).flatMap((folder) => byFolder.get(folder) ?? []);
    const { isFrontEnd, ...rest } = runtime;
    const dependsOn = [...new Set([...one.dependsOn, ...packages])].filter((name) => names.has(name) && name !== one.name).toSorted();
    const given = runtime.listens ? withGivenPort(runtime.run) : { run: runtime.run, port: null };
    const port = given.port === null ? [] : [`It named port ${given.port}; each instance is given one instead.`];
    const app = {
      ...rest,
      run: given.run,
      name: one.name,
      folder: one.folder,
      health: runtime.listens ? one.health : null,
      dependsOn,
      env: { ...runtime.env, ...one.env },
      notes: [...one.notes, ...runtime.notes, ...port],
    };
    return { app, routes: one.routes, isFrontEnd };
  });
}

/** What others' files say stands. Of the rest the first front end (or the only app that listens) gets all requests, the others a prefix. */
function withRoutes(found: readonly Unrouted[]): DetectedApp[] {
  const taken = new Set(found.flatMap(({ routes }) => routes ?? []));
  const open = found.filter(({ app, routes }) => routes === null && app.listens);
  const main = taken.has('/')
    ? undefined
    : (open.find(({ isFrontEnd }) => isFrontEnd) ??
      open.find(({ app }) => /^(web|www|site|front(-?end)?|ui|storefront)$/.test(app.name)) ??
      (open.length === 1 ? open[0] : undefined));
  const used = new Set<string>();
  return found.map((one) => {
    const wanted = !one.app.listens ? [] : (one.routes ?? [one === main ? '/' : `/${one.app.name}`]);
    const routes = wanted
      .map((route) => (route.length > 1 ? route.replace(/\/+$/, '') : route))
      .filter((route) => /^\/[^\s?#]*$/.test(route) && !used.has(route));
    for (const route of routes) used.add(route);
    return { ...one.app, routes };
  });
}

function ecosystems(look: Look): { ecosystem: string; folder: string }[] {
  const of = (ecosystem: string, pattern: RegExp): { ecosystem: string; folder: string }[] =>
    [...new Set([...look.paths].filter((path) => pattern.test(path) && !/(^|\/)(node_modules|fixtures)\//.test(path)).map(folderOf))].map(
      (folder) => ({ ecosystem, folder }),
    );
  const hasRoot = look.paths.has('package.json');
  const node = nodeFolders(look).filter((folder) => !/(^|\/)(node_modules|fixtures)\//.test(folder));
  return [
    ...(hasRoot ? [{ ecosystem: 'npm', folder: '.' }] : node.map((folder) => ({ ecosystem: 'npm', folder }))),
    ...of('pip', /(^|\/)(requirements\.txt|pyproject\.toml|Pipfile)$/),
    ...of('gomod', /(^|\/)go\.mod$/),
    ...of('cargo', /(^|\/)Cargo\.toml$/),
    ...of('docker', /(^|\/)Dockerfile$/),
  ];
}
