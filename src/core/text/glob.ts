/*
 * Globs are matched by all of their possibilities at once, letter by letter: the time is at most the length of the path times that of the
 * pattern. Compiled to a RegExp, a pattern like a*a*a*a*b takes time that grows with a power of the path's length, because a RegExp tries one
 * possibility after the other.
 */

/** Whether a path matches a pattern: `*` within one folder name, `**` across folders, `?` one letter, `{a,b}` either. */
export function matchesPattern(path: string, pattern: string): boolean {
  return matcherOf(pattern, { braces: true }).matches(path);
}

/** As `matchesPattern`, where braces are letters. */
export function matchesPlainPattern(path: string, pattern: string): boolean {
  return matcherOf(pattern, { braces: false }).matches(path);
}

/** Whether a text matches a pattern in which `*` stands for any text. */
export function matchesWildcard(text: string, pattern: string): boolean {
  return matcherOf(pattern.replaceAll(/\*+/g, '**'), { braces: false, isText: true }).matches(text);
}

/** The folder that all matches of a pattern lie below: `a/b/*.ts` → `a/b`. */
export function fixedFolder(pattern: string): string {
  const parts = pattern.split('/');
  const first = parts.findIndex((part) => /[*?{]/.test(part));
  const fixed = parts.slice(0, first < 0 ? -1 : first);
  return fixed.length === 0 ? '.' : fixed.join('/');
}

interface Dialect {
  readonly braces: boolean;
  /** Only `**` is special: texts have no folders. */
  readonly isText?: boolean;
}

interface Matcher {
  matches(path: string): boolean;
}

const known = new Map<string, Matcher>();
/** Patterns come from configurations and manifests; far more than a workspace has are not kept. */
const MOST_KNOWN = 10_000;

function matcherOf(pattern: string, dialect: Dialect): Matcher {
  const key = `${dialect.braces ? 'b' : dialect.isText === true ? 't' : 'p'}${pattern}`;
  const found = known.get(key);
  if (found !== undefined) return found;
  if (known.size >= MOST_KNOWN) known.clear();
  const made = compiled(dialect.isText === true ? pattern : pattern.replace(/^\.\//, ''), dialect);
  known.set(key, made);
  return made;
}

/** What a step takes: one letter, any letter but `/`, or any. */
type Takes = { readonly letter: string } | 'inFolder' | 'any';

/** A state takes a letter and goes on to `to`, or goes to all of `also` without one. */
interface State {
  takes: Takes | null;
  to: number;
  readonly also: number[];
}

function compiled(pattern: string, dialect: Dialect): Matcher {
  const letters = [...pattern];
  const special = letters.findIndex((letter) => /[*?{}]/.test(letter));
  const prefix = letters.slice(0, special < 0 ? undefined : special).join('');
  if (special < 0) return { matches: (path) => path === pattern };
  const states: State[] = [];
  const end = built(letters, dialect, states);
  const run = runner(states, end);
  // Most paths of a workspace lie elsewhere than the pattern's fixed part says.
  return { matches: (path) => path.startsWith(prefix) && run(path) };
}

/** Adds the states of a pattern, beginning with state 0; returns the last one. */
function built(letters: readonly string[], { braces, isText }: Dialect, states: State[]): number {
  const add = (): number => states.push({ takes: null, to: -1, also: [] }) - 1;
  const stateAt = (state: number): State => states[state] as State;
  const closing = braces ? pairs(letters) : new Map<number, number>();
  const groups: { readonly start: number; readonly end: number; readonly close: number }[] = [];
  let at = add();
  const step = (takes: Takes): void => {
    const next = add();
    stateAt(at).takes = takes;
    stateAt(at).to = next;
    at = next;
  };
  /** Any number of letters of a kind. */
  const loop = (takes: Takes): void => {
    const [self, next] = [add(), add()];
    stateAt(at).also.push(self, next);
    stateAt(self).takes = takes;
    stateAt(self).to = at;
    at = next;
  };
  for (let i = 0; i < letters.length; i += 1) {
    const letter = letters[i] ?? '';
    const group = groups.at(-1);
    if (letter === '*' && letters[i + 1] === '*' && letters[i + 2] === '/' && isText !== true) {
      i += 2;
      at = folders(add, stateAt, at);
    } else if (letter === '*' && letters[i + 1] === '*') {
      i += 1;
      loop('any');
    } else if (letter === '*' && isText !== true) loop('inFolder');
    else if (letter === '?' && isText !== true) step('inFolder');
    else if (closing.has(i)) {
      const [start, end] = [at, add()];
      groups.push({ start, end, close: closing.get(i) ?? i });
      at = add();
      stateAt(start).also.push(at);
    } else if (group !== undefined && (i === group.close || letter === ',')) {
      stateAt(at).also.push(group.end);
      if (i === group.close) at = (groups.pop() ?? group).end;
      else stateAt(group.start).also.push((at = add()));
    } else step({ letter });
  }
  return at;
}

/** Any number of whole folder names, each with its `/`. */
function folders(add: () => number, stateAt: (state: number) => State, at: number): number {
  const [first, more, slash, next] = [add(), add(), add(), add()];
  stateAt(at).also.push(first, next);
  Object.assign(stateAt(first), { takes: 'inFolder', to: more });
  stateAt(more).also.push(slash);
  Object.assign(stateAt(more), { takes: 'inFolder', to: more });
  Object.assign(stateAt(slash), { takes: { letter: '/' }, to: at });
  return next;
}

/** Where each `{` that has a partner finds it; the others are letters. */
function pairs(letters: readonly string[]): ReadonlyMap<number, number> {
  const found = new Map<number, number>();
  const open: number[] = [];
  for (const [i, letter] of letters.entries()) {
    if (letter === '{') open.push(i);
    const start = letter === '}' ? open.pop() : undefined;
    if (start !== undefined) found.set(start, i);
  }
  return found;
}

/** Possibilities that are open at the same time, and those that a letter leaves of them. */
interface Open {
  readonly states: readonly number[];
  readonly next: Map<string, Open>;
}

/** Sets of possibilities that are remembered; when there are more, all are worked out again. */
const MOST_OPEN = 1_000;

/** Goes through a path; what a letter leaves of some possibilities is worked out once for all paths. */
function runner(states: readonly State[], end: number): (path: string) => boolean {
  let all = new Map<string, Open>();
  const openOf = (starts: readonly number[]): Open => {
    const reached = new Set<number>();
    const todo = [...starts];
    for (let state = todo.pop(); state !== undefined; state = todo.pop()) {
      if (reached.has(state)) continue;
      reached.add(state);
      todo.push(...(states[state] as State).also);
    }
    const sorted = [...reached].toSorted((a, b) => a - b);
    const key = sorted.join();
    const found = all.get(key);
    if (found !== undefined) return found;
    const made: Open = { states: sorted, next: new Map() };
    if (all.size >= MOST_OPEN) all = new Map();
    all.set(key, made);
    return made;
  };
  const after = (from: Open, letter: string): Open => {
    const reached = from.states.flatMap((state) => {
      const { takes, to } = states[state] as State;
      if (takes === null) return [];
      return takes === 'any' || (takes === 'inFolder' ? letter !== '/' : takes.letter === letter) ? [to] : [];
    });
    const open = openOf(reached);
    if (from.next.size >= MOST_OPEN) from.next.clear();
    from.next.set(letter, open);
    return open;
  };
  return (path) => {
    let open = openOf([0]);
    for (const letter of path) {
      open = open.next.get(letter) ?? after(open, letter);
      if (open.states.length === 0) return false;
    }
    return open.states.includes(end);
  };
}
