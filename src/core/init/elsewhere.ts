import { folderOf, inFolder, isTestPath, type Look, plainName } from './look.ts';
import { json, string, whyUnreadable } from './parse.ts';

/** What is looked for, in the words of `sluice init` where it found no app. */
export const LOOKED_FOR =
  'package.json with a start script or a framework, pyproject.toml or requirements.txt with a program, main.go in a module, Cargo.toml with a program, Dockerfile with a command, compose.yaml, wrangler.toml, .do/app.yaml, Procfile, index.html';

/** Apps of build tools that do not say how they are started: a person decides. `known`: folders of apps that were found. */
export function otherTools(look: Look, known: ReadonlySet<string>): string[] {
  return [...nxApplications(look, known), ...javaModules(look, known), ...otherLanguages(look, known)];
}

function nxApplications(look: Look, known: ReadonlySet<string>): string[] {
  return [...look.texts].flatMap(([path, text]) => {
    if (!/(^|\/)project\.json$/.test(path) || !look.paths.has('nx.json') || isTestPath(path)) return [];
    const [folder, project] = [folderOf(path), json(text)];
    if (project['projectType'] !== 'application' || known.has(folder)) return [];
    const name = string(project['name']) ?? folder.split('/').at(-1) ?? folder;
    if (name.endsWith('-e2e')) return [];
    return [
      `${plainName(name)} (${folder}) is an application of Nx that does not say how it is started: add it with path '${folder}', build { command: 'npx nx run ${name}:build', output: '/' }, and the command that runs what that makes.`,
    ];
  });
}

function javaModules(look: Look, known: ReadonlySet<string>): string[] {
  const folders = new Map<string, string>();
  for (const path of look.paths) {
    const tool = /(^|\/)pom\.xml$/.test(path) ? 'Maven' : /(^|\/)build\.gradle(\.kts)?$/.test(path) ? 'Gradle' : null;
    if (tool !== null && !isTestPath(path)) folders.set(folderOf(path), tool);
  }
  const modules = [...folders].filter(([folder]) =>
    [...look.paths].some((path) => path.startsWith(folder === '.' ? 'src/main/' : `${folder}/src/main/`)),
  );
  return modules
    .filter(([folder]) => !known.has(folder))
    .map(
      ([folder, tool]) =>
        `${folder} is a module of ${tool}: if it is an app, add it with its build and the command that starts it; libraries need no entry.`,
    );
}

const LANGUAGES: readonly (readonly [RegExp, string])[] = [
  [/(^|\/)Gemfile$/, 'Ruby'],
  [/(^|\/)composer\.json$/, 'PHP'],
  [/(^|\/)mix\.exs$/, 'Elixir'],
  [/\.csproj$/, '.NET'],
  [/(^|\/)deno\.jsonc?$/, 'Deno'],
];

function otherLanguages(look: Look, known: ReadonlySet<string>): string[] {
  const found = new Map<string, string>();
  for (const path of look.paths)
    for (const [pattern, language] of LANGUAGES)
      if (pattern.test(path) && !isTestPath(path) && !known.has(folderOf(path))) found.set(folderOf(path), language);
  return [...found].map(
    ([folder, language]) => `${folder} holds ${language}, which init cannot start by itself: if it is an app, add it by hand.`,
  );
}

/** Files that could not be read, one sentence each: what they say is not in the configuration. */
export function unreadFiles(look: Look): string[] {
  const unread = new Map(look.unread);
  for (const [path, text] of look.texts) {
    const why = isTestPath(path) ? null : whyUnreadable(path, text);
    if (why !== null) unread.set(path, why);
  }
  return [...unread].map(([path, why]) => `${path} could not be read (${why}): what it says is not taken into account.`);
}

/** What the sources of an app say against being given a port; null when nothing does. */
export function fixedPort(look: Look, folder: string, start: string | null): string | null {
  const inScript = /(?:--port[= ]|-p |PORT=)(\d{2,5})\b/.exec(start ?? '')?.[1];
  if (inScript !== undefined) return inScript;
  for (const name of ENTRIES) {
    const text = look.texts.get(inFolder(folder, name));
    if (text === undefined || /\bPORT\b/.test(text)) continue;
    const said =
      /\.listen\(\s*\{?\s*(?:port\s*:\s*)?(\d{2,5})\b|\bport\s*[:=]\s*(\d{2,5})\b|HTTPServer\(\(['"][^'"]*['"],\s*(\d{2,5})\)/i.exec(text);
    const port = said?.slice(1).find((one) => one !== undefined);
    if (port !== undefined) return port;
  }
  return null;
}

const ENTRIES = ['', 'src/']
  .flatMap((at) =>
    ['server', 'app', 'main', 'index'].flatMap((name) => ['js', 'mjs', 'cjs', 'ts', 'mts'].map((end) => `${at}${name}.${end}`)),
  )
  .concat(['main.py', 'app.py', 'server.py']);
