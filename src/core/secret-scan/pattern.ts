/** A place where a pattern fits; letters are bytes, one each, so that offsets stay true. */
export interface Match {
  /** From the beginning of the text. */
  readonly index: number;
  /** The whole of it, then its groups; undefined for a group that took no part. */
  readonly groups: readonly (string | undefined)[];
}

/** Finds the secret of a rule. */
export interface Pattern {
  /** What it is known by. */
  readonly source: string;
  find(bytes: Uint8Array): Iterable<Match>;
}

/** Says yes or no of a text. */
export interface Tester {
  readonly source: string;
  test(text: string): boolean;
}

/** A pattern of our own, of JavaScript's, and global. */
export function ownPattern(expression: RegExp): Pattern {
  return {
    source: String(expression),
    *find(bytes) {
      for (const match of lettersOf(bytes, 0, bytes.length).matchAll(expression)) yield { index: match.index, groups: [...match] };
    },
  };
}

/** Bytes as letters, one each: offsets stay true. */
export function lettersOf(bytes: Uint8Array, from: number, to: number): string {
  let text = '';
  for (let at = from; at < to; at += 4096) text += String.fromCharCode(...bytes.subarray(at, Math.min(to, at + 4096)));
  return text;
}
