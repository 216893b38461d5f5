/** Git, git-lfs and git-crypt put these in the place of a text. */
const POINTER = 'version https://git-lfs.github.com/spec/';
const CONFLICT = /^(?:<{7}|>{7}|\|{7})(?: |$)/m;

/** The text without a byte order mark, which package managers skip as well. */
export function withoutMark(text: string): string {
  return text.charCodeAt(0) === 0xfeff ? text.slice(1) : text;
}

/** Why this text is not what a tool reads, whatever the format; null when nothing speaks against it. */
export function troubleOf(text: string): string | null {
  if (text.includes('\0')) return 'it holds zero bytes, so it is not UTF-8 text';
  if (text.includes('\uFFFD')) return 'it holds bytes that are not UTF-8';
  if (text.startsWith(POINTER)) return 'it is a pointer to Git LFS, not the content';
  if ((text.includes('<<<<<<<') || text.includes('>>>>>>>') || text.includes('|||||||')) && CONFLICT.test(text))
    return 'it holds conflict markers of a merge';
  return null;
}

/**
 * JSON as package managers read it.
 * @throws Error for what is no JSON, for a value that is no object, and for a key that is said twice.
 */
export function strictJson(text: string): Readonly<Record<string, unknown>> {
  const value: unknown = JSON.parse(text);
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new Error('it is no JSON object');
  // In JSON only the name of a member stands before a colon; JSON.parse drops all but the last of two with one name.
  const written = text.match(/"(?:[^"\\]|\\.)*"\s*:/g)?.length ?? 0;
  if (written !== members(value)) throw new Error('a key is said twice');
  return value as Readonly<Record<string, unknown>>;
}

function members(value: object): number {
  const inside = Object.values(value);
  let count = Array.isArray(value) ? 0 : inside.length;
  for (const one of inside) if (typeof one === 'object' && one !== null) count += members(one);
  return count;
}
