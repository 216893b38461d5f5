import { matchesPattern } from '../../core/text/glob.ts';
import { isPattern } from '../../core/changes/project.ts';
import type { Manifests } from '../../ports/manifests.ts';
import type { Reader } from './draft.ts';

/** One kind of manifest; its reader, with its parsers, is loaded when there is something to read. */
interface Kind {
  /** What the reader itself asks for by name; a test compares them. */
  readonly names: readonly string[];
  /** Of these, the lockfiles. */
  readonly locks?: readonly string[];
  load(): Promise<Reader>;
}

/** Every kind of manifest that is understood; TypeScript after Node, as it asks for what that found. */
export const kinds: readonly Kind[] = [
  {
    names: [
      'package.json',
      'pnpm-workspace.yaml',
      'package-lock.json',
      'npm-shrinkwrap.json',
      'pnpm-lock.yaml',
      'yarn.lock',
      'bun.lock',
      'bun.lockb',
    ],
    locks: ['package-lock.json', 'npm-shrinkwrap.json', 'pnpm-lock.yaml', 'yarn.lock', 'bun.lock', 'bun.lockb'],
    load: async () => (await import('./node.ts')).nodeReader,
  },
  {
    names: [
      'pyproject.toml',
      'setup.py',
      'setup.cfg',
      'requirements*.txt',
      'requirements*.in',
      'uv.lock',
      'poetry.lock',
      'pdm.lock',
      'Pipfile.lock',
      'pylock.toml',
    ],
    locks: ['uv.lock', 'poetry.lock', 'pdm.lock', 'Pipfile.lock', 'pylock.toml'],
    load: async () => (await import('./python.ts')).pythonReader,
  },
  {
    names: ['go.mod', 'go.sum', 'go.work', 'go.work.sum'],
    locks: ['go.sum', 'go.work.sum'],
    load: async () => (await import('./go.ts')).goReader,
  },
  { names: ['Cargo.toml', 'Cargo.lock'], locks: ['Cargo.lock'], load: async () => (await import('./cargo.ts')).cargoReader },
  { names: ['project.json', 'nx.json'], load: async () => (await import('./nx.ts')).nxReader },
  { names: ['tsconfig*.json', 'jsconfig.json'], load: async () => (await import('./typescript.ts')).typescriptReader },
  {
    names: ['Dockerfile', 'Dockerfile.*', '*.Dockerfile', '*.dockerfile', 'Containerfile'],
    load: async () => (await import('./docker.ts')).dockerReader,
  },
  { names: ['Makefile', 'makefile', 'GNUmakefile'], load: async () => (await import('./make.ts')).makeReader },
];

const NONE: ReadonlyMap<string, string> = new Map();

/** Finds projects by reading manifests. */
export const manifestReaders: Manifests = {
  names: kinds.flatMap((kind) => kind.names),
  locks: kinds.flatMap((kind) => kind.locks ?? []),
  async graph(files, folders, broken = NONE) {
    const there = [...new Set([...files.keys()].map((path) => path.slice(path.lastIndexOf('/') + 1)))];
    const needed = kinds.filter(({ names }) => names.some((name) => has(there, name)));
    const [{ readGraph }, ...readers] = await Promise.all([import('./readers.ts'), ...needed.map((kind) => kind.load())]);
    return readGraph(readers, files, folders, broken);
  },
};

function has(there: readonly string[], name: string): boolean {
  return isPattern(name) ? there.some((one) => matchesPattern(one, name)) : there.includes(name);
}
