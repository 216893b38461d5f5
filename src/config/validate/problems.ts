import type { z } from 'zod';
import { didYouMean } from '../../core/text/did-you-mean.ts';
import { UserError } from '../../core/errors.ts';
import { KEYS } from '../schema/parts.ts';

/** One mistake in the configuration. */
export interface Problem {
  /** File it is in, relative to the workspace. */
  readonly file: string;
  /** From 1; null where the file's format does not tell. */
  readonly line: number | null;
  readonly column: number | null;
  /** Where in the configuration: `apps.web.strategy.steps[1]`. */
  readonly path: string;
  /** What is wrong, what was found, and what is allowed: one sentence or two. */
  readonly message: string;
  /** What was probably meant, null when nothing comes close. */
  readonly suggestion: string | null;
}

/** A mistake before it is known where in the file it stands. */
export interface Mistake {
  readonly path: readonly PropertyKey[];
  readonly message: string;
  readonly suggestion?: string | null;
}

/** `CONFIG_INVALID`: all the mistakes of one file. */
export class ConfigError extends UserError {
  readonly problems: readonly Problem[];
  constructor(problems: readonly Problem[]) {
    const [first] = problems;
    const count = problems.length === 1 ? 'a mistake' : `${problems.length} mistakes`;
    super(
      'CONFIG_INVALID',
      `${first?.file ?? 'The configuration'} has ${count}:\n${problems.map((problem) => `  ${formatProblem(problem)}`).join('\n')}`,
      'docs/config.md explains every option.',
    );
    this.problems = problems;
  }
  static override [Symbol.hasInstance](value: unknown): boolean {
    return super[Symbol.hasInstance](value) && (value as UserError).code === 'CONFIG_INVALID';
  }
}

/** `sluice.config.yaml:12:5 apps.web.path: …` */
function formatProblem(problem: Problem): string {
  const place = problem.line === null ? problem.file : `${problem.file}:${problem.line}:${problem.column ?? 1}`;
  const meant = problem.suggestion === null ? '' : ` Did you mean "${problem.suggestion}"?`;
  return `${place} ${problem.path === '' ? '' : `${problem.path}: `}${problem.message}${meant}`;
}

/** `['apps', 'web', 'steps', 1]` → `apps.web.steps[1]` */
export function formatPath(path: readonly PropertyKey[]): string {
  return path
    .map((part, i) => {
      if (typeof part === 'number') return `[${part}]`;
      const name = String(part);
      if (!/^[A-Za-z_$][\w$-]*$/.test(name)) return `[${JSON.stringify(name)}]`;
      return i === 0 ? name : `.${name}`;
    })
    .join('');
}

/** Everything zod found, in words; unions are followed into the form that was meant. */
export function mistakesOf(error: z.ZodError, value: unknown): Mistake[] {
  const mistakes = error.issues.flatMap((issue) => explain(issue, value, []));
  const holdUnknown = new Set(
    mistakes.filter((mistake) => mistake.message.startsWith(UNKNOWN_KEY)).map((mistake) => formatPath(mistake.path.slice(0, -1))),
  );
  // An object with a misspelt key need not be told as well that it says nothing.
  return mistakes.filter((mistake) => mistake.message.startsWith(UNKNOWN_KEY) || !holdUnknown.has(formatPath(mistake.path)));
}

const UNKNOWN_KEY = 'unknown key; ';

type Issue = z.core.$ZodIssue;

function explain(issue: Issue, root: unknown, base: readonly PropertyKey[]): Mistake[] {
  const path = [...base, ...issue.path];
  const found = valueAt(root, path);
  if (issue.code === 'unrecognized_keys') {
    const known = issue.message.startsWith(KEYS) ? issue.message.slice(KEYS.length).split(', ') : [];
    return issue.keys.map((key) => ({
      path: [...path, key],
      message: `${UNKNOWN_KEY}allowed: ${known.join(', ')}.`,
      suggestion: didYouMean(key, known),
    }));
  }
  if (issue.code === 'invalid_key') {
    const allowed = issue.issues[0]?.message ?? 'another name';
    return [{ path, message: `found the name ${say(path.at(-1))}; allowed: ${allowed}.` }];
  }
  if (issue.code === 'invalid_union') {
    const branch = meantBranch(issue, found);
    if (branch !== null) return branch.flatMap((inner) => explain(inner, root, path));
  }
  if (found === undefined) return [{ path, message: `is missing; needed: ${issue.message}.` }];
  const candidates = [...issue.message.matchAll(/"([^"]+)"/g)].map((match) => match[1] ?? '');
  const suggestion = typeof found === 'string' && /^("[^"]+"(, |$))+/.test(issue.message) ? didYouMean(found, candidates) : null;
  // A variable may hold a secret: only its kind is said.
  const words = path.includes('env') && typeof found !== 'object' ? `a ${typeof found}` : say(found);
  return [{ path, message: `found ${words}; allowed: ${issue.message}.`, suggestion }];
}

/** Issues of the form the value looks like; null when it looks like none (then the union's own text says all). */
function meantBranch(issue: z.core.$ZodIssueInvalidUnion, found: unknown): readonly Issue[] | null {
  const inside = issue.errors.filter((issues) =>
    issues.every((inner) => inner.path.length > 0 || inner.code === 'unrecognized_keys' || (inner.code === 'custom' && isList(found))),
  );
  const [best = null] = inside.filter((issues) => issues.length > 0).toSorted((a, b) => a.length - b.length);
  return best;
}

function isList(value: unknown): boolean {
  return typeof value === 'object' && value !== null;
}

export function valueAt(root: unknown, path: readonly PropertyKey[]): unknown {
  let value = root;
  for (const part of path) {
    if (typeof value !== 'object' || value === null) return undefined;
    value = Reflect.get(value, part);
  }
  return value;
}

/** What was found, short enough for one line. */
function say(value: unknown): string {
  if (Array.isArray(value)) return value.length === 0 ? 'an empty list' : `a list of ${value.length}`;
  if (typeof value === 'object' && value !== null) {
    const keys = Object.keys(value);
    return keys.length === 0 ? 'an empty object' : `an object with ${keys.slice(0, 5).join(', ')}${keys.length > 5 ? ', …' : ''}`;
  }
  if (typeof value === 'string') return JSON.stringify(value.length > 60 ? `${value.slice(0, 57)}...` : value);
  return String(value);
}
