import { parse } from 'smol-toml';
import { ancestors, folderOf, isTestData } from '../../core/changes/project.ts';
import type { Draft, Reader, Reading } from './draft.ts';
import { pathFrom } from './draft.ts';
import { type Lock, wholeLock, type Wishes } from './locks/lock.ts';
import { pythonLock, pythonName } from './locks/python.ts';
import { list, record, text, texts, type Values } from './values.ts';

const LOCKS: Readonly<Record<string, (text: string) => Lock>> = {
  'uv.lock': pythonLock,
  'poetry.lock': pythonLock,
  'pdm.lock': wholeLock,
  'Pipfile.lock': wholeLock,
  'pylock.toml': wholeLock,
};
const REQUIREMENTS = /^requirements.*\.(txt|in)$/;

/** `pyproject.toml` (uv, poetry, plain) and `requirements*.txt`, with `uv.lock` and `poetry.lock`. */
export const pythonReader: Reader = {
  names: ['pyproject.toml', 'setup.py', 'setup.cfg', 'requirements*.txt', 'requirements*.in', ...Object.keys(LOCKS)],
  find(reading) {
    for (const { folder } of reading.named('pyproject.toml', 'setup.py', 'setup.cfg', REQUIREMENTS))
      if (!isRequirementsFolder(folder)) reading.project(folder);
  },
  link(reading) {
    const manifests = reading.named('pyproject.toml').flatMap(({ path, folder, text: content }) => {
      const values = reading.parsed(path, () => record(parse(content)));
      return values === null ? [] : [{ path, folder, values, name: nameOf(values) }];
    });
    const byName = new Map(manifests.filter((one) => one.name !== '').map((one) => [one.name, one.folder]));
    const all = new Set(reading.named('pyproject.toml', 'setup.py', 'setup.cfg').map((one) => one.folder));
    // A project whose name cannot be read may be the one that another asks for.
    for (const { path } of reading.named('pyproject.toml'))
      if (reading.isUnreadable(path) && !isTestData(path)) for (const folder of all) reading.doubt(reading.project(folder), path);
    const locks = new Map<string, Lock>();
    for (const [file, read] of Object.entries(LOCKS))
      for (const { path, folder, text: content } of reading.named(file))
        locks.set(folder, reading.parsed(path, () => read(content)) ?? wholeLock(content));
    for (const one of manifests) linkOne(reading, one, { byName, locks, all, rootSources: sourcesAbove(manifests, one.folder) });
    for (const { path, folder, text: content } of reading.named('setup.py', 'setup.cfg'))
      linkByMention(reading, { path, folder, content, byName });
    for (const { path } of reading.named(REQUIREMENTS)) {
      const project = reading.owner(folderOf(path));
      if (project !== null) follow(reading, project, path, new Set());
    }
    addToolchain(reading, [...manifests.map((one) => one.folder), ...reading.named(REQUIREMENTS).map((one) => one.folder)]);
  },
};

interface Manifest {
  readonly path: string;
  readonly folder: string;
  readonly values: Values;
  readonly name: string;
}

interface Around {
  /** Name → folder, of all Python projects of the workspace. */
  readonly byName: ReadonlyMap<string, string>;
  readonly locks: ReadonlyMap<string, Lock>;
  /** Folders of all of them. */
  readonly all: ReadonlySet<string>;
  /** Name → path from the workspace, of sources that workspaces of uv above give to their members. */
  readonly rootSources: ReadonlyMap<string, string>;
}

function linkOne(reading: Reading, { path, folder, values, name }: Manifest, { byName, locks, all, rootSources }: Around): void {
  const project = reading.project(folder);
  if (project === null) return;
  const needs = needsOf(values);
  const outside = new Map<string, string>();
  for (const [need, local] of needs) {
    const target = local === null ? (rootSources.get(need) ?? byName.get(need)) : pathFrom(folder, local);
    if (target === undefined || target === null) outside.set(need, '');
    else if (reading.projects.has(target)) reading.depends(project, target, path);
    else if (local !== null || rootSources.has(need)) reading.reads(project, target, path);
  }
  // What a build backend finds out by itself may be any of them; where files say it, those are followed.
  const files = dynamicFiles(values);
  if (files?.length === 0) for (const other of all) reading.depends(project, other, path);
  for (const file of files ?? []) {
    const target = pathFrom(folder, file);
    if (target !== null) follow(reading, project, target, new Set());
  }
  addLock(project, folder, name, outside, locks);
}

/** Files that hold the dependencies which pyproject.toml calls dynamic; empty: it is not said where they are; null: none are. */
function dynamicFiles(values: Values): string[] | null {
  const said = texts(record(values['project'])['dynamic']);
  if (!said.includes('dependencies') && !said.includes('optional-dependencies')) return null;
  const tool = record(values['tool']);
  const setuptools = record(record(tool['setuptools'])['dynamic']);
  const hatch = record(record(record(record(tool['hatch'])['metadata'])['hooks'])['requirements_txt']);
  const named = [setuptools['dependencies'], ...Object.values(record(setuptools['optional-dependencies']))].map(
    (one) => record(one)['file'],
  );
  return [...named, hatch['files'], hatch['filename']].flatMap((one) => (typeof one === 'string' ? [one] : texts(one)));
}

/** Sources that pyproject.toml files above give to members of their workspaces; the nearest says last. */
function sourcesAbove(manifests: readonly Manifest[], folder: string): Map<string, string> {
  const found = new Map<string, string>();
  const above = new Set(ancestors(folder));
  for (const one of manifests.filter((other) => above.has(other.folder)).toSorted((a, b) => a.folder.length - b.folder.length))
    for (const [name, local] of uvSources(one.values)) {
      const target = pathFrom(one.folder, local);
      if (target !== null) found.set(name, target);
    }
  return found;
}

interface Mentioning {
  readonly path: string;
  readonly folder: string;
  readonly content: string;
  readonly byName: ReadonlyMap<string, string>;
}

/** A setup.py is a program: it depends on each project of the workspace whose name stands in it. */
function linkByMention(reading: Reading, { path, folder, content, byName }: Mentioning): void {
  const project = reading.owner(folder);
  if (project === null) return;
  const words = new Set([...content.matchAll(/[A-Za-z0-9][A-Za-z0-9._-]*/g)].map(([word]) => pythonName(word)));
  for (const [name, target] of byName) if (words.has(name)) reading.depends(project, target, path);
}

/** `requirements/base.txt` belongs to the folder above. */
function isRequirementsFolder(folder: string): boolean {
  return folder === 'requirements' || folder.endsWith('/requirements');
}

function nameOf(values: Values): string {
  const poetry = record(record(values['tool'])['poetry']);
  return pythonName(text(record(values['project'])['name']) || text(poetry['name']));
}

/** Name → path, where the manifest names one. */
function needsOf(values: Values): Map<string, string | null> {
  const needs = new Map<string, string | null>();
  const project = record(values['project']);
  const tool = record(values['tool']);
  const plain = [
    ...texts(project['dependencies']),
    ...Object.values(record(project['optional-dependencies'])).flatMap(texts),
    ...Object.values(record(values['dependency-groups'])).flatMap(texts),
  ];
  for (const said of plain) {
    const name = /^[A-Za-z0-9][A-Za-z0-9._-]*/.exec(said)?.[0];
    // `file:` with a path, or with what PDM and Hatch put before one.
    const local = /@\s*(?:file:(?:\/\/)?)?(?:\/?\$\{PROJECT_ROOT\}\/|\{root:uri\}\/)?(\.{1,2}\/[^\s;#]*)/.exec(said)?.[1];
    if (name !== undefined) needs.set(pythonName(name), local ?? null);
  }
  const poetry = record(tool['poetry']);
  const groups = Object.values(record(poetry['group'])).map((group) => record(group)['dependencies']);
  for (const set of [poetry['dependencies'], poetry['dev-dependencies'], ...groups]) {
    for (const [name, said] of Object.entries(record(set))) if (name !== 'python') needs.set(pythonName(name), pathOf(said));
  }
  for (const group of Object.values(record(record(tool['pdm'])['dev-dependencies'])))
    for (const said of texts(group)) {
      const name = /^(?:-e\s.*#egg=)?([A-Za-z0-9][A-Za-z0-9._-]*)/.exec(said)?.[1];
      if (name !== undefined) needs.set(pythonName(name), null);
    }
  for (const said of texts(record(tool['uv'])['dev-dependencies'])) {
    const name = /^[A-Za-z0-9][A-Za-z0-9._-]*/.exec(said)?.[0];
    if (name !== undefined) needs.set(pythonName(name), null);
  }
  for (const [name, path] of uvSources(values)) if (needs.has(name)) needs.set(name, path);
  return needs;
}

/** Name → path, of what uv takes from a folder. */
function uvSources(values: Values): Map<string, string> {
  const found = new Map<string, string>();
  for (const [name, said] of Object.entries(record(record(record(values['tool'])['uv'])['sources']))) {
    const path = pathOf(said);
    if (path !== null) found.set(pythonName(name), path);
  }
  return found;
}

/** `{ path = … }`, or one such among several for different platforms. */
function pathOf(said: unknown): string | null {
  return [said, ...list(said)].map((one) => text(record(one)['path'])).find((one) => one !== '') ?? null;
}

function addLock(project: Draft, folder: string, name: string, wishes: Wishes, locks: ReadonlyMap<string, Lock>): void {
  const at = [folder, ...ancestors(folder)].find((one) => locks.has(one));
  const lock = at === undefined ? undefined : locks.get(at);
  if (lock === undefined || at === undefined) return;
  const relative = at === '.' ? folder : folder === at ? '.' : folder.slice(at.length + 1);
  const closure = lock.closure(relative, name, wishes);
  if (closure !== '') project.locks.push(closure);
}

/** `-r other.txt`, `-c constraints.txt`, `-e ../library`, `../library` */
function follow(reading: Reading, project: Draft, path: string, seen: Set<string>): void {
  if (seen.has(path)) return;
  seen.add(path);
  const content = reading.text(path) ?? '';
  if (reading.isUnreadable(path)) reading.doubt(project, path);
  for (const line of content.split('\n')) {
    const file = /^\s*(?:-r|--requirement|-c|--constraint)[=\s]+(\S+)/.exec(line)?.[1];
    const library = /^\s*(?:(?:-e|--editable)[=\s]+)?(?:file:)?(\.{1,2}\/[^\s;#[]*)/.exec(line)?.[1];
    const target = file === undefined ? (library === undefined ? null : pathFrom(folderOf(path), library)) : pathFrom(folderOf(path), file);
    if (target === null || /^https?:/.test(file ?? '')) continue;
    const owner = reading.owner(target);
    if (owner !== null && owner !== project) reading.depends(project, owner.path, path);
    else reading.reads(project, target, path);
    if (file !== undefined) follow(reading, project, target, seen);
  }
}

function addToolchain(reading: Reading, folders: readonly string[]): void {
  if (folders.length === 0) return;
  const shared = reading.shared('toolchain:python', '.python-version');
  for (const path of ['.tool-versions', 'mise.toml', '.mise.toml']) reading.reads(shared, path, path);
  for (const folder of folders) {
    const project = reading.owner(folder);
    if (project !== null) reading.depends(project, 'toolchain:python', '.python-version');
  }
}
