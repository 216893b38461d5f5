import { describe, expect, test, vi } from 'vitest';
import { type Delta, repositoryOf } from '../../../test/worlds/repository.ts';
import { declaredAnywhere, foldersOf, inputsOfAll } from '../../services/planning/declared.ts';
import { sha256Hex } from '../../services/planning/digest.ts';
import type { Config } from '../../config/schema/workspace.ts';
import { affectedBy, indexOf } from '../../core/changes/affected.ts';
import type { ProjectGraph } from '../../core/changes/project.ts';
import { fingerprintsOf, manifestsAt, type Readers, withApps } from '../../services/affected/workspace.ts';
import { gitHistory } from '../source/history.ts';
import { manifestReaders } from './index.ts';

// Hundreds of commits, each read by real processes, on a machine that may be busy.
vi.setConfig({ testTimeout: 600_000 });

const SEEDS = [1, 2, 3, 4];
const COMMITS = 130;

/** A small monorepo as an idea; `render` makes files of it, `identity` says what a project of it is made from. */
interface Model {
  readonly projects: Map<
    string,
    { folder: string; sources: Map<string, number>; needs: Set<string>; takes: Set<string>; extendsBase: boolean }
  >;
  readonly packages: Map<string, { version: number; needs: Set<string> }>;
  readonly apps: Map<string, { project: string; command: number; needs: Set<string> }>;
  readonly shared: Map<string, number>;
  next: number;
}

function random(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

function begin(below: (n: number) => number): Model {
  const model: Model = {
    projects: new Map(),
    packages: new Map(),
    apps: new Map(),
    shared: new Map([
      ['.nvmrc', 0],
      ['tsconfig.base.json', 0],
      ['README.md', 0],
    ]),
    next: 0,
  };
  for (let i = 0; i < 12; i += 1)
    model.packages.set(`ext${i}`, { version: 0, needs: new Set(i === 0 ? [] : [`ext${below(i)}`, `ext${below(12)}`]) });
  for (let i = 0; i < 18; i += 1) addProject(model, below);
  for (const [i, project] of [...model.projects.keys()].entries())
    if (i % 3 === 0) model.apps.set(`app-${project}`, { project, command: 0, needs: new Set() });
  return model;
}

function addProject(model: Model, below: (n: number) => number): void {
  const name = `p${model.next}`;
  model.next += 1;
  const known = [...model.projects.keys()];
  const needs = new Set(known.length === 0 ? [] : [known[below(known.length)] ?? '']);
  model.projects.set(name, {
    folder: `packages/${name}`,
    sources: new Map([['index.js', 0]]),
    needs,
    takes: new Set([`ext${below(12)}`]),
    extendsBase: below(3) === 0,
  });
}

/** One random change, sometimes one that changes nothing that anybody is made from. */
function mutate(model: Model, below: (n: number) => number): void {
  const pick = <T>(all: Iterable<T>): T => {
    const list = [...all];
    return list[below(list.length)] as T;
  };
  const project = pick(model.projects.values());
  const turn = below(20);
  if (turn < 9) project.sources.set(`file${below(4)}.js`, below(1000));
  else if (turn < 10) project.sources.delete(pick(project.sources.keys()));
  else if (turn < 11) toggle(project.needs, pick(model.projects.keys()));
  else if (turn < 12) toggle(project.takes, `ext${below(12)}`);
  else if (turn < 14) pick(model.packages.values()).version += 1;
  else if (turn < 15) toggle(pick(model.packages.values()).needs, `ext${below(12)}`);
  else if (turn < 16) addProject(model, below);
  else if (turn < 17) project.folder = `packages/moved${(model.next += 1)}`;
  else if (turn < 18) pick(model.apps.values()).command += 1;
  else if (turn < 19) remove(model, pick(model.projects.keys()));
  else model.shared.set(pick(['README.md', 'README.md', 'tsconfig.base.json', '.nvmrc']), below(1000));
}

function toggle(set: Set<string>, value: string): void {
  if (!set.delete(value)) set.add(value);
}

function remove(model: Model, name: string): void {
  if (model.projects.size < 8 || [...model.apps.values()].some((app) => app.project === name)) return;
  model.projects.delete(name);
  for (const other of model.projects.values()) other.needs.delete(name);
}

function configOf(model: Model): Config {
  return {
    workspace: 'model',
    apps: Object.fromEntries(
      [...model.apps].map(([app, { project, command }]) => [
        app,
        { path: model.projects.get(project)?.folder ?? '', build: `make v${command}`, run: 'x' },
      ]),
    ),
  };
}

function render(model: Model): Record<string, string> {
  const files: Record<string, string> = {
    'package.json': JSON.stringify({ name: 'root', workspaces: ['packages/*'] }),
    'sluice.config.json': JSON.stringify(configOf(model)),
  };
  for (const [path, value] of model.shared) files[path] = path.endsWith('.json') ? JSON.stringify({ value }) : `${value}`;
  const packages: Record<string, object> = { '': {} };
  for (const [name, { version, needs }] of model.packages)
    packages[`node_modules/${name}`] = {
      version: `${version}.0.0`,
      integrity: `sha-${name}-${version}`,
      dependencies: Object.fromEntries([...needs].map((need) => [need, '*'])),
    };
  for (const [name, { folder, sources, needs, takes, extendsBase }] of model.projects) {
    packages[`node_modules/${name}`] = { resolved: folder, link: true };
    files[`${folder}/package.json`] = JSON.stringify({
      name,
      dependencies: Object.fromEntries([...needs, ...takes].map((need) => [need, '*'])),
    });
    for (const [file, value] of sources) files[`${folder}/${file}`] = `${value}`;
    if (extendsBase) files[`${folder}/tsconfig.json`] = '{"extends":"../../tsconfig.base.json"}';
  }
  files['package-lock.json'] = JSON.stringify({ lockfileVersion: 3, packages });
  return files;
}

/** Everything that a project reaches, by the plainest means: written down in full. */
function identity(model: Model, name: string): string {
  const seen = new Set<string>();
  const packages = new Set<string>();
  const open = [name];
  for (let at = open.pop(); at !== undefined; at = open.pop()) {
    const project = model.projects.get(at);
    if (project === undefined || seen.has(at)) continue;
    seen.add(at);
    open.push(...project.needs);
    const outside = [...project.takes];
    for (let one = outside.pop(); one !== undefined; one = outside.pop()) {
      if (packages.has(one)) continue;
      packages.add(one);
      outside.push(...(model.packages.get(one)?.needs ?? []));
    }
  }
  const bases = [...seen].some((one) => model.projects.get(one)?.extendsBase) ? model.shared.get('tsconfig.base.json') : null;
  const contents = [...seen].toSorted().map((one) => {
    const project = model.projects.get(one);
    return [
      one,
      project?.folder,
      [...(project?.sources ?? [])].map(String).toSorted(),
      [...(project?.needs ?? [])].toSorted(),
      [...(project?.takes ?? [])].toSorted(),
      project?.extendsBase,
    ];
  });
  const locked = [...packages]
    .toSorted()
    .map((one) => [one, model.packages.get(one)?.version, [...(model.packages.get(one)?.needs ?? [])].toSorted()]);
  return JSON.stringify([contents, locked, bases, model.shared.get('.nvmrc')]);
}

function identities(model: Model): Map<string, string> {
  const found = new Map<string, string>();
  for (const [name, { folder }] of model.projects) found.set(folder, identity(model, name));
  for (const [app, { project, command }] of model.apps) found.set(`app:${app}`, JSON.stringify([identity(model, project), command]));
  return found;
}

function deltaOf(before: Record<string, string>, after: Record<string, string>): Delta {
  const delta: Record<string, string | null> = {};
  for (const path of Object.keys(before)) if (after[path] === undefined) delta[path] = null;
  for (const [path, content] of Object.entries(after)) if (before[path] !== content) delta[path] = content;
  return delta;
}

interface Moment {
  readonly files: Record<string, string>;
  readonly config: Config;
  readonly identities: ReadonlyMap<string, string>;
}

function story(seed: number): Moment[] {
  const below = random(seed);
  const model = begin(below);
  const moments: Moment[] = [];
  for (let i = 0; i < COMMITS; i += 1) {
    if (i > 0) for (let change = below(2); change >= 0; change -= 1) mutate(model, below);
    moments.push({ files: render(model), config: configOf(model), identities: identities(model) });
  }
  return moments;
}

async function graphAt(readers: Readers, at: string, config: Config): Promise<ProjectGraph> {
  const declared = declaredAnywhere(config);
  const { projects } = await manifestsAt(readers, at, foldersOf(declared));
  return withApps(projects, declared, inputsOfAll(config, ['production']));
}

function differing(before: ReadonlyMap<string, string>, after: ReadonlyMap<string, string>): string[] {
  const isShown = (name: string): boolean => !name.includes(':') || name.startsWith('app:');
  return [...after].flatMap(([name, value]) => (isShown(name) && before.get(name) !== value ? [name] : [])).toSorted();
}

describe('what fingerprints select is what changed files and the closure of dependencies select', () => {
  test.each(SEEDS)(`on ${COMMITS} commits of random history %i`, async (seed) => {
    const moments = story(seed);
    const repository = repositoryOf(
      moments.map((moment, i) => deltaOf(moments[i - 1]?.files ?? {}, moment.files)),
      { checkout: false },
    );
    try {
      expect(repository.commits).toHaveLength(COMMITS);
      const readers: Readers = { history: gitHistory({ dir: repository.dir }), manifests: manifestReaders };
      let before: { graph: ProjectGraph; prints: ReadonlyMap<string, string> } | null = null;
      for (const [i, moment] of moments.entries()) {
        const at = repository.commits[i] ?? '';
        const graph = await graphAt(readers, at, moment.config);
        const [prints, changed] = await Promise.all([
          fingerprintsOf(readers.history, at, graph, sha256Hex),
          i === 0 ? [] : readers.history.changed(repository.commits[i - 1] ?? '', at),
        ]);
        if (before !== null) {
          const byDiff = affectedBy(
            indexOf(graph),
            indexOf(before.graph),
            changed.map(({ path }) => path),
          ).names;
          const selected = [...byDiff].filter((name) => !name.includes(':') || name.startsWith('app:')).toSorted();
          expect(differing(before.prints, prints)).toEqual(selected);
          expect(selected).toEqual(differing(moments[i - 1]?.identities ?? new Map(), moment.identities));
        }
        before = { graph, prints };
      }
    } finally {
      repository.end();
    }
  });
});
