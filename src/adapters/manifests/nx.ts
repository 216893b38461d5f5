import { ancestors } from '../../core/changes/project.ts';
import type { Draft, Reader, Reading } from './draft.ts';
import { pathFrom } from './draft.ts';
import { strictJson } from './trouble.ts';
import { text, texts, type Values } from './values.ts';

interface Project {
  readonly path: string;
  readonly folder: string;
  readonly draft: Draft;
  readonly values: Values;
  /** Folder of nx.json. */
  readonly root: string;
}

/**
 * `project.json` of Nx: projects, what they say that they depend on, and what of the workspace they name. Projects without a
 * package.json take their packages from the workspace's root, so that its manifest and its lockfile are part of each.
 */
export const nxReader: Reader = {
  names: ['project.json', 'nx.json'],
  find(reading) {
    for (const { folder } of reading.named('project.json')) if (rootOf(reading, folder) !== null) reading.project(folder);
  },
  link(reading) {
    for (const { path, text: content } of reading.named('nx.json')) reading.parsed(path, () => strictJson(content));
    const projects = projectsOf(reading);
    const byName = new Map<string, Draft>();
    for (const { draft, folder, values } of projects) {
      byName.set(folder.slice(folder.lastIndexOf('/') + 1), draft);
      byName.set(text(values['name']), draft);
    }
    for (const { path } of reading.named('project.json'))
      if (reading.isUnreadable(path)) for (const { draft } of projects) reading.doubt(draft, path);
    for (const one of projects) link(reading, one, byName);
  },
};

function rootOf(reading: Reading, folder: string): string | null {
  return [folder, ...ancestors(folder)].find((above) => reading.files.has(pathFrom(above, 'nx.json') ?? '')) ?? null;
}

function projectsOf(reading: Reading): Project[] {
  return reading.named('project.json').flatMap(({ path, folder, text: content }) => {
    const root = rootOf(reading, folder);
    const draft = root === null ? null : reading.project(folder);
    const values = draft === null ? null : reading.parsed(path, () => strictJson(content));
    return root === null || draft === null || values === null ? [] : [{ path, folder, draft, values, root }];
  });
}

function link(reading: Reading, { path, folder, draft, values, root }: Project, byName: ReadonlyMap<string, Draft>): void {
  const said = texts(values['implicitDependencies']);
  const names = said.includes('*') ? [...byName.keys()] : said;
  for (const name of names) {
    const target = byName.get(name);
    if (target !== undefined && !said.includes(`!${name}`)) reading.depends(draft, target.name, path);
  }
  reading.depends(draft, shared(reading, root).name, path);
  if (!reading.files.has(pathFrom(folder, 'package.json') ?? ''))
    for (const file of ['package.json', 'package-lock.json', 'pnpm-lock.yaml', 'yarn.lock', 'bun.lock', 'bun.lockb']) {
      const at = pathFrom(root, file);
      if (at !== null && reading.named(file).some((one) => one.path === at)) reading.reads(draft, at, path);
    }
  for (const written of stringsIn(values)) {
    const target = written.includes('/') ? pathFrom(root, written.replace(/^!?\{workspaceRoot\}\//, '')) : null;
    const owner = target === null ? null : reading.owner(target);
    if (owner !== null && owner !== draft) reading.depends(draft, owner.name, path);
    else if (target !== null && owner === null && written.startsWith('{workspaceRoot}/')) reading.reads(draft, target, path);
  }
}

function shared(reading: Reading, root: string): Draft {
  const settings = pathFrom(root, 'nx.json') ?? 'nx.json';
  return reading.shared(`nx:${root}`, settings);
}

function stringsIn(value: unknown): string[] {
  if (typeof value === 'string') return [value];
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(stringsIn) : [];
}
