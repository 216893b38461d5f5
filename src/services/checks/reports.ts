import { createReadStream } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { join, posix, relative, sep } from 'node:path';
import type { ReadReport, ReportContent, ReportProblem } from '../../core/gates/contents.ts';
import type { FileCoverage } from '../../core/gates/coverage.ts';
import { mapForeignRoot, type Mapped, wholePath } from '../../core/gates/foreign-root.ts';
import { matchesAny } from '../../core/gates/glob.ts';
import type { ReportSpec } from '../../core/gates/specs.ts';
import type { ReadContext, ReportReader } from '../../ports/reports.ts';
import type { ReportFile } from './evidence.ts';

/** The files that a report's path stands for; `*` within the name of a file or folder. */
export async function reportFiles(folder: string, path: string): Promise<ReportFile[]> {
  let found = [''];
  for (const part of path.split('/').filter((one) => one !== '' && one !== '.')) {
    const next = await Promise.all(found.map(async (at) => (await namesLike(join(folder, at), part)).map((name) => posix.join(at, name))));
    found = next.flat();
  }
  const files = await Promise.all(
    found.map(async (name) => ((await isFile(join(folder, name))) ? [{ name, file: join(folder, name) }] : [])),
  );
  return files.flat();
}

async function namesLike(folder: string, part: string): Promise<string[]> {
  if (!part.includes('*')) return [part];
  const names = await readdir(folder).catch(() => []);
  return names.filter((name) => matchesAny(name, [part])).toSorted();
}

async function isFile(path: string): Promise<boolean> {
  return stat(path).then(
    (found) => found.isFile(),
    () => false,
  );
}

/** What tells whether a file has been written since: not the clock, whose steps are coarser than a fast check. */
export async function stampsOf(files: readonly ReportFile[]): Promise<Map<string, string>> {
  const stamps = await Promise.all(
    files.map(async ({ file }): Promise<[string, string]> => {
      const { ino, size, mtimeNs, ctimeNs } = await stat(file, { bigint: true });
      return [file, `${ino} ${size} ${mtimeNs} ${ctimeNs}`];
    }),
  );
  return new Map(stamps);
}

export interface Reading {
  readonly spec: ReportSpec;
  readonly check: string;
  /** None: it is missing. */
  readonly files: readonly ReportFile[];
  /** Found without reading it. */
  readonly problem: ReportProblem | null;
  /** Root of the tree the reports speak of. */
  readonly root: string;
  /** No command of the check made them. */
  readonly isFromElsewhere: boolean;
}

export interface ReadingContext extends ReadContext {
  readonly readers: readonly ReportReader[];
  /** Folder of the app in the workspace. */
  readonly appPath: string;
  /** Everything in the tree that was checked. */
  readonly isThere: (path: string) => Promise<boolean>;
  /** Files of the commit, in the whole workspace. */
  readonly files: ReadonlySet<string>;
  /** Its files were all there when it was kept; those that were made then need not be any more. */
  readonly isKept: boolean;
}

/** Read what was asked for; each file once. */
export async function readReports(reading: Reading, context: ReadingContext): Promise<ReadReport[]> {
  const { spec, check, files } = reading;
  const base = { format: spec.format, check, ...(reading.isFromElsewhere ? { isFromElsewhere: true } : {}) };
  if (reading.problem !== null) return [{ ...base, name: spec.path, problem: reading.problem }];
  if (files.length === 0)
    return [{ ...base, name: spec.path, problem: { kind: 'missing', message: `${check} did not write it, or nobody did.` } }];
  const reader = context.readers.find((one) => one.format === spec.format);
  return Promise.all(
    files.map(async ({ name, file }): Promise<ReadReport> => {
      if (reader === undefined) return { ...base, name, problem: { kind: 'damaged', message: `nothing here reads ${spec.format}.` } };
      const answer = await reader.read(createReadStream(file, { highWaterMark: 1 << 20 }), context);
      if ('problem' in answer) return { ...base, name, problem: answer.problem };
      const resolved = await resolvePaths(answer.content, reading, context);
      return { ...base, name, ...resolved };
    }),
  );
}

type Resolved = { readonly content: ReportContent; readonly note?: string } | { readonly problem: ReportProblem };

/** Paths as they stand in the workspace. A coverage report about files that are not there is about something else. */
async function resolvePaths(content: ReportContent, { spec, root }: Reading, context: ReadingContext): Promise<Resolved> {
  const find = pathFinder(root, context);
  if (content.kind === 'findings') {
    const findings = await Promise.all(
      content.findings.map(async (one) => ({ ...one, path: one.path === null ? null : ((await find(one.path, [])) ?? one.path) })),
    );
    return { content: { ...content, findings } };
  }
  if (content.kind !== 'coverage') return { content };
  const asked = content.files.filter((one) => !matchesAny(one.path, [...spec.ignore, '**/node_modules/**']));
  if (asked.length === 0) return { problem: { kind: 'empty', message: 'all of its files are ignored.' } };
  const here = await Promise.all(asked.map(async (one) => (await find(one.path, content.roots)) ?? (context.isKept ? one.path : null)));
  const lost = asked.filter((_, i) => here[i] === null);
  if (lost.length === 0) return { content: { ...content, files: asked.map((one, i) => ({ ...one, path: here[i] ?? one.path })) } };
  const mapped = mapForeignRoot(
    lost.map((one) => wholePaths(one.path, content.roots)),
    context.files,
    context.appPath,
  );
  if (mapped.kind !== 'mapped') return { problem: { kind: 'unresolvable', message: unresolvable(lost, mapped) } };
  const { root: foreign, paths } = mapped;
  const there = new Map(lost.map((one, i) => [one, paths[i] ?? one.path]));
  const files = asked.map((one, i) => ({ ...one, path: here[i] ?? there.get(one) ?? one.path }));
  return {
    content: { ...content, files },
    note: `${foreign.from === '' ? '/' : foreign.from} is read as ${foreign.to === '' ? 'the workspace' : foreign.to}.`,
  };
}

function wholePaths(path: string, roots: readonly string[]): string[] {
  return [path, ...roots.map((root) => `${root.replace(/[\\/]$/, '')}/${path}`)].flatMap((one) => wholePath(one) ?? []);
}

function unresolvable(lost: readonly FileCoverage[], mapped: Mapped): string {
  const some = [...new Set(lost.map((one) => one.path))];
  const which = `${some.slice(0, 3).join(', ')}${some.length > 3 ? ` and ${some.length - 3} more` : ''}.`;
  const could =
    mapped.kind === 'ambiguous'
      ? ` They could be of ${mapped.roots.map(({ to }) => (to === '' ? 'the workspace' : to)).join(' or ')}.`
      : '';
  return `${which}${could} Name them in the report's ignore if they belong to no source.`;
}

function pathFinder(
  root: string,
  { appPath, isThere }: ReadingContext,
): (path: string, roots: readonly string[]) => Promise<string | null> {
  const known = new Map<string, Promise<string | null>>();
  const inside = (path: string): string | null => {
    const plain = path.replaceAll('\\', '/');
    const from = relative(root, plain).split(sep).join('/');
    if (plain.startsWith('/')) return from.startsWith('../') || from === '' ? null : from;
    const normal = posix.normalize(plain);
    return normal.startsWith('../') || normal === '.' ? null : normal;
  };
  const look = async (path: string, roots: readonly string[]): Promise<string | null> => {
    const isWhole = path.startsWith('/');
    const candidates = isWhole
      ? [path]
      : [posix.join(appPath, path), ...roots.map((one) => posix.join(one.startsWith('/') ? one : posix.join(appPath, one), path)), path];
    for (const candidate of candidates) {
      const one = inside(candidate);
      if (one !== null && (await isThere(one))) return one;
    }
    return null;
  };
  return (path, roots) => {
    const key = `${path}\0${roots.length}`;
    const found = known.get(key) ?? look(path, roots);
    known.set(key, found);
    return found;
  };
}
