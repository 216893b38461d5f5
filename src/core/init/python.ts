import type { CheckCommand, Command, Look, Runtime } from './look.ts';
import { inFolder } from './look.ts';
import { data, strings, toml } from './parse.ts';

/** Packages go beside the app, so that the artifact is complete and may be moved. */
const DEPENDENCIES = '.deps';

/** The app that a folder with Python in it holds; null when nothing there can be started. */
export function pythonRuntime(look: Look, folder: string): Runtime | null {
  const text = (name: string): string | undefined => look.texts.get(inFolder(folder, name));
  const project = toml(text('pyproject.toml'));
  const requirements = text('requirements.txt');
  if (requirements === undefined && text('pyproject.toml') === undefined && !hasEntry(look, folder)) return null;
  const wanted = `${requirements ?? ''}\n${strings(data(project['project'])['dependencies']).join('\n')}\n${Object.keys(data(data(data(project['tool'])['poetry'])['dependencies'])).join('\n')}`;
  const has = (name: string): boolean => new RegExp(String.raw`^\s*${name}\b`, 'im').test(wanted);
  const started = startOf(look, folder, has);
  if (started === null) return null;
  const install: Command | null =
    requirements === undefined
      ? text('pyproject.toml') !== undefined && project['project'] !== undefined
        ? ['python3', '-m', 'pip', 'install', '--quiet', '--target', DEPENDENCIES, '.']
        : null
      : ['python3', '-m', 'pip', 'install', '--quiet', '--target', DEPENDENCIES, '-r', 'requirements.txt'];
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
  };
}

function hasEntry(look: Look, folder: string): boolean {
  return ['main.py', 'app.py', 'server.py'].some((name) => look.paths.has(inFolder(folder, name)));
}

function startOf(look: Look, folder: string, has: (name: string) => boolean): { framework: string; run: Command; listens: boolean } | null {
  const entry = ['main.py', 'app.py', 'server.py', 'asgi.py', 'wsgi.py'].find((name) => look.paths.has(inFolder(folder, name)));
  const module = entry?.replace(/\.py$/, '') ?? 'main';
  const source = entry === undefined ? '' : (look.texts.get(inFolder(folder, entry)) ?? '');
  const object = /^(\w+)\s*=\s*(?:FastAPI|Flask|Starlette|Quart|Litestar)\(/m.exec(source)?.[1] ?? 'app';
  const shell = (line: string): Command => ['sh', '-c', `exec ${line}`];
  if (look.paths.has(inFolder(folder, 'manage.py')) && has('django')) {
    const settings = /DJANGO_SETTINGS_MODULE['"],\s*['"]([\w]+)\.settings/.exec(look.texts.get(inFolder(folder, 'manage.py')) ?? '')?.[1];
    const run =
      has('gunicorn') && settings !== undefined
        ? shell(`python3 -m gunicorn --bind "127.0.0.1:$PORT" ${settings}.wsgi`)
        : shell('python3 manage.py runserver --noreload "127.0.0.1:$PORT"');
    return { framework: 'Django', run, listens: true };
  }
  if (entry === undefined) return null;
  if (has('fastapi') || has('starlette') || has('litestar') || has('uvicorn'))
    return { framework: 'FastAPI', run: shell(`python3 -m uvicorn ${module}:${object} --host 127.0.0.1 --port "$PORT"`), listens: true };
  if (has('flask') && has('gunicorn'))
    return { framework: 'Flask', run: shell(`python3 -m gunicorn --bind "127.0.0.1:$PORT" ${module}:${object}`), listens: true };
  if (has('flask'))
    return { framework: 'Flask', run: shell(`python3 -m flask --app ${module} run --host 127.0.0.1 --port "$PORT"`), listens: true };
  const listens = /http\.server|HTTPServer|aiohttp|tornado|socketserver|PORT/.test(source);
  return { framework: 'Python', run: ['python3', entry], listens };
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
