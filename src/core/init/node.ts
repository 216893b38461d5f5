import type { CheckCommand, Command, Look, PackageManager, Runtime } from './look.ts';
import { folderOf, inFolder } from './look.ts';
import { type Data, data, json, list, string, strings, yaml } from './parse.ts';

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
  if (declared === 'pnpm' || declared === 'yarn' || declared === 'npm') return declared;
  if (look.paths.has('pnpm-lock.yaml') || look.paths.has('pnpm-workspace.yaml')) return 'pnpm';
  if (look.paths.has('yarn.lock')) return 'yarn';
  return [...look.paths].some((path) => /(^|\/)package\.json$/.test(path)) ? 'npm' : null;
}

/** Whether a folder is a member of a workspace of npm, pnpm or yarn whose root is this repository's. */
function isMember(look: Look, folder: string): boolean {
  if (folder === '.') return false;
  const { workspaces } = json(look.texts.get('package.json'));
  const patterns = [
    ...strings(workspaces),
    ...strings(data(workspaces)['packages']),
    ...strings(yaml(look.texts.get('pnpm-workspace.yaml'))['packages']),
  ];
  return (
    patterns.some((pattern) => !pattern.startsWith('!') && globFits(pattern, folder)) &&
    !patterns.some((pattern) => pattern.startsWith('!') && globFits(pattern.slice(1), folder))
  );
}

function globFits(pattern: string, folder: string): boolean {
  const source = pattern
    .replace(/^\.\//, '')
    .replace(/\/$/, '')
    .replaceAll(/[.+^${}()|[\]\\]/g, String.raw`\$&`)
    .replaceAll('**', '\u0000')
    .replaceAll('*', '[^/]*')
    .replaceAll('\u0000', '.*');
  return new RegExp(`^${source}$`).test(folder);
}

/** The app that a package.json describes; null for libraries and the roots of workspaces. */
export function nodeRuntime(look: Look, folder: string): Runtime | null {
  const manifest = json(look.texts.get(inFolder(folder, 'package.json')));
  const scripts = data(manifest['scripts']);
  const dependencies = { ...data(manifest['dependencies']), ...data(manifest['devDependencies']) };
  const framework = FRAMEWORKS.find(({ dependency }) => dependency in dependencies);
  const member = isMember(look, folder);
  const tools = toolsOf(look, folder, member, Object.keys(dependencies).length > 0);
  const isStatic = (framework?.name === 'Vite' || framework?.name === 'Astro') && string(scripts['start']) === null;
  const run = isStatic ? tools.preview(framework.name) : runOf(look, folder, scripts, manifest, framework, tools);
  if (run === null || (folder === '.' && isRootOnly(look, manifest, scripts))) return null;
  const listens =
    framework !== undefined || Object.keys(data(manifest['dependencies'])).some((name) => SERVERS.has(name)) || looksLikeServer(run);
  return {
    framework: framework?.name ?? 'Node',
    language: 'node',
    path: tools.path,
    build: tools.build(string(scripts['build']) !== null),
    run,
    env: {},
    isFrontEnd: framework?.isFrontEnd ?? false,
    listens,
    checks: nodeChecks(scripts, tools),
    notes: tools.notes,
  };
}

function isRootOnly(look: Look, manifest: Data, scripts: Data): boolean {
  const isWorkspace = manifest['workspaces'] !== undefined || look.paths.has('pnpm-workspace.yaml');
  return isWorkspace && !/\bnode\b/.test(string(scripts['start']) ?? '');
}

function looksLikeServer(run: Command): boolean {
  return (
    run.some((word) => /(^|[/.-])(server|app|index|www|main|http)\b/.test(word)) && !run.some((word) => /worker|job|queue|cron/.test(word))
  );
}

interface Tools {
  readonly path: string;
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
  // A version is built from its own folder alone; packages that lie elsewhere, and a lock at the root, need the whole workspace.
  const wide = member && hasDependencies;
  const root = wide ? '.' : folder;
  const install = hasDependencies ? installOf(look, manager, root) : null;
  const script = (name: string): Command => {
    const words = name === 'start' || name === 'test' ? [name] : ['run', name];
    if (!wide) return [manager, ...words];
    if (manager === 'npm') return ['npm', ...words, '--workspace', folder];
    return [manager, manager === 'pnpm' ? '--dir' : '--cwd', folder, ...words];
  };
  return {
    path: root,
    install,
    installFolder: wide ? 'workspace' : null,
    notes: wide ? ['Built from the whole workspace: its lockfile and packages lie outside of its folder.'] : [],
    script,
    build(hasScript) {
      if (!hasScript) return install;
      const build = (wide ? delegated(look, folder) : null) ?? script('build');
      return install === null ? build : ['sh', '-c', `${install.join(' ')} && ${build.join(' ')}`];
    },
    preview(framework) {
      const tool = framework === 'Astro' ? 'astro' : 'vite';
      const where = wide ? `cd '${folder}' && ` : '';
      return ['sh', '-c', `${where}exec npx --no-install ${tool} preview --host 127.0.0.1 --port "$PORT"`];
    },
  };
}

/** The build by the task runner of the workspace, which builds first what the app needs; null where there is none. */
function delegated(look: Look, folder: string): Command | null {
  const root = json(look.texts.get('package.json'));
  const installed = { ...data(root['dependencies']), ...data(root['devDependencies']) };
  const name = string(json(look.texts.get(inFolder(folder, 'package.json')))['name']);
  if (look.paths.has('turbo.json') && 'turbo' in installed) return ['npx', '--no-install', 'turbo', 'run', 'build', `--filter=./${folder}`];
  if (look.paths.has('nx.json') && 'nx' in installed && name !== null) return ['npx', '--no-install', 'nx', 'run', `${name}:build`];
  return null;
}

function installOf(look: Look, manager: PackageManager, folder: string): Command {
  if (manager === 'pnpm')
    return look.paths.has(inFolder(folder, 'pnpm-lock.yaml')) ? ['pnpm', 'install', '--frozen-lockfile'] : ['pnpm', 'install'];
  if (manager === 'yarn') return look.paths.has(inFolder(folder, 'yarn.lock')) ? ['yarn', 'install', '--immutable'] : ['yarn', 'install'];
  return look.paths.has(inFolder(folder, 'package-lock.json')) ? ['npm', 'ci'] : ['npm', 'install', '--no-audit', '--no-fund'];
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
  if (start !== null) return tools.path === folder && /^node [\w./ =-]+$/.test(start) ? start.split(/\s+/) : tools.script('start');
  if (tools.path === folder && framework?.run !== undefined)
    return framework.run[0] === 'node' ? framework.run : ['npx', '--no-install', ...framework.run];
  const entry = ['server.js', 'server.mjs', 'worker.js', string(manifest['main']) ?? 'index.js'].find((name) =>
    look.paths.has(inFolder(folder, name)),
  );
  const isLibrary =
    manifest['exports'] !== undefined ||
    (string(manifest['main']) !== null && framework === undefined && entry === string(manifest['main']));
  return entry === undefined || isLibrary ? null : ['node', tools.path === folder ? entry : inFolder(folder, entry)];
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
