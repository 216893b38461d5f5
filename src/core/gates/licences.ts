/**
 * Whether an SPDX expression can be fulfilled with allowed licences alone: `A OR B` with either, `A AND B` with both,
 * `A WITH exception` when `A WITH exception` or `A` is allowed, `A+` like `A`. A text that is no expression is
 * taken as the name of one licence.
 */
export function isAllowed(expression: string, allow: ReadonlySet<string>): boolean {
  const has = (id: string): boolean => allow.has(id.toLowerCase());
  const words = expression.match(/[()]|[^\s()]+/g) ?? [];
  const parsed = readOr(words, 0, has);
  return parsed === null || parsed.next !== words.length ? has(expression.trim()) : parsed.allowed;
}

/** As `isAllowed` wants them. */
export function allowList(ids: readonly string[]): ReadonlySet<string> {
  return new Set(ids.map((id) => id.toLowerCase()));
}

interface Read {
  readonly allowed: boolean;
  readonly next: number;
}

type Words = readonly string[];
type Has = (id: string) => boolean;

function readOr(words: Words, at: number, has: Has): Read | null {
  let left = readAnd(words, at, has);
  while (left !== null && words[left.next]?.toUpperCase() === 'OR') {
    const right = readAnd(words, left.next + 1, has);
    left = right === null ? null : { allowed: left.allowed || right.allowed, next: right.next };
  }
  return left;
}

function readAnd(words: Words, at: number, has: Has): Read | null {
  let left = readOne(words, at, has);
  while (left !== null && words[left.next]?.toUpperCase() === 'AND') {
    const right = readOne(words, left.next + 1, has);
    left = right === null ? null : { allowed: left.allowed && right.allowed, next: right.next };
  }
  return left;
}

function readOne(words: Words, at: number, has: Has): Read | null {
  const word = words[at];
  if (word === undefined || word === ')' || /^(AND|OR|WITH)$/i.test(word)) return null;
  if (word === '(') {
    const inner = readOr(words, at + 1, has);
    return inner === null || words[inner.next] !== ')' ? null : { allowed: inner.allowed, next: inner.next + 1 };
  }
  const plain = word.replace(/\+$/, '');
  const exception = words[at + 2];
  if (words[at + 1]?.toUpperCase() !== 'WITH') return { allowed: has(word) || has(plain), next: at + 1 };
  if (exception === undefined || /^[()]$/.test(exception)) return null;
  return { allowed: has(`${word} WITH ${exception}`) || has(word) || has(plain), next: at + 3 };
}
