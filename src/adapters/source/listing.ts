import { matchesPattern } from '../../core/changes/glob.ts';

/** Of a line, `<mode> <type> <id>\t<path>`, at least so much is there before the path. */
const AHEAD = 50;

/**
 * Picks the lines of `git ls-tree -r -z` whose file has one of these names (or fits a pattern), while they come. A listing
 * has many megabytes where few names are wanted: only lines that end as a name does are made into text.
 */
export function namedLines(names: readonly string[], found: (line: string) => void): { take(chunk: Buffer): void } {
  const plain = new Set(names.filter((name) => !/[*?]/.test(name)));
  const patterns = names.filter((name) => !plain.has(name));
  const check = (line: string): void => {
    const name = line.slice(Math.max(line.lastIndexOf('/'), line.indexOf('\t')) + 1);
    if (plain.has(name) || patterns.some((pattern) => matchesPattern(name, pattern))) found(line);
  };
  const endings = new Uint8Array(65_536);
  for (const ending of names.map(endOf)) if (ending !== null) endings[ending] = 1;
  const openEnded = names.filter((name) => endOf(name) === null).map((name) => Buffer.from(name.split(/[*?]/)[0] ?? ''));
  let rest: Buffer | null = null;
  return {
    take(chunk) {
      const block: Buffer = rest === null ? chunk : Buffer.concat([rest, chunk]);
      let start = 0;
      for (let end = block.indexOf(0, AHEAD); end >= 0; end = block.indexOf(0, start + AHEAD)) {
        if (endings[block.readUInt16BE(end - 2)] === 1) check(block.toString('utf8', start, end));
        start = end + 1;
      }
      for (const beginning of openEnded) {
        for (let at = block.indexOf(beginning); at >= 0 && at < start; at = block.indexOf(beginning, at + 1)) {
          const end = block.indexOf(0, at);
          // The others were looked at above.
          if (endings[block.readUInt16BE(end - 2)] === 0) check(block.toString('utf8', block.lastIndexOf(0, at) + 1, end));
          at = end;
        }
      }
      rest = start === block.length ? null : block.subarray(start);
    },
  };
}

/** The last two bytes of what fits a name or a pattern, as one number; null: they may be anything. */
function endOf(name: string): number | null {
  const bytes = Buffer.from(name);
  return /[*?].?$/.test(name) ? null : bytes.readUInt16BE(bytes.length - 2);
}
