import { ancestors } from '../../core/changes/project.ts';
import type { Reader, Reading } from './draft.ts';
import { pathFrom } from './draft.ts';
import { digest } from './locks/lock.ts';

interface Module {
  readonly path: string;
  readonly folder: string;
  readonly name: string;
  readonly requires: readonly string[];
  /** Name → folder, of what is replaced by a folder. */
  readonly replaced: ReadonlyMap<string, string>;
  /** Version of the language and of its tools. */
  readonly language: string;
}

/** `go.mod`, `go.work` and their sums. */
export const goReader: Reader = {
  names: ['go.mod', 'go.sum', 'go.work', 'go.work.sum'],
  find(reading) {
    for (const { folder } of reading.named('go.mod')) reading.project(folder);
  },
  link(reading) {
    const modules = reading.named('go.mod').map(({ path, folder, text }) => moduleOf(path, folder, text));
    const byName = new Map(modules.map((one) => [one.name, one.folder]));
    for (const one of modules) {
      const project = reading.project(one.folder);
      if (project === null) {
        shareRoot(reading, one);
        continue;
      }
      for (const need of one.requires) {
        const target = one.replaced.get(need) ?? byName.get(need);
        if (target === undefined) continue;
        if (reading.projects.has(target)) reading.depends(project, target, one.path);
        else reading.reads(project, target, one.path);
      }
      const work = workOf(reading, one.folder);
      if (work === null) continue;
      project.settings.push(languageOf(reading.files.get(pathFrom(work, 'go.work') ?? '') ?? ''));
      const sums = reading.files.get(pathFrom(work, 'go.work.sum') ?? '') ?? '';
      const own = sumsOf(sums, one.requires);
      if (own !== '') project.locks.push(own);
    }
  },
};

/**
 * A module that is the whole workspace: folders of it that are apps get what any package of the module may hold, as
 * which package imports which is not read here; but not what is no Go.
 */
function shareRoot(reading: Reading, one: Module): void {
  for (const folder of reading.folders) {
    const project = reading.projects.get(folder);
    if (project === undefined || nearestModule(reading, folder) !== '.') continue;
    reading.reads(project, '**/*.go', one.path);
    project.settings.push(one.language);
    const own = sumsOf(reading.files.get('go.sum') ?? '', one.requires);
    if (own !== '') project.locks.push(own);
  }
}

function nearestModule(reading: Reading, path: string): string | null {
  return [path, ...ancestors(path)].find((folder) => reading.files.has(pathFrom(folder, 'go.mod') ?? '')) ?? null;
}

function moduleOf(path: string, folder: string, content: string): Module {
  const lines = statements(content);
  const replaced = new Map<string, string>();
  for (const [verb, rest] of lines) {
    const [, from = '', to = ''] = verb === 'replace' ? (/^(\S+)(?:\s+\S+)?\s*=>\s*(\S+)/.exec(rest) ?? []) : [];
    const target = to.startsWith('.') ? pathFrom(folder, to) : null;
    if (target !== null) replaced.set(from, target);
  }
  return {
    path,
    folder,
    name: lines.find(([verb]) => verb === 'module')?.[1].replaceAll('"', '') ?? '',
    requires: lines.filter(([verb]) => verb === 'require').map(([, rest]) => rest.split(/\s+/)[0] ?? ''),
    replaced,
    language: languageOf(content),
  };
}

/** Statements with their verb, also those in brackets. */
function statements(content: string): [string, string][] {
  const found: [string, string][] = [];
  let block = '';
  for (const raw of content.split('\n')) {
    const line = raw.replace(/\/\/.*$/, '').trim();
    if (line === '') continue;
    if (line === ')') block = '';
    else if (block !== '') found.push([block, line]);
    else if (/^\w+\s*\($/.test(line)) block = line.replace(/\s*\($/, '');
    else found.push([line.split(/\s+/)[0] ?? '', line.replace(/^\S+\s*/, '')]);
  }
  return found;
}

function languageOf(content: string): string {
  return statements(content)
    .filter(([verb]) => verb === 'go' || verb === 'toolchain' || verb === 'godebug')
    .map((words) => words.join(' '))
    .join('\n');
}

/** The lines of a go.sum about these modules. */
function sumsOf(sums: string, requires: readonly string[]): string {
  const needed = new Set(requires);
  const lines = sums.split('\n').filter((line) => needed.has(line.slice(0, line.indexOf(' '))));
  return lines.length === 0 ? '' : digest(lines.toSorted().join('\n'));
}

function workOf(reading: Reading, folder: string): string | null {
  return [...ancestors(folder)].find((above) => reading.files.has(pathFrom(above, 'go.work') ?? '')) ?? null;
}
