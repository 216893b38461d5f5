import { isMap, isNode, isPair, isScalar, isSeq, LineCounter, parseDocument } from 'yaml';
import type { Mistake, Problem } from './problems.ts';
import { formatPath } from './problems.ts';

export type Locate = (mistake: Mistake) => Problem;

/** For formats whose places are not known. */
export function locateByPath(file: string): Locate {
  return (mistake) => problem(file, mistake, null, null);
}

export interface ParsedText {
  readonly value: unknown;
  readonly locate: Locate;
  /** Mistakes of the notation itself; when there are any, `value` means nothing. */
  readonly problems: readonly Problem[];
}

/** YAML or JSON text as a value, and a way to say where in the text each of its parts stands. */
export function parseText(file: string, text: string, kind: 'json' | 'yaml'): ParsedText {
  const lines = new LineCounter();
  // Every JSON text is YAML too, and this parser keeps the places.
  const document = documentOf(text, lines);
  if (typeof document === 'string')
    return { value: null, locate: locateByPath(file), problems: [problem(file, { path: [], message: document }, null, null)] };
  const at = (offset: number): { line: number; col: number } => lines.linePos(offset);
  const strict = kind === 'json' ? strictJsonProblem(file, text) : null;
  const loose = document.errors.map((error) => {
    const { line, col } = at(error.pos[0]);
    return problem(file, { path: [], message: `${error.message}.`.replace(/\.+$/, '.') }, line, col);
  });
  const problems = strict === null ? loose : [strict];
  const locate: Locate = (mistake) => {
    const offset = offsetOf(document.contents, mistake.path);
    if (offset === null) return problem(file, mistake, null, null);
    const { line, col } = at(offset);
    return problem(file, mistake, line, col);
  };
  if (problems.length > 0) return { value: null, locate, problems };
  const value = valueOf(document);
  return 'why' in value
    ? { value: null, locate, problems: [problem(file, { path: [], message: value.why }, null, null)] }
    : { ...value, locate, problems };
}

/** The document, or why there is none: the parser walks nested data by calling itself. */
function documentOf(text: string, lineCounter: LineCounter): ReturnType<typeof parseDocument> | string {
  try {
    return parseDocument(text, { lineCounter, prettyErrors: false, uniqueKeys: true, logLevel: 'silent' });
  } catch (error) {
    return `cannot be read: ${error instanceof RangeError ? 'lists and objects lie too deep in each other' : String(error)}.`;
  }
}

/** What it says. Aliases of aliases, which can stand for more than fits into memory, are no configuration. */
function valueOf(document: ReturnType<typeof parseDocument>): { readonly value: unknown } | { readonly why: string } {
  try {
    return { value: document.toJS({ maxAliasCount: 100 }) };
  } catch (error) {
    return { why: `cannot be read: ${error instanceof ReferenceError ? 'its aliases (*name) stand for too much' : String(error)}.` };
  }
}

function strictJsonProblem(file: string, text: string): Problem | null {
  try {
    JSON.parse(text);
    return null;
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    const position = /position (\d+)/.exec(message);
    const before = position === null ? null : text.slice(0, Number(position[1])).split('\n');
    return problem(
      file,
      { path: [], message: `not JSON: ${message.replace(/ in JSON at position.*| at position.*/, '')}.` },
      before?.length ?? null,
      before === null ? null : (before.at(-1) ?? '').length + 1,
    );
  }
}

/** Where the key (or the list's item) stands; for something missing, where it would belong. */
function offsetOf(root: unknown, path: readonly PropertyKey[]): number | null {
  let node = root;
  let offset = start(root);
  for (const part of path) {
    if (isMap(node)) {
      const pair = node.items.find(
        (item) => isPair(item) && (isScalar(item.key) ? String(item.key.value) : String(item.key)) === String(part),
      );
      if (pair === undefined) return offset;
      offset = start(pair.key) ?? offset;
      node = pair.value;
    } else if (isSeq(node)) {
      node = node.items[Number(part)];
      if (node === undefined) return offset;
      offset = start(node) ?? offset;
    } else return offset;
  }
  return offset;
}

function start(node: unknown): number | null {
  return isNode(node) ? (node.range?.[0] ?? null) : null;
}

function problem(file: string, mistake: Mistake, line: number | null, column: number | null): Problem {
  return { file, line, column, path: formatPath(mistake.path), message: mistake.message, suggestion: mistake.suggestion ?? null };
}
