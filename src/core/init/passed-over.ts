import { holdsOthers, manifestFolders } from './candidates.ts';
import { inFolder, isExample, isTestPath, type Look, type Runtime } from './look.ts';
import { isNxApplication } from './elsewhere.ts';
import { nodeDependencies } from './node.ts';
import { data, json, toml, yaml } from './parse.ts';
import { pythonNeeds } from './python.ts';

/** More of one kind are counted, not named. */
const NAMED = 8;

/**
 * What else has a manifest and is not deployed, one sentence a kind: so that each folder is an app, is to be decided, or is named here.
 * `known`: folders of apps.
 */
export function passedOver(look: Look, known: ReadonlySet<string>, runtimeOf: (look: Look, folder: string) => Runtime | null): string[] {
  const open = [...manifestFolders(look)].filter((folder) => !known.has(folder)).toSorted();
  const isAside = (folder: string): boolean => folder !== '.' && isTestPath(`${folder}/x`);
  const examples = open.filter((folder) => folder !== '.' && isExample(`${folder}/x`) && runtimeOf(look, folder) !== null);
  const aside = open.filter((folder) => isAside(folder) && !examples.includes(folder) && runtimeOf(look, folder) !== null);
  const libraries = open.filter(
    (folder) => !isAside(folder) && !isRoot(look, folder) && !isNxApplication(look, folder) && serverOf(look, folder) === null,
  );
  return [
    ...sentence(examples, 'shows how something is used', 'show how something is used', 'Add it to apps by hand if it is to run.'),
    ...sentence(aside, 'lies among tests, docs or tools', 'lie among tests, docs or tools', 'Add it to apps by hand if it is to run.'),
    ...sentence(
      libraries,
      'starts nothing that answers',
      'start nothing that answers',
      'Taken for a part of what takes it in; an app among them is added by hand.',
    ),
  ];
}

/** Folders that name a server among what they need, and say nowhere how it is started, one sentence each. */
export function unstarted(look: Look, known: ReadonlySet<string>): string[] {
  return [...manifestFolders(look)]
    .filter(
      (folder) =>
        !known.has(folder) && !isNxApplication(look, folder) && !(folder !== '.' && isTestPath(`${folder}/x`)) && !isRoot(look, folder),
    )
    .toSorted()
    .flatMap((folder) => {
      const server = serverOf(look, folder);
      return server === null
        ? []
        : [
            `${folder} needs ${server} and does not say how it is started: if it is an app, add it with path '${folder}' and the command that starts it; a library needs no entry.`,
          ];
    });
}

const SERVERS =
  /^(fastapi|flask|django|starlette|litestar|uvicorn|gunicorn|aiohttp|tornado|sanic|bottle|streamlit|express|fastify|koa|hono|@nestjs\/core|next|nuxt|astro|@sveltejs\/kit)$/i;

/** The first server among what a folder needs where it is no library by its own words; null: none. */
function serverOf(look: Look, folder: string): string | null {
  const manifest = json(look.texts.get(inFolder(folder, 'package.json')));
  const gives = ['exports', 'module', 'main', 'publishConfig', 'types'].some((key) => manifest[key] !== undefined);
  const needs = [...(gives ? [] : nodeDependencies(manifest)), ...pythonNeeds(look, folder)];
  return needs.find((need) => SERVERS.test(need)) ?? null;
}

/** The root of a workspace is made of its members. */
function isRoot(look: Look, folder: string): boolean {
  const text = (name: string): string | undefined => look.texts.get(inFolder(folder, name));
  const project = toml(text('pyproject.toml'));
  const own = [
    json(text('package.json'))['workspaces'],
    yaml(text('pnpm-workspace.yaml'))['packages'],
    data(data(project['tool'])['uv'])['workspace'],
    toml(text('Cargo.toml'))['workspace'],
  ];
  if (own.some((one) => one !== undefined)) return true;
  return folder === '.' && holdsOthers(look, '.');
}

function sentence(folders: readonly string[], one: string, many: string, what: string): string[] {
  if (folders.length === 0) return [];
  const named = folders.slice(0, NAMED).join(', ');
  const rest = folders.length > NAMED ? ` and ${folders.length - NAMED} more` : '';
  return [`${named}${rest} ${folders.length === 1 ? one : many}. ${what}`];
}
