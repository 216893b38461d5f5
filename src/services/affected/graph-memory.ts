import { mkdirSync, readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Edge, Input, Project } from '../../core/changes/project.ts';
import type { GraphMemory, ManifestState } from './workspace.ts';
import { writeWhole } from '../../lib/whole-file.ts';

/** Begins every file that is kept; another number is as good as no file. */
const FORMAT = 4;

/**
 * Everything in few long lists, as that is read and written fastest. Names stand in one list, those of projects first and
 * in their order; elsewhere they are numbers.
 */
type Kept = readonly [
  format: number,
  version: string,
  at: string,
  detail: ManifestState['detail'],
  folders: readonly string[],
  others: readonly string[],
  unreadable: ManifestState['unreadable'],
  names: readonly string[],
  /** Of each project: how many edges, then the name and the file of each; how many inputs, then the path and the file of each. */
  links: readonly number[],
  /** Number of a project, its path, lock and settings; of those whose path is their name and that have neither, nothing. */
  own: readonly (readonly [number, string, string, string])[],
  projects: number,
  /** Projects that do not have all of their folder, and inputs that do not count in whole: number of the project, `except` of each. */
  apart: readonly (readonly [number, readonly string[] | null, readonly (readonly string[] | null)[]])[],
];

/** Keeps the last graph in a file. What cannot be read, or was written by another version of Sluice, is no graph. */
export function fileGraphMemory({ file, version }: { readonly file: string; readonly version: string }): GraphMemory {
  let last: ManifestState | null = null;
  return {
    recall: () => Promise.resolve((last ??= readKept(file, version))),
    keep(state) {
      last = state;
      try {
        mkdirSync(dirname(file), { recursive: true });
        writeWhole(file, JSON.stringify(pack(state, version)));
      } catch {
        // A disk that is full or may not be written only makes the next time slower.
      }
      return Promise.resolve();
    },
  };
}

function readKept(file: string, version: string): ManifestState | null {
  try {
    const kept = JSON.parse(readFileSync(file, 'utf8')) as Kept;
    return kept[0] === FORMAT && kept[1] === version ? unpack(kept) : null;
  } catch {
    return null;
  }
}

function pack({ at, detail, folders, others, projects, unreadable }: ManifestState, version: string): Kept {
  const numbers = new Map<string, number>();
  for (const name of projects.keys()) numbers.set(name, numbers.size);
  const number = (name: string): number => {
    const known = numbers.get(name);
    if (known !== undefined) return known;
    numbers.set(name, numbers.size);
    return numbers.size - 1;
  };
  const links: number[] = [];
  const own: [number, string, string, string][] = [];
  const apart: [number, readonly string[] | null, (readonly string[] | null)[]][] = [];
  let place = 0;
  for (const [name, { path, except, edges, inputs, lock, settings }] of projects) {
    links.push(edges.length);
    for (const { to, via } of edges) links.push(number(to), number(via));
    links.push(inputs.length);
    for (const input of inputs) links.push(number(input.path), number(input.via));
    if (path !== name || lock !== '' || settings !== '') own.push([place, path, lock, settings]);
    if (except !== undefined || inputs.some((input) => input.except !== undefined))
      apart.push([place, except ?? null, inputs.map((input) => input.except ?? null)]);
    place += 1;
  }
  return [FORMAT, version, at, detail, folders, [...others], unreadable, [...numbers.keys()], links, own, projects.size, apart];
}

function unpack([, , at, detail, folders, others, unreadable, names, links, own, count, apart]: Kept): ManifestState {
  let read = 0;
  const next = (): number => links[read++] ?? -1;
  const name = (number: number): string => names[number] ?? '';
  /** Thousands depend on the same few by the same file: the last edge to each, and the number of its file. */
  const known = Array.from<Edge | undefined>({ length: names.length });
  const vias = new Int32Array(names.length);
  const edge = (to: number, via: number): Edge => {
    const other = known[to];
    if (other !== undefined && vias[to] === via) return other;
    vias[to] = via;
    return (known[to] = { to: name(to), via: name(via) });
  };
  const inputsOf = (many: number): readonly Input[] => {
    if (many <= 0) return NONE;
    return Array.from({ length: many }, () => ({ path: name(next()), via: name(next()) }));
  };
  let special = 0;
  const projects = new Map<string, Project>();
  for (let place = 0; place < count; place += 1) {
    const title = names[place] ?? '';
    const edges: Edge[] = [];
    for (let more = next(); more > 0; more -= 1) edges.push(edge(next(), next()));
    const inputs = inputsOf(next());
    const told = own[special]?.[0] === place ? own[special++] : undefined;
    if (told === undefined) projects.set(title, { path: title, edges, inputs, lock: '', settings: '' });
    else projects.set(title, { path: told[1], edges, inputs, lock: told[2], settings: told[3] });
  }
  for (const [number, except, ofInputs] of apart) {
    const project = projects.get(names[number] ?? '');
    if (project === undefined) continue;
    const inputs = project.inputs.map((input, i) => ({ ...input, ...(ofInputs[i] == null ? {} : { except: ofInputs[i] }) }));
    projects.set(names[number] ?? '', { ...project, inputs, ...(except === null ? {} : { except }) });
  }
  return { at, detail, folders, others: new Set(others), projects, unreadable };
}

const NONE: readonly Input[] = [];
