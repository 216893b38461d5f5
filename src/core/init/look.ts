/** What lies in a repository, as far as `sluice init` looks at it. Paths are POSIX and relative to the workspace. */
export interface Look {
  /** Name of the workspace's folder. */
  readonly name: string;
  readonly paths: ReadonlySet<string>;
  /** Text of the files that `isWorthReading` names. */
  readonly texts: ReadonlyMap<string, string>;
  /** Path → why it was not read, of files that would have been. */
  readonly unread?: ReadonlyMap<string, string>;
}

/** How an app is made and run on this machine. */
export interface Runtime {
  readonly framework: string;
  readonly language: 'node' | 'python' | 'go' | 'other';
  /** Folder whose changes are the app's. */
  readonly path: string;
  readonly build: Command | null;
  readonly run: Command;
  readonly env: Readonly<Record<string, Variable>>;
  /** Answers requests of browsers: gets the shortest route. */
  readonly isFrontEnd: boolean;
  readonly listens: boolean;
  readonly checks: Readonly<Record<string, CheckCommand>>;
  readonly notes: readonly string[];
  /** The artifact is the whole workspace as built, and commands run at its root. Left out: the app's folder. */
  readonly isWide?: true;
  /** Further files that it is made from. */
  readonly inputs?: readonly string[];
  /** What a person has to decide before it can be deployed, one sentence each. */
  readonly decide?: readonly string[];
}

export type Command = readonly string[];
export type Variable = string | { readonly fromEnv: string };

export interface CheckCommand {
  readonly command: Command;
  readonly folder?: 'workspace';
  readonly needs?: readonly string[];
  readonly setup?: true;
  readonly env?: Readonly<Record<string, string>>;
}

export interface DetectedApp extends Omit<Runtime, 'isFrontEnd'> {
  readonly name: string;
  /** The folder it was found in. */
  readonly folder: string;
  readonly routes: readonly string[];
  readonly health: string | null;
  readonly dependsOn: readonly string[];
}

export interface Detected {
  readonly workspace: string;
  readonly apps: readonly DetectedApp[];
  /** What was found and is not deployed by Sluice, one sentence each. */
  readonly leftOut: readonly string[];
  /** What a person has to decide before a deploy can work, one sentence each. */
  readonly decide: readonly string[];
  readonly packageManager: PackageManager | null;
  readonly languages: ReadonlySet<Runtime['language']>;
  /** Folders with dependencies that a bot can keep current. */
  readonly ecosystems: readonly { readonly ecosystem: string; readonly folder: string }[];
}

export type PackageManager = 'npm' | 'pnpm' | 'yarn' | 'bun';

const MANIFESTS =
  /(^|\/)(package\.json|project\.json|nx\.json|pnpm-workspace\.yaml|requirements[\w.-]*\.txt|requirements\/[\w.-]+\.txt|pyproject\.toml|Pipfile|go\.mod|Cargo\.toml|Dockerfile[\w.-]*|Containerfile|[\w.-]+\.[Dd]ockerfile|(docker-)?compose[\w.-]*\.ya?ml|wrangler\.(toml|jsonc?)|Procfile|Gemfile|\.env\.(example|sample|template))$|^\.do\/(app|deploy\.template)\.ya?ml$|^\.nvmrc$|^\.node-version$|^yarn\.lock$/;
/** Where programs of Python, Go and Rust may begin. */
const PROGRAMS = /(^|\/)((main|app|server|wsgi|asgi|manage|__main__)\.py|(main|server|app|api|service|root)\.go|src\/main\.rs)$/;
/** Where a program of Node may begin: beside its package.json, or in `src` or `bin`. */
const ENTRY = /^(?:(?:src|bin)\/)?(?!.*\.(?:config|conf|test|spec|d)\.)[\w.-]+\.[cm]?[jt]s$/;

/** Whether a file says what a folder is made of: not to know what it says is something to tell. */
export function isManifest(path: string): boolean {
  return MANIFESTS.test(path);
}

/** Whether detection needs the text of a file. `packages`: folders with a package.json. */
export function isWorthReading(path: string, packages: ReadonlySet<string>): boolean {
  if (MANIFESTS.test(path) || PROGRAMS.test(path)) return true;
  const folder = folderOf(path).replace(/(?:^|\/)(?:src|bin)$/, '') || '.';
  return packages.has(folder) && ENTRY.test(folder === '.' ? path : path.slice(folder.length + 1));
}

export function inFolder(folder: string, name: string): string {
  return folder === '.' ? name : `${folder}/${name}`;
}

export function folderOf(path: string): string {
  const end = path.lastIndexOf('/');
  return end < 0 ? '.' : path.slice(0, end);
}

/** `./apps/web/`, `infra/../apps/web` → `apps/web`; null when it leads outside. */
export function plainFolder(path: string): string | null {
  const parts: string[] = [];
  for (const part of path.split('/')) {
    if (part === '' || part === '.') continue;
    if (part !== '..') parts.push(part);
    else if (parts.pop() === undefined) return null;
  }
  return parts.length === 0 ? '.' : parts.join('/');
}

/** A name that a configuration takes: lower-case letters, digits and -. */
export function plainName(text: string): string {
  const name = text
    .toLowerCase()
    .replace(/^@[^/]*\//, '')
    .replaceAll(/[^a-z0-9]+/g, '-')
    .replace(/^[^a-z]+/, '')
    .slice(0, 63)
    .replace(/-+$/, '');
  return name === '' ? 'app' : name;
}

/** Folders that hold no apps of their own, whatever lies in them. */
export function isTestPath(path: string): boolean {
  return TEST_FOLDER.test(folderOf(path)) || isExample(path);
}

const TEST_FOLDER =
  /(^|\/)(node_modules|vendor|third_party|dist|build|coverage|tests?|testing|__tests__|__mocks__|e2e|[\w.-]+-e2e|cypress|playwright|fixtures|testdata|docs?|scripts|tools|hack|templates?|\.[^/]+)(\/|$)/;

/** Folders that show how something is used. */
export function isExample(path: string): boolean {
  return /(^|\/)(examples?|samples?|demos?|benchmarks?|playgrounds?|sandbox)(\/|$)/.test(folderOf(path));
}
