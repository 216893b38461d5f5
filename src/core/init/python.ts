import type { CheckCommand, Command, Look, Runtime } from './look.ts';
import { folderOf, inFolder, isTestPath } from './look.ts';
import { data, strings, toml } from './parse.ts';

/** Packages go beside the app, so that the artifact is complete and may be moved. */
const DEPENDENCIES = '.deps';

/** The app that a folder with Python in it holds; null when nothing there can be started. */
export function pythonRuntime(look: Look, folder: string): Runtime | null {
  const text = (name: string): string | undefined => look.texts.get(inFolder(folder, name));
  if (requirementsOf(look, folder) === null && text('pyproject.toml') === undefined && !hasEntry(look, folder)) return null;
  const needs = pythonNeeds(look, folder);
  const has = (name: string): boolean => needs.includes(name);
  const started = startOf(look, folder, has);
  if (started === null) return null;
  const { install, decide } = installOf(look, folder);
  const path = install === null ? {} : { PYTHONPATH: DEPENDENCIES };
  return {
    framework: started.framework,
    language: 'python',
    path: folder,
    build: install,
    run: started.run,
    env: { PYTHONUNBUFFERED: '1', ...path },
    isFrontEnd: false,
    listens: started.listens,
    checks: pythonChecks(look, folder, has('pytest'), install, path),
    notes: [],
    ...(decide === null ? {} : { decide: [decide] }),
  };
}

/** Names of the packages that a folder's manifests ask for, in lower case. */
export function pythonNeeds(look: Look, folder: string): string[] {
  const project = toml(look.texts.get(inFolder(folder, 'pyproject.toml')));
  const poetry = data(data(project['tool'])['poetry']);
  const groups = Object.values(data(poetry['group'])).flatMap((group) => Object.keys(data(data(group)['dependencies'])));
  const listed = Object.values(data(project['dependency-groups'])).flatMap(strings);
  const requirements = requirementsOf(look, folder);
  const lines = [
    ...(requirements === null ? [] : (look.texts.get(inFolder(folder, requirements)) ?? '').split('\n')),
    ...strings(data(project['project'])['dependencies']),
    ...Object.values(data(data(project['project'])['optional-dependencies'])).flatMap(strings),
    ...Object.keys(data(poetry['dependencies'])),
    ...Object.keys(data(toml(look.texts.get(inFolder(folder, 'Pipfile')))['packages'])),
    ...groups,
    ...listed,
  ];
  return lines.flatMap((line) => /^\s*([A-Za-z0-9][\w.-]*)/.exec(line)?.[1]?.toLowerCase() ?? []);
}

/** The requirements that are installed to run it; null: there are none. */
function requirementsOf(look: Look, folder: string): string | null {
  const names = ['requirements.txt', 'requirements/production.txt', 'requirements/prod.txt', 'requirements/base.txt'];
  // A requirements.txt that only leads to another one is as good as that.
  const found = names.filter((name) => look.texts.has(inFolder(folder, name)));
  const [first] = found;
  const text = first === undefined ? '' : (look.texts.get(inFolder(folder, first)) ?? '');
  return (/^\s*-r\s/m.test(text) ? found.find((name) => name !== first) : undefined) ?? first ?? null;
}

/** How its packages are installed beside it, or what a person has to decide. */
function installOf(look: Look, folder: string): { readonly install: Command | null; readonly decide: string | null } {
  const pip = ['python3', '-m', 'pip', 'install', '--quiet', '--target', DEPENDENCIES];
  const requirements = requirementsOf(look, folder);
  if (requirements !== null) return { install: [...pip, '-r', requirements], decide: null };
  const has = (name: string): boolean => look.paths.has(inFolder(folder, name));
  if (has('Pipfile'))
    return { install: null, decide: `${folder} keeps its packages in a Pipfile, which is not installed here: say in build how.` };
  if (!has('pyproject.toml')) return { install: null, decide: null };
  const project = toml(look.texts.get(inFolder(folder, 'pyproject.toml')));
  const poetry = data(data(project['tool'])['poetry']);
  const isMember = folder !== '.' && data(data(toml(look.texts.get('pyproject.toml'))['tool'])['uv'])['workspace'] !== undefined;
  const lock = [...['uv.lock', 'poetry.lock', 'pdm.lock'].map((name) => inFolder(folder, name)), ...(isMember ? ['uv.lock'] : [])].find(
    (path) => look.paths.has(path),
  );
  const packs = project['build-system'] !== undefined && poetry['package-mode'] !== false;
  const needs = pythonNeeds(look, folder);
  if (!packs && project['project'] === undefined && needs.length > 0)
    return {
      install: null,
      decide: `${folder} keeps its packages in pyproject.toml as Poetry does, which is not installed here: say in build how.`,
    };
  const decide =
    lock === undefined
      ? null
      : `${folder} is installed by what pyproject.toml asks for, not by ${lock}: say in build how the lock is installed where versions must be the same.`;
  return project['project'] === undefined && !packs ? { install: null, decide } : { install: [...pip, '.'], decide };
}

function hasEntry(look: Look, folder: string): boolean {
  return ['main.py', 'app.py', 'server.py'].some((name) => look.paths.has(inFolder(folder, name)));
}

const FRAMEWORK = /^(\w+)\s*(?::\s*\w+\s*)?=\s*(?:\w+\.)?(FastAPI|Flask|Starlette|Quart|Litestar|Sanic|create_app)\(/m;

const LISTENS = /http\.server|HTTPServer|aiohttp|tornado|socketserver|PORT/;

interface Entry {
  readonly file: string;
  /** `app.main` */
  readonly module: string;
  readonly source: string;
}

/** Where its program begins: at its top, or one or two packages below. */
function entryOf(look: Look, folder: string): Entry | null {
  const prefix = folder === '.' ? '' : `${folder}/`;
  const names = ['main.py', 'app.py', 'server.py', 'asgi.py', 'wsgi.py', '__main__.py'];
  const below = [...look.texts.keys()]
    .filter((path) => path.startsWith(prefix) && path.endsWith('.py'))
    .map((path) => path.slice(prefix.length))
    .filter((path) => path.split('/').length <= 3 && names.some((name) => path === name || path.endsWith(`/${name}`)) && !isTestPath(path))
    .toSorted((a, b) => a.split('/').length - b.split('/').length || names.indexOf(lastOf(a)) - names.indexOf(lastOf(b)));
  // A part of a package is a program only where it serves; a top file is one unless it belongs to a package.
  const isProgram = (path: string): boolean => {
    const text = look.texts.get(`${prefix}${path}`) ?? '';
    const isRun = /__name__\s*==\s*['"]__main__['"]/.test(text);
    if (FRAMEWORK.test(text) || (isRun && LISTENS.test(text))) return true;
    return !path.includes('/') && (isRun || !isOfPackage(look, folder));
  };
  const isOwn = (path: string): boolean => {
    for (let at = folderOf(path); at !== '.'; at = folderOf(at))
      if (look.paths.has(`${prefix}${at}/pyproject.toml`) || look.paths.has(`${prefix}${at}/requirements.txt`)) return false;
    return true;
  };
  const file = below.find((path) => isOwn(path) && isProgram(path));
  if (file === undefined) return null;
  return { file, module: file.replace(/\.py$/, '').replaceAll('/', '.'), source: look.texts.get(`${prefix}${file}`) ?? '' };
}

/** Whether files of a folder are taken in by others: it is a package, or lies below the manifest of one. */
function isOfPackage(look: Look, folder: string): boolean {
  if (look.paths.has(inFolder(folder, '__init__.py'))) return true;
  if (['pyproject.toml', 'requirements.txt'].some((name) => look.paths.has(inFolder(folder, name)))) return false;
  for (let at = folder; at !== '.';) {
    at = folderOf(at);
    if (['pyproject.toml', 'setup.py', '__init__.py'].some((name) => look.paths.has(inFolder(at, name)))) return true;
  }
  return false;
}

function lastOf(path: string): string {
  return path.split('/').at(-1) ?? path;
}

function startOf(look: Look, folder: string, has: (name: string) => boolean): { framework: string; run: Command; listens: boolean } | null {
  const shell = (line: string): Command => ['sh', '-c', `exec ${line}`];
  const manage = look.texts.get(inFolder(folder, 'manage.py')) ?? '';
  const settings = /DJANGO_SETTINGS_MODULE['"],\s*['"](\w+)\.settings/.exec(manage)?.[1];
  if (look.paths.has(inFolder(folder, 'manage.py')) && (has('django') || /DJANGO_SETTINGS_MODULE/.test(manage))) {
    const run =
      has('gunicorn') && settings !== undefined
        ? shell(`python3 -m gunicorn --bind "127.0.0.1:$PORT" ${settings}.wsgi`)
        : shell('python3 manage.py runserver --noreload "127.0.0.1:$PORT"');
    return { framework: 'Django', run, listens: true };
  }
  const entry = entryOf(look, folder);
  if (entry === null) return null;
  // A folder `src` of no package is where modules are looked for, not one of them.
  const isSource = entry.file.startsWith('src/') && !look.paths.has(inFolder(folder, 'src/__init__.py'));
  const module = isSource ? entry.module.slice('src.'.length) : entry.module;
  const [, object = 'app'] = FRAMEWORK.exec(entry.source) ?? [];
  const at = isSource ? ' --app-dir src' : '';
  if (has('fastapi') || has('starlette') || has('litestar') || has('uvicorn'))
    return {
      framework: 'FastAPI',
      run: shell(`python3 -m uvicorn${at} ${module}:${object} --host 127.0.0.1 --port "$PORT"`),
      listens: true,
    };
  const chdir = isSource ? ' --chdir src' : '';
  if (has('flask') && has('gunicorn'))
    return { framework: 'Flask', run: shell(`python3 -m gunicorn${chdir} --bind "127.0.0.1:$PORT" ${module}:${object}`), listens: true };
  if (has('flask'))
    return {
      framework: 'Flask',
      run: shell(`python3 -m flask --app ${isSource ? `src/${module.replaceAll('.', '/')}` : module} run --host 127.0.0.1 --port "$PORT"`),
      listens: true,
    };
  const listens = LISTENS.test(entry.source);
  const isModule = entry.file.includes('/') && !isSource;
  return { framework: 'Python', run: isModule ? ['python3', '-m', module.replace(/\.__main__$/, '')] : ['python3', entry.file], listens };
}

function pythonChecks(
  look: Look,
  folder: string,
  pytest: boolean,
  install: Command | null,
  env: Readonly<Record<string, string>>,
): Record<string, CheckCommand> {
  const prefix = folder === '.' ? '' : `${folder}/`;
  const hasTests = [...look.paths].some(
    (path) => path.startsWith(prefix) && /(^|\/)(test_\w+|\w+_test)\.py$/.test(path.slice(prefix.length)),
  );
  if (!hasTests) return {};
  const command = pytest ? ['python3', '-m', 'pytest', '-q'] : ['python3', '-m', 'unittest'];
  return {
    ...(install === null ? {} : { install: { command: install, setup: true as const } }),
    test: { command, ...(install === null ? {} : { needs: ['install'], env }) },
  };
}
