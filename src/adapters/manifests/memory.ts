import { mkdir, readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Project } from '../../core/changes/project.ts';
import type { GraphMemory, ManifestState } from '../../core/changes/workspace.ts';
import { writeAtomic } from '../_shared/atomic-file.ts';

/** Begins every file that is kept; another number is as good as no file. */
const FORMAT = 2;

/** Names by number, as most of a graph is the same few names again and again. */
type Kept = readonly [
  format: number,
  version: string,
  at: string,
  detail: ManifestState['detail'],
  folders: readonly string[],
  files: readonly (readonly [string, string | null])[],
  projects: readonly KeptProject[],
  unreadable: ManifestState['unreadable'],
  names: readonly string[],
];
type KeptProject = readonly [
  name: string,
  path: string,
  edges: readonly number[],
  inputs: readonly number[],
  lock: string,
  settings: string,
];

/** Keeps the last graph in a file. What cannot be read, or was written by another version of Sluice, is no graph. */
export function fileGraphMemory({ file, version }: { readonly file: string; readonly version: string }): GraphMemory {
  let last: ManifestState | null = null;
  return {
    async recall() {
      return (last ??= await readKept(file, version));
    },
    async keep(state) {
      last = state;
      try {
        await mkdir(dirname(file), { recursive: true });
        await writeAtomic(file, JSON.stringify(pack(state, version)));
      } catch {
        // A disk that is full or may not be written only makes the next time slower.
      }
    },
  };
}

async function readKept(file: string, version: string): Promise<ManifestState | null> {
  try {
    const kept = JSON.parse(await readFile(file, 'utf8')) as Kept;
    return kept[0] === FORMAT && kept[1] === version ? unpack(kept) : null;
  } catch {
    return null;
  }
}

function pack(state: ManifestState, version: string): Kept {
  const numbers = new Map<string, number>();
  const number = (name: string): number => {
    const known = numbers.get(name);
    if (known !== undefined) return known;
    numbers.set(name, numbers.size);
    return numbers.size - 1;
  };
  const projects = [...state.projects].map(([name, { path, edges, inputs, lock, settings }]): KeptProject => [
    name,
    path === name ? '' : path,
    edges.flatMap(({ to, via }) => [number(to), number(via)]),
    inputs.flatMap((input) => [number(input.path), number(input.via)]),
    lock,
    settings,
  ]);
  return [FORMAT, version, state.at, state.detail, state.folders, [...state.files], projects, state.unreadable, [...numbers.keys()]];
}

function unpack([, , at, detail, folders, files, projects, unreadable, names]: Kept): ManifestState {
  const name = (number: number | undefined): string => names[number ?? -1] ?? '';
  const graph = new Map<string, Project>();
  for (const [own, path, edges, inputs, lock, settings] of projects) {
    const project = {
      path: path === '' ? own : path,
      edges: pairs(edges, (to, via) => ({ to: name(to), via: name(via) })),
      inputs: pairs(inputs, (input, via) => ({ path: name(input), via: name(via) })),
      lock,
      settings,
    };
    graph.set(own, project);
  }
  return { at, detail, folders, files: new Map(files), projects: graph, unreadable };
}

function pairs<T>(numbers: readonly number[], make: (a: number | undefined, b: number | undefined) => T): T[] {
  const made: T[] = [];
  for (let i = 0; i < numbers.length; i += 2) made.push(make(numbers[i], numbers[i + 1]));
  return made;
}
