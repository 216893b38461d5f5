import { matchesPattern } from '../../core/changes/glob.ts';

const [NUL, TAB, SLASH] = [0, 9, 47];

/**
 * Picks the lines of `git ls-tree -r -z` whose file has one of these names (or fits a pattern), while they come. A listing
 * has many megabytes where few names are wanted, so each byte is looked at once, and a line made into text only when the
 * end of its path may be a name.
 */
export function namedLines(names: readonly string[], found: (line: string) => void): { take(chunk: Buffer): void } {
  const mayBe = beginningsAndEnds(names);
  const plain = new Set(names.filter((name) => !/[*?]/.test(name)));
  const patterns = names.filter((name) => !plain.has(name));
  const hashes = new Set([...plain].map((name) => hashOf(Buffer.from(name))));
  const check = (block: Buffer, start: number, end: number): void => {
    const line = block.toString('utf8', start, end);
    const name = line.slice(Math.max(line.lastIndexOf('/'), line.indexOf('\t')) + 1);
    if (plain.has(name) || patterns.some((pattern) => matchesPattern(name, pattern))) found(line);
  };
  let rest: Buffer | null = null;
  return {
    take(chunk) {
      const block: Buffer = rest === null ? chunk : Buffer.concat([rest, chunk]);
      let [start, name, hash] = [0, 0, 0];
      for (let at = 0; at < block.length; at += 1) {
        const byte = block[at] ?? 0;
        if (byte === NUL) {
          if (hashes.has(hash) || mayBe(block, name, at)) check(block, start, at);
          start = name = at + 1;
          hash = 0;
        } else if (byte === SLASH || byte === TAB) {
          name = at + 1;
          hash = 0;
        } else hash = (Math.imul(hash, 31) + byte) | 0;
      }
      rest = start === block.length ? null : block.subarray(start);
    },
  };
}

function hashOf(bytes: Buffer): number {
  return bytes.reduce((hash, byte) => (Math.imul(hash, 31) + byte) | 0, 0);
}

/** Whether a name may fit one of the patterns: it begins and ends as that does. */
function beginningsAndEnds(names: readonly string[]): (block: Buffer, start: number, end: number) => boolean {
  const patterns = names.flatMap((name) => {
    const parts = name.split(/[*?]+/);
    return parts.length === 1 ? [] : [{ first: Buffer.from(parts[0] ?? ''), last: Buffer.from(parts.at(-1) ?? '') }];
  });
  return (block, start, end) =>
    patterns.some(({ first, last }) => isAt(block, start, end, first) && isAt(block, end - last.length, end, last));
}

function isAt(block: Buffer, from: number, end: number, part: Buffer): boolean {
  if (from + part.length > end) return false;
  for (let i = 0; i < part.length; i += 1) if (block[from + i] !== part[i]) return false;
  return true;
}
