import { ancestors, isTestData } from '../../core/changes/project.ts';
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
  /** Whether `requires` names all that a build may need. */
  readonly isComplete: boolean;
}

/** `go.mod`, `go.work` and their sums. */
export const goReader: Reader = {
  names: ['go.mod', 'go.sum', 'go.work', 'go.work.sum'],
  find(reading) {
    for (const { folder } of reading.named('go.mod')) reading.project(folder);
  },
  link(reading) {
    const modules = reading
      .named('go.mod')
      .flatMap(({ path, folder, text }) => reading.parsed(path, () => moduleOf(path, folder, text)) ?? []);
    // A module whose name cannot be read may be the one that another requires.
    for (const { path } of reading.named('go.mod'))
      if (reading.isUnreadable(path) && !isTestData(path)) for (const one of modules) reading.doubt(reading.project(one.folder), path);
    const works = new Map(
      reading.named('go.work').flatMap(({ path, folder, text }) => {
        const lines = reading.parsed(path, () => workOf(text));
        return lines === null ? [] : [[folder, { path, lines, replaced: replacedIn(lines, folder) }] as const];
      }),
    );
    const folders = modules.map((one) => one.folder);
    const byName = new Map(modules.map((one) => [one.name, one.folder]));
    for (const { folder } of modules) separate(reading, folder, folders);
    for (const one of modules) {
      const project = reading.project(one.folder);
      if (project === null) {
        reading.shared(ROOT, one.path).locks.push(sumsOf(reading.files.get('go.sum') ?? '', one));
        shareRoot(reading, one);
        continue;
      }
      const at = [...ancestors(one.folder)].find((above) => works.has(above));
      const work = at === undefined ? undefined : works.get(at);
      for (const need of one.requires) {
        const target = work?.replaced.get(need) ?? one.replaced.get(need) ?? byName.get(need);
        if (target === undefined) continue;
        const name = target === '.' && folders.includes('.') ? ROOT : target;
        if (reading.projects.has(name)) reading.depends(project, name, one.path);
        else reading.reads(project, target, one.path);
      }
      if (work === undefined || at === undefined) continue;
      project.settings.push(languageOf(work.lines));
      const own = sumsOf(reading.files.get(pathFrom(at, 'go.work.sum') ?? '') ?? '', one);
      if (own !== '') project.locks.push(own);
    }
  },
};

/** The module at the root of the workspace, for those that require it. */
const ROOT = 'module:.';
/** What stands at the root of a module and is no part of any package: texts for people, and settings of other tools. */
const BESIDES = ['*.md', 'LICENSE*', 'COPYING*', 'NOTICE*', 'OWNERS*', 'CODEOWNERS', 'Makefile', 'go.sum', '.*', '.*/**'];
/** Manifests of other languages: what lies beside them is made by their tools, and go takes its own files from there alone. */
const OTHERS = ['package.json', 'pyproject.toml', 'Cargo.toml'];

/** A module within the folder of another one is no part of it; go leaves it out as well. */
function separate(reading: Reading, folder: string, folders: readonly string[]): void {
  const nested = folders.filter((other) => other !== folder && (folder === '.' || other.startsWith(`${folder}/`)));
  if (folder === '.') {
    const root = reading.shared(ROOT, 'go.mod');
    const apart = nested.map((one) => `${one}/**`);
    const others = reading.named(...OTHERS).flatMap((one) => (one.folder === '.' ? [] : [`${one.folder}/**`]));
    root.inputs.push({ path: '**', via: 'go.mod', except: [...new Set([...apart, ...others, ...BESIDES])] });
    root.inputs.push({ path: '**/*.go', via: 'go.mod', except: apart });
  } else if (nested.length > 0) reading.project(folder)?.except.push(...nested);
}

/**
 * A module that is the whole workspace: folders of it that are apps get what any package of the module may hold, as
 * which package imports which, or embeds what, is not read here.
 */
function shareRoot(reading: Reading, one: Module): void {
  for (const folder of reading.folders) {
    const project = reading.projects.get(folder);
    if (project === undefined || nearestModule(reading, folder) !== '.') continue;
    reading.depends(project, ROOT, one.path);
  }
}

function nearestModule(reading: Reading, path: string): string | null {
  return [path, ...ancestors(path)].find((folder) => reading.files.has(pathFrom(folder, 'go.mod') ?? '')) ?? null;
}

/** @throws Error for statements that are none of go.mod, and where the module has no name. */
function moduleOf(path: string, folder: string, content: string): Module {
  const lines = statements(content);
  const name = lines.find(([verb]) => verb === 'module')?.[1].replaceAll(/["`]/g, '') ?? '';
  if (name === '') throw new Error('it names no module');
  const language = languageOf(lines);
  return {
    path,
    folder,
    name,
    requires: lines.filter(([verb]) => verb === 'require').map(([, rest]) => rest.split(/\s+/)[0]?.replaceAll(/["`]/g, '') ?? ''),
    replaced: replacedIn(lines, folder),
    // Since 1.17 all modules that a build may need are required by name, also those that only others need.
    isComplete: /^go 1\.(?:1[7-9]|[2-9]\d)|^go [2-9]/m.test(language),
  };
}

/** @throws Error as `statements`, and for a file without any. */
function workOf(content: string): [string, string][] {
  const lines = statements(content);
  if (lines.length === 0) throw new Error('it says nothing');
  return lines;
}

function replacedIn(lines: readonly (readonly [string, string])[], folder: string): Map<string, string> {
  const replaced = new Map<string, string>();
  for (const [verb, rest] of lines) {
    const [, from = '', to = ''] = verb === 'replace' ? (/^(\S+)(?:\s+\S+)?\s*=>\s*(\S+)/.exec(rest) ?? []) : [];
    const written = to.replaceAll(/["`]/g, '');
    const target = written.startsWith('.') ? pathFrom(folder, written) : null;
    if (target !== null) replaced.set(from.replaceAll(/["`]/g, ''), target);
  }
  return replaced;
}

const VERBS = new Set(['module', 'go', 'toolchain', 'godebug', 'require', 'exclude', 'replace', 'retract', 'tool', 'ignore', 'use']);

/**
 * Statements with their verb, also those in brackets.
 * @throws Error for a verb that go does not know, and for a bracket that is not closed.
 */
function statements(content: string): [string, string][] {
  const found: [string, string][] = [];
  let block = '';
  for (const raw of content.split('\n')) {
    const line = raw.replace(/\/\/.*$/, '').trim();
    if (line === '') continue;
    if (block !== '') {
      if (line === ')') block = '';
      else found.push([block, line]);
      continue;
    }
    const verb = /^[a-z]+/.exec(line)?.[0] ?? '';
    if (!VERBS.has(verb)) throw new Error(`a line of it begins with ${line.split(/\s+/)[0]?.slice(0, 20) ?? ''}`);
    if (/^\w+\s*\($/.test(line)) block = verb;
    else if (line !== verb) found.push([verb, line.slice(verb.length).trim()]);
    else throw new Error(`${verb} stands alone on a line`);
  }
  if (block !== '') throw new Error(`the bracket of ${block} is not closed`);
  return found;
}

function languageOf(lines: readonly (readonly [string, string])[]): string {
  return lines
    .filter(([verb]) => verb === 'go' || verb === 'toolchain' || verb === 'godebug')
    .map((words) => words.join(' '))
    .join('\n');
}

/** The lines of a go.sum about what a module requires; all of them where it does not name all that it needs. */
function sumsOf(sums: string, { requires, isComplete }: Module): string {
  const needed = new Set(requires);
  const lines = sums.split('\n').filter((line) => line !== '' && (!isComplete || needed.has(line.slice(0, line.indexOf(' ')))));
  return lines.length === 0 ? '' : digest(lines.toSorted().join('\n'));
}
