import type { NotLookedAt } from './content.ts';
import type { Pattern, Tester } from './pattern.ts';

/** How one kind of secret is recognised. */
export interface SecretRule {
  readonly id: string;
  readonly description: string;
  /** Lower-case; the rule is tried only near one of them. None: tried on all of a file. */
  readonly keywords: readonly string[];
  /** Null: a file whose path fits is itself the finding. */
  readonly pattern: Pattern | null;
  /** How far from a keyword: so many lines on from its own, or the whole file. */
  readonly reach: number | 'file';
  /** Which group is the secret; 0: all of the match, or the first group where there is one. */
  readonly group: number;
  /** Least Shannon entropy of the secret, bits a character; 0: any. */
  readonly entropy: number;
  /** Says little by itself: only new lines are held against it. */
  readonly isGeneric: boolean;
  /** Only in files whose path fits. */
  readonly path: Tester | null;
  readonly allow: readonly Allow[];
}

/** What is no secret although it looks like one. */
export interface Allow {
  readonly paths: readonly Tester[];
  readonly patterns: readonly Tester[];
  readonly target: 'secret' | 'match' | 'line';
  /** Lower-case words that a secret does not contain. */
  readonly stopwords: readonly string[];
  /** All kinds of conditions must fit, instead of one. */
  readonly needsAll: boolean;
}

export interface RuleSet {
  readonly rules: readonly SecretRule[];
  readonly allow: readonly Allow[];
}

/** A secret where it stands. The secret itself never leaves `scan`: `mark` is what it is known by. */
export interface SecretFinding {
  readonly rule: string;
  readonly description: string;
  readonly path: string;
  /** From 1. */
  readonly line: number;
  readonly column: number;
  /** HMAC of the secret with the workspace's key, hex: the same secret has the same mark wherever it stands. */
  readonly mark: string;
}

/** What became of one file. */
export interface Looked {
  readonly findings: readonly SecretFinding[];
  /** Null: it was looked at. */
  readonly reason: NotLookedAt | null;
  /** Rules that did not get through it in time: nothing is known of it by them. */
  readonly undecided: readonly string[];
}

/** Bits a character. */
export function shannonEntropy(text: string): number {
  const counts = new Map<string, number>();
  for (const letter of text) counts.set(letter, (counts.get(letter) ?? 0) + 1);
  let bits = 0;
  for (const count of counts.values()) bits -= (count / text.length) * Math.log2(count / text.length);
  return bits;
}
