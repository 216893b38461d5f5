import { matchesPattern } from '../text/glob.ts';
import type { CheckCommand, Command, Look, PackageManager, Runtime } from './look.ts';
import { folderOf, inFolder } from './look.ts';
import { commandOf, type Data, data, json, list, string, strings, yaml } from './parse.ts';

/** Frameworks by the package that tells them apart, the telling ones first. */
const FRAMEWORKS: readonly { readonly dependency: string; readonly name: string; readonly isFrontEnd: boolean; readonly run?: Command }[] =
  [
    { dependency: 'next', name: 'Next.js', isFrontEnd: true, run: ['next', 'start'] },
    { dependency: 'nuxt', name: 'Nuxt', isFrontEnd: true, run: ['node', '.output/server/index.mjs'] },
    { dependency: '@remix-run/serve', name: 'Remix', isFrontEnd: true },
    { dependency: '@sveltejs/kit', name: 'SvelteKit', isFrontEnd: true },
    { dependency: 'astro', name: 'Astro', isFrontEnd: true },
    { dependency: '@nestjs/core', name: 'NestJS', isFrontEnd: false },
    { dependency: 'fastify', name: 'Fastify', isFrontEnd: false },
    { dependency: 'express', name: 'Express', isFrontEnd: false },
    { dependency: 'hono', name: 'Hono', isFrontEnd: false },
    { dependency: 'koa', name: 'Koa', isFrontEnd: false },
    { dependency: 'vite', name: 'Vite', isFrontEnd: true },
    { dependency: 'react-scripts', name: 'Create React App', isFrontEnd: true },
  ];
const SERVERS: ReadonlySet<string> = new Set(['fastify', 'express', 'hono', 'koa', '@nestjs/core', '@hapi/hapi', 'polka', 'restify']);

export function packageManagerOf(look: Look): PackageManager | null {
  const declared = string(json(look.texts.get('package.json'))['packageManager'])?.split('@')[0];
  if (declared === 'pnpm' || declared === 'yarn' || declared === 'npm' || declared === 'bun') return declared;
  if (look.paths.has('pnpm-lock.yaml') || look.paths.has('pnpm-workspace.yaml')) return 'pnpm';
  if (look.paths.has('yarn.lock')) return 'yarn';
  if (look.paths.has('bun.lock') || look.paths.has('bun.lockb')) return 'bun';
  return [...look.paths].some((path) => /(^|\/)package\.json$/.test(path)) ? 'npm' : null;
}

/** Whether a folder is a member of a workspace of npm, pnpm, yarn or bun whose root is this repository's. */
function isMember(look: Look, folder: string): boolean {
  if (folder === '.') return false;
  const { workspaces } = json(look.texts.get('package.json'));
  const patterns = [
    ...strings(workspaces),
    ...strings(data(workspaces)['packages']),
    ...strings(yaml(look.texts.get('pnpm-workspace.yaml'))['packages']),
  ].map((pattern) => pattern.replace(/^(!?)(?:\.\/)+/, '$1').replace(/\/+$/, ''));
  return (
    patterns.some((pattern) => !pattern.startsWith('!') && matchesPattern(folder, pattern)) &&
    !patterns.some((pattern) => pattern.startsWith('!') && matchesPattern(folder, pattern.slice(1)))
  );
}

/** The app that a package.json describes; null for libraries and the roots of workspaces. */
export function nodeRuntime(look: Look, folder: string): Runtime | null {
  const manifest = json(look.texts.get(inFolder(folder, 'package.json')));
  const scripts = data(manifest['scripts']);
  const dependencies = { ...data(manifest['dependencies']), ...data(manifest['devDependencies']) };
  const framework = FRAMEWORKS.find((one) => one.dependency in dependencies && isUsed(look, folder, manifest, one));
  if (isLibrary(look, folder, manifest, framework !== undefined)) return null;
  const member = isMember(look, folder);
  const tools = toolsOf(look, folder, member, Object.keys(dependencies).length > 0);
  const isStatic = (framework?.name === 'Vite' || framework?.name === 'Astro') && string(scripts['start']) === null;
  const run = isStatic ? tools.preview(framework.name) : runOf(look, folder, scripts, manifest, framework, tools);
  if (run === null || (folder === '.' && isRootOnly(look, manifest, scripts))) return null;
  const start = string(scripts['start']) ?? '';
  const listens =
    framework !== undefined ||
    nodeDependencies(manifest).some((name) => SERVERS.has(name)) ||
    /\b(next|nuxt|vite|astro|remix-serve|react-router-serve|vinxi|gatsby|ng serve|http-server|nest|strapi)\b/.test(start) ||
    looksLikeServer(look, folder, run[0] === tools.manager ? commandOf(start) : run);
  return {
    framework: framework?.name ?? 'Node',
    language: 'node',
    path: folder,
    ...(tools.isWide ? { isWide: true as const, ...(tools.inputs.length === 0 ? {} : { inputs: tools.inputs }) } : {}),
    build: tools.build(string(scripts['build']) !== null),
    run,
    env: {},
    isFrontEnd: framework?.isFrontEnd ?? false,
    listens,
    checks: nodeChecks(scripts, tools),
    notes: tools.notes,
  };
}

/** A framework that is only there to test a library against, or to show it, makes no app of it. */
function isUsed(look: Look, folder: string, manifest: Data, { dependency }: (typeof FRAMEWORKS)[number]): boolean {
  const has = (...names: readonly string[]): boolean =>
    names.some((name) => [...look.paths].some((path) => path === inFolder(folder, name) || path.startsWith(`${inFolder(folder, name)}/`)));
  if (dependency === 'vite') return has('index.html');
  if (dependency === 'react-scripts') return has('public', 'index.html');
  return (
    dependency in data(manifest['dependencies']) ||
    has('app', 'pages', 'src/compose/control-plane', 'src/pages', 'src/routes', 'astro.config.mjs', 'astro.config.ts')
  );
}

/** What others take in: it says what it gives them, or a script named `start` only shows or watches it. */
function isLibrary(look: Look, folder: string, manifest: Data, hasFramework: boolean): boolean {
  const start = string(data(manifest['scripts'])['start']);
  if (start !== null && /\b(storybook|start-storybook|tsdx|rollup|tsc|tsup|jest|vitest|lerna|microbundle|docz|styleguidist)\b/.test(start))
    return true;
  if (hasFramework || start !== null) {
    const gives = manifest['exports'] !== undefined || manifest['module'] !== undefined || manifest['publishConfig'] !== undefined;
    const serves = start !== null || Object.keys(data(manifest['dependencies'])).some((name) => SERVERS.has(name));
    return gives && (!serves || isNeeded(look, folder, manifest));
  }
  return false;
}

/** Whether another package of the workspace takes it in. */
function isNeeded(look: Look, folder: string, manifest: Data): boolean {
  const name = string(manifest['name']);
  if (name === null) return false;
  return nodeFolders(look).some((other) => {
    const { dependencies, devDependencies, peerDependencies } = json(look.texts.get(inFolder(other, 'package.json')));
    return other !== folder && [dependencies, devDependencies, peerDependencies].some((needs) => name in data(needs));
  });
}

/** The root of a workspace is an app where its start script starts one, and does not hand on to its members. */
function isRootOnly(look: Look, manifest: Data, scripts: Data): boolean {
  // pnpm keeps settings of a single package in the same file.
  const isWorkspace = manifest['workspaces'] !== undefined || strings(yaml(look.texts.get('pnpm-workspace.yaml'))['packages']).length > 0;
  const start = string(scripts['start']) ?? '';
  return isWorkspace && (HANDS_ON.test(start) || !(/\bnode\b/.test(start) || SERVES.test(start)));
}

const HANDS_ON = /\b(turbo|nx|lerna|wsrun|concurrently|npm-run-all|run-[ps]|workspaces?|pnpm|yarn|npm|bun|moon|rush|docker)\b|(^|\s)-w\s/;
/** Programs that serve pages or answer requests. */
const SERVES =
  /\b(next|nuxt|vite|astro|remix-serve|react-router-serve|vinxi|gatsby|ng|http-server|serve|webpack-dev-server|nest|strapi|tsx|ts-node)\b/;

/** Whether what a command starts answers requests: by its source where that tells, otherwise by its name. */
function looksLikeServer(look: Look, folder: string, run: Command): boolean {
  const words = run.flatMap((word) => word.split(/\s+/)).map((word) => word.replace(/^\.\//, ''));
  const inside = (word: string): string => (folder !== '.' && word.startsWith(`${folder}/`) ? word : inFolder(folder, word));
  if (words.some((word) => LISTENS.test(look.texts.get(inside(word)) ?? ''))) return true;
  return (
    words.some((word) => /(^|[/.-])(server?|app|index|www|main|http|api)\b/.test(word)) &&
    !words.some((word) => /worker|job|queue|cron/.test(word))
  );
}

const LISTENS = /\.listen\(|createServer\(|\bserve\(|\bprocess\.env\.PORT\b|env\[['"]PORT['"]\]/;

interface Tools {
  readonly manager: PackageManager;
  /** Installed, built and run at the root of the workspace. */
  readonly isWide: boolean;
  /** Files at the root that its build reads. */
  readonly inputs: readonly string[];
  readonly notes: readonly string[];
  readonly install: Command | null;
  readonly installFolder: 'workspace' | null;
  script(name: string): Command;
  build(hasScript: boolean): Command | null;
  preview(framework: string): Command;
}

/** How the package manager is called for this app. */
function toolsOf(look: Look, folder: string, member: boolean, hasDependencies: boolean): Tools {
  const manager = packageManagerOf(look) ?? 'npm';
  // Packages that lie elsewhere, and a lock at the root, need the whole workspace.
  const isWide = member && hasDependencies;
  const install = hasDependencies ? installOf(look, manager, isWide ? '.' : folder) : null;
  const script = (name: string): Command => {
    const words = (name === 'start' || name === 'test') && manager !== 'bun' ? [name] : ['run', name];
    if (!isWide) return [manager, ...words];
    if (manager === 'npm') return ['npm', ...words, '--workspace', folder];
    if (manager === 'bun') return ['bun', 'run', '--cwd', folder, name];
    return [manager, manager === 'pnpm' ? '--dir' : '--cwd', folder, ...words];
  };
  const runner = isWide ? delegated(look, folder) : null;
  return {
    manager,
    isWide,
    inputs: runner === null ? [] : [runner.file],
    install,
    installFolder: isWide ? 'workspace' : null,
    notes: isWide ? ['Built and run at the root of the workspace: its lockfile and packages lie outside of its folder.'] : [],
    script,
    build(hasScript) {
      if (!hasScript) return install;
      const build = runner?.command ?? script('build');
      return install === null ? build : ['sh', '-c', `${install.join(' ')} && ${build.join(' ')}`];
    },
    preview(framework) {
      const tool = framework === 'Astro' ? 'astro' : 'vite';
      const where = isWide ? `cd '${folder}' && ` : '';
      const exec = manager === 'bun' ? 'bunx' : 'npx --no-install';
      return ['sh', '-c', `${where}exec ${exec} ${tool} preview --host 127.0.0.1 --port "$PORT"`];
    },
  };
}

/** The build by the task runner of the workspace, which builds first what the app needs; null where there is none. */
function delegated(look: Look, folder: string): { readonly command: Command; readonly file: string } | null {
  const root = json(look.texts.get('package.json'));
  const installed = { ...data(root['dependencies']), ...data(root['devDependencies']) };
  const name = string(json(look.texts.get(inFolder(folder, 'package.json')))['name']);
  if (look.paths.has('turbo.json') && 'turbo' in installed)
    return { command: ['npx', '--no-install', 'turbo', 'run', 'build', `--filter=./${folder}`], file: 'turbo.json' };
  if (look.paths.has('nx.json') && 'nx' in installed && name !== null)
    return { command: ['npx', '--no-install', 'nx', 'run', `${name}:build`], file: 'nx.json' };
  return null;
}

/** Installs what the lockfile says, and fails where it does not say it. */
function installOf(look: Look, manager: PackageManager, folder: string): Command {
  const has = (...names: readonly string[]): boolean => names.some((name) => look.paths.has(inFolder(folder, name)));
  if (manager === 'pnpm') return has('pnpm-lock.yaml') ? ['pnpm', 'install', '--frozen-lockfile'] : ['pnpm', 'install'];
  if (manager === 'bun') return has('bun.lock', 'bun.lockb') ? ['bun', 'install', '--frozen-lockfile'] : ['bun', 'install'];
  if (manager === 'yarn') {
    if (!has('yarn.lock')) return ['yarn', 'install'];
    // Classic yarn does not know `--immutable`, and then writes the lockfile anew without a word.
    return ['yarn', 'install', isBerry(look) ? '--immutable' : '--frozen-lockfile'];
  }
  return has('package-lock.json', 'npm-shrinkwrap.json') ? ['npm', 'ci'] : ['npm', 'install', '--no-audit', '--no-fund'];
}

/** Yarn 2 or newer; where nothing tells, `--frozen-lockfile` is understood by all. */
function isBerry(look: Look): boolean {
  return look.paths.has('.yarnrc.yml') || /^__metadata:/m.test(look.texts.get('yarn.lock') ?? '');
}

function runOf(
  look: Look,
  folder: string,
  scripts: Data,
  manifest: Data,
  framework: (typeof FRAMEWORKS)[number] | undefined,
  tools: Tools,
): Command | null {
  const start = string(scripts['start']);
  if (start !== null) return !tools.isWide && /^node [\w./ =-]+$/.test(start) ? start.split(/\s+/) : tools.script('start');
  if (!tools.isWide && framework?.run !== undefined)
    return framework.run[0] === 'node' ? framework.run : ['npx', '--no-install', ...framework.run];
  const entry = ['server.js', 'server.mjs', 'worker.js', string(manifest['main']) ?? 'index.js'].find((name) =>
    look.paths.has(inFolder(folder, name)),
  );
  const gives =
    manifest['exports'] !== undefined ||
    (string(manifest['main']) !== null && framework === undefined && entry === string(manifest['main']));
  return entry === undefined || gives ? null : ['node', !tools.isWide ? entry : inFolder(folder, entry)];
}

function nodeChecks(scripts: Data, tools: Tools): Record<string, CheckCommand> {
  const isReal = (name: string): boolean => !/no test specified/.test(string(scripts[name]) ?? 'no test specified');
  const names = (['test', 'lint', 'typecheck', 'types'] as const).filter(isReal);
  const folder = tools.installFolder === null ? {} : { folder: tools.installFolder };
  const needs = tools.install === null ? {} : { needs: ['install'] };
  return {
    ...(names.length === 0 || tools.install === null ? {} : { install: { command: tools.install, ...folder, setup: true as const } }),
    ...Object.fromEntries(
      names.map((name) => [name === 'typecheck' ? 'types' : name, { command: tools.script(name), ...folder, ...needs }]),
    ),
  };
}

/** Folders with a package.json. */
export function nodeFolders(look: Look): string[] {
  return [...look.texts.keys()].filter((path) => /(^|\/)package\.json$/.test(path)).map(folderOf);
}

/** Names of what a package needs to run. */
export function nodeDependencies(manifest: Data): string[] {
  return Object.keys(data(manifest['dependencies']));
}

/** Names of the workspace's packages → their folders. */
export function packageFolders(look: Look): Map<string, string> {
  return new Map(
    nodeFolders(look).flatMap((folder) => {
      const name = string(json(look.texts.get(inFolder(folder, 'package.json')))['name']);
      return name === null ? [] : [[name, folder] as const];
    }),
  );
}

/** Folders of the workspace that this one's package depends on. */
export function packageDependencies(look: Look, folder: string, folders: ReadonlyMap<string, string>): string[] {
  const manifest = json(look.texts.get(inFolder(folder, 'package.json')));
  const names = [...Object.keys(data(manifest['dependencies'])), ...list(manifest['bundleDependencies']).map(String)];
  return names.flatMap((name) => folders.get(name) ?? []);
}
