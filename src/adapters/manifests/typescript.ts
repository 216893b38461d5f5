import { folderOf } from '../../core/changes/project.ts';
import type { Draft, Reader, Reading } from './draft.ts';
import { pathFrom } from './draft.ts';
import { list, record, text, texts } from './values.ts';

/** `tsconfig*.json`: what they extend, near or far, and the projects they refer to. */
export const typescriptReader: Reader = {
  names: ['tsconfig*.json', 'jsconfig.json'],
  link(reading) {
    for (const { path } of reading.named(/^(?:tsconfig.*|jsconfig)\.json$/)) {
      const project = reading.owner(folderOf(path));
      if (project === null) continue;
      follow(reading, path, new Set(), (file, via) => {
        if (via !== null) {
          const owner = reading.owner(folderOf(file));
          // A file of another project: that project is what is depended on, so that the way can be told.
          if (owner !== null && owner !== project) reading.depends(project, owner.path, via);
          else reading.reads(project, file, via);
        }
        contentOf(reading, file);
        if (reading.isUnreadable(file)) reading.doubt(project, file);
        const aliases = aliasesOf(reading, file);
        if (aliases !== null) reading.depends(project, aliases.name, file);
      });
      for (const reference of referencesOf(reading, path)) {
        const target = pathFrom(folderOf(path), reference);
        const owner = target === null ? null : reading.owner(target.endsWith('.json') ? folderOf(target) : target);
        if (owner !== null && owner !== project) reading.depends(project, owner.path, path);
      }
    }
  },
};

/** A file and all that it extends; `via`: the file that extends it, null for the first one. */
function follow(
  reading: Reading,
  path: string,
  seen: Set<string>,
  on: (file: string, via: string | null) => void,
  via: string | null = null,
): void {
  if (seen.has(path)) return;
  seen.add(path);
  on(path, via);
  const said = contentOf(reading, path)['extends'];
  for (const written of typeof said === 'string' ? [said] : texts(said)) {
    const file = extended(reading, path, written);
    if (file !== null) follow(reading, file, seen, on, path);
  }
}

/**
 * What `paths` of a file lets sources import by another name, as one project that each user of the file depends on. Which
 * of the names a source imports is not read here, so all of them count. Null: it says none.
 */
function aliasesOf(reading: Reading, path: string): Draft | null {
  const options = record(contentOf(reading, path)['compilerOptions']);
  const targets = Object.values(record(options['paths'])).flatMap(texts);
  if (targets.length === 0) return null;
  const name = `paths:${path}`;
  const known = reading.projects.get(name);
  if (known !== undefined) return known;
  const shared = reading.shared(name, path);
  const base = pathFrom(folderOf(path), text(options['baseUrl']) || '.') ?? '.';
  for (const written of targets) {
    const fixed = written.replace(/[^/]*\*.*$/, '');
    const target = pathFrom(base, fixed);
    if (target === null || /(?:^|\/)node_modules(?:\/|$)/.test(target)) continue;
    const owner = reading.owner(target);
    if (owner !== null) reading.depends(shared, owner.path, path);
    // A file beside no manifest: what lies beside it may be imported by it.
    else reading.reads(shared, /\.[cm]?[jt]sx?$/.test(target) ? folderOf(target) : target, path);
  }
  return shared;
}

/** `./base`, `../tsconfig.base.json`; names of packages come through the lockfile, or are projects that package.json names. */
function extended(reading: Reading, path: string, written: string): string | null {
  if (!written.startsWith('.')) return packaged(reading, path, written);
  const file = pathFrom(folderOf(path), written);
  return file === null || file.endsWith('.json') ? file : `${file}.json`;
}

/** `@shop/tsconfig/base.json` where that is a project of the workspace. */
function packaged(reading: Reading, path: string, written: string): string | null {
  const parts = written.split('/');
  const length = written.startsWith('@') ? 2 : 1;
  const name = parts.slice(0, length).join('/');
  const owner = reading.owner(folderOf(path));
  if (owner === null) return null;
  for (const { to } of owner.edges) {
    const manifest = reading.files.get(`${to}/package.json`);
    if (manifest === undefined || !manifest.includes(`"${name}"`)) continue;
    const rest = parts.slice(length).join('/') || 'tsconfig.json';
    return `${to}/${rest.endsWith('.json') ? rest : `${rest}.json`}`;
  }
  return null;
}

function referencesOf(reading: Reading, path: string): string[] {
  return list(contentOf(reading, path)['references']).flatMap((one) => {
    const to = text(record(one)['path']);
    return to === '' ? [] : [to];
  });
}

const cache = new WeakMap<Reading, Map<string, Readonly<Record<string, unknown>>>>();

function contentOf(reading: Reading, path: string): Readonly<Record<string, unknown>> {
  const known = cache.get(reading) ?? new Map<string, Readonly<Record<string, unknown>>>();
  cache.set(reading, known);
  const had = known.get(path);
  if (had !== undefined) return had;
  const content = reading.text(path);
  const value = content === null ? {} : (reading.parsed(path, () => objectOf(parseWithComments(content))) ?? {});
  known.set(path, value);
  return value;
}

function objectOf(value: unknown): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new Error('it is no JSON object');
  return record(value);
}

/** JSON with comments and trailing commas, as TypeScript reads it. */
function parseWithComments(content: string): unknown {
  try {
    return JSON.parse(content);
  } catch {
    // TypeScript takes a file without anything for one that says nothing.
    if (content.trim() === '') return {};
    const plain = content.replaceAll(/("(?:\\.|[^"\\])*")|\/\/[^\n]*|\/\*[\s\S]*?\*\//g, (_all, kept: string | undefined) => kept ?? '');
    return JSON.parse(plain.replaceAll(/("(?:\\.|[^"\\])*")|,(?=\s*[}\]])/g, (_all, kept: string | undefined) => kept ?? ''));
  }
}
