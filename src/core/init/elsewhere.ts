import { folderOf, inFolder, isManifest, isTestPath, type Look, plainName } from './look.ts';
import { json, string, whyUnreadable } from './parse.ts';

/** What is looked for, in the words of `sluice init` where it found no app. */
export const LOOKED_FOR =
  'package.json with a start script or a framework, pyproject.toml or requirements.txt with a program, main.go in a module, Cargo.toml with a program, Dockerfile with a command, compose.yaml, wrangler.toml, .do/app.yaml, Procfile, index.html';

/** Apps of build tools that do not say how they are started: a person decides. `known`: folders of apps that were found. */
export function otherTools(look: Look, known: ReadonlySet<string>): string[] {
  return [...nxApplications(look, known), ...javaModules(look, known), ...otherLanguages(look, known)];
}

/** Whether a folder is what Nx calls an application. */
export function isNxApplication(look: Look, folder: string): boolean {
  return look.paths.has('nx.json') && json(look.texts.get(inFolder(folder, 'project.json')))['projectType'] === 'application';
}

function nxApplications(look: Look, known: ReadonlySet<string>): string[] {
  return [...look.texts].flatMap(([path, text]) => {
    const [folder, project] = [folderOf(path), json(text)];
    if (!/(^|\/)project\.json$/.test(path) || isTestPath(path) || known.has(folder) || !isNxApplication(look, folder)) return [];
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
  return [...found].map(([folder, language]) => {
    const said = startSaid(look, folder);
    const how = said === null ? 'the command that starts it' : `run '${said}'`;
    return `${folder} holds ${language}, which init cannot start by itself: if it is an app, add it by hand with path '${folder}', its build and ${how}.`;
  });
}

/** How other files start what a folder holds. */
function startSaid(look: Look, folder: string): string | null {
  const web = /^web:\s*(\S.*?)\s*$/m.exec(look.texts.get(inFolder(folder, 'Procfile')) ?? '')?.[1];
  if (web !== undefined) return web;
  return /\brails\b/.test(look.texts.get(inFolder(folder, 'Gemfile')) ?? '') ? 'bin/rails server -b 127.0.0.1 -p "$PORT"' : null;
}

/** Files that could not be read, one sentence each: what they say is not in the configuration. */
export function unreadFiles(look: Look): string[] {
  const unread = new Map(look.unread);
  for (const [path, text] of look.texts) {
    const why = isTestPath(path) || !isManifest(path) ? null : whyUnreadable(path, text);
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
    const listens = /\.listen\(\s*\{?\s*(?:port\s*:\s*)?(\d{2,5})\b|HTTPServer\(\(['"][^'"]*['"],\s*(\d{2,5})\)/i.exec(text);
    // A port beside the name of another server is where that one is asked.
    const named = text.split('\n').flatMap((line) => (OF_OTHERS.test(line) ? [] : (/\bport\s*[:=]\s*(\d{2,5})\b/i.exec(line)?.[1] ?? [])));
    const port = listens?.slice(1).find((one) => one !== undefined) ?? named.find((one) => !PORTS_OF_OTHERS.has(one));
    if (port !== undefined) return port;
  }
  return null;
}

const OF_OTHERS = /redis|mongo|postgres|psycopg|\bpg\b|mysql|maria|amqp|rabbit|kafka|elastic|memcache|smtp|mail|createClient|connect\(/i;
/** PostgreSQL, MySQL, Redis, MongoDB, RabbitMQ, Elasticsearch, memcached, Kafka, SMTP, NATS. */
const PORTS_OF_OTHERS: ReadonlySet<string> = new Set([
  '5432',
  '3306',
  '6379',
  '27017',
  '5672',
  '9200',
  '11211',
  '9092',
  '25',
  '465',
  '587',
  '1025',
  '4222',
]);

const ENTRIES = ['', 'src/']
  .flatMap((at) =>
    ['server', 'app', 'main', 'index'].flatMap((name) => ['js', 'mjs', 'cjs', 'ts', 'mts'].map((end) => `${at}${name}.${end}`)),
  )
  .concat(['main.py', 'app.py', 'server.py']);
