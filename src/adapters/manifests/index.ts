import type { Manifests } from '../../ports/manifests.ts';

/** Every file that any reader asks for by name; a test compares it with them. */
const NAMES: readonly string[] = [
  'package.json',
  'pnpm-workspace.yaml',
  'package-lock.json',
  'npm-shrinkwrap.json',
  'pnpm-lock.yaml',
  'yarn.lock',
  'bun.lock',
  'pyproject.toml',
  'requirements*.txt',
  'requirements*.in',
  'uv.lock',
  'poetry.lock',
  'go.mod',
  'go.sum',
  'go.work',
  'go.work.sum',
  'Cargo.toml',
  'Cargo.lock',
  'tsconfig*.json',
  'jsconfig.json',
  'Dockerfile',
  'Dockerfile.*',
  '*.Dockerfile',
  '*.dockerfile',
  'Containerfile',
  'Makefile',
  'makefile',
  'GNUmakefile',
];

/** Finds projects by reading manifests. The readers and their parsers are loaded when there is something to read. */
export const manifestReaders: Manifests = {
  names: NAMES,
  graph: async (files, folders) => (await import('./readers.ts')).readGraph(files, folders),
};
