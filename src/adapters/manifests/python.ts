import { parse } from 'smol-toml';
import { ancestors, folderOf } from '../../core/changes/project.ts';
import type { Draft, Reader, Reading } from './draft.ts';
import { pathFrom } from './draft.ts';
import { type Lock, wholeLock, type Wishes } from './locks/lock.ts';
import { pythonLock, pythonName } from './locks/python.ts';
import { list, record, text, texts, type Values } from './values.ts';

const REQUIREMENTS = /^requirements.*\.(txt|in)$/;

/** `pyproject.toml` (uv, poetry, plain) and `requirements*.txt`, with `uv.lock` and `poetry.lock`. */
export const pythonReader: Reader = {
  names: ['pyproject.toml', 'requirements*.txt', 'requirements*.in', 'uv.lock', 'poetry.lock'],
  find(reading) {
    for (const { folder } of reading.named('pyproject.toml', REQUIREMENTS)) if (!isRequirementsFolder(folder)) reading.project(folder);
  },
  link(reading) {
    const manifests = reading.named('pyproject.toml').flatMap(({ path, folder, text: content }) => {
      const values = reading.parsed(path, () => record(parse(content)));
      return values === null ? [] : [{ path, folder, values, name: nameOf(values) }];
    });
    const byName = new Map(manifests.filter((one) => one.name !== '').map((one) => [one.name, one.folder]));
    const locks = new Map(
      reading
        .named('uv.lock', 'poetry.lock')
        .map(({ path, folder, text: content }) => [folder, reading.parsed(path, () => pythonLock(content)) ?? wholeLock(content)] as const),
    );
    for (const { path, folder, values, name } of manifests) {
      const project = reading.project(folder);
      if (project === null) continue;
      for (const [need, local] of needsOf(values)) {
        const target = local === null ? byName.get(need) : pathFrom(folder, local);
        if (target === undefined || target === null) continue;
        if (reading.projects.has(target)) reading.depends(project, target, path);
        else if (local !== null) reading.reads(project, target, path);
      }
      addLock(project, folder, name, new Map([...needsOf(values).keys()].map((need) => [need, ''])), locks);
    }
    for (const { path } of reading.named(REQUIREMENTS)) {
      const project = reading.owner(folderOf(path));
      if (project !== null) follow(reading, project, path, new Set());
    }
    addToolchain(reading, [...manifests.map((one) => one.folder), ...reading.named(REQUIREMENTS).map((one) => one.folder)]);
  },
};

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
    if (name !== undefined) needs.set(pythonName(name), /@\s*file:(?:\/\/)?(\.[^\s;]*)/.exec(said)?.[1] ?? null);
  }
  const poetry = record(tool['poetry']);
  const groups = Object.values(record(poetry['group'])).map((group) => record(group)['dependencies']);
  for (const set of [poetry['dependencies'], poetry['dev-dependencies'], ...groups]) {
    for (const [name, said] of Object.entries(record(set)))
      if (name !== 'python') needs.set(pythonName(name), text(record(said)['path']) || null);
  }
  for (const [name, said] of Object.entries(record(record(tool['uv'])['sources']))) {
    const path = [said, ...list(said)].map((one) => text(record(one)['path'])).find((one) => one !== '');
    if (path !== undefined) needs.set(pythonName(name), path);
  }
  return needs;
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
  for (const line of (reading.text(path) ?? '').split('\n')) {
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
