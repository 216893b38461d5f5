/** Why a file was not looked at. */
export const NOT_LOOKED_AT = {
  tooLarge: 'larger than 16 MiB',
  unreadable: 'not to be read',
  binary: 'no text',
  encoding: 'text of an encoding that is not known',
  leftOut: 'left out by a rule: lock files, pictures, archives, paths that are allowed',
  symlink: 'a symbolic link: what it leads to is looked at where it is itself part of the workspace',
  submodule: 'a submodule: scan it by itself',
  lfs: 'stored in Git LFS: only the pointer to it is here',
} as const;
export type NotLookedAt = keyof typeof NOT_LOOKED_AT;

/** What of a file is text to be looked at: itself, or UTF-16 as UTF-8. */
export type Content =
  | { readonly bytes: Uint8Array; readonly length: number; readonly isPointer: boolean }
  | { readonly reason: NotLookedAt };

/** Bytes that tell whether a file is text. */
const HEAD = 8000;

/** The text of a file, whatever its encoding of letters. */
export function textIn(bytes: Uint8Array, length: number): Content {
  const head = bytes.subarray(0, Math.min(length, HEAD));
  const [a, b] = [head[0] ?? 1, head[1] ?? 1];
  const isMarked = a + b === 0xff + 0xfe && (a === 0xff || b === 0xff);
  if (!isMarked && !head.includes(0)) return { bytes, length, isPointer: isLfsPointer(head, length) };
  if (begins(head, [0xff, 0xfe, 0, 0]) || begins(head, [0, 0, 0xfe, 0xff])) return { reason: 'encoding' };
  const encoding = isMarked ? (a === 0xff ? 'utf-16le' : 'utf-16be') : utf16Of(head);
  if (encoding === null) return { reason: 'binary' };
  try {
    const text = new TextDecoder(encoding, { fatal: true }).decode(bytes.subarray(0, length));
    const decoded = new TextEncoder().encode(text);
    return { bytes: decoded, length: decoded.length, isPointer: false };
  } catch {
    return { reason: isMarked ? 'encoding' : 'binary' };
  }
}

function begins(head: Uint8Array, mark: readonly number[]): boolean {
  return mark.every((byte, i) => head[i] === byte);
}

/** Without a mark: text of Latin letters has a zero beside nearly each of them, always on the same side. */
function utf16Of(head: Uint8Array): 'utf-16le' | 'utf-16be' | null {
  let [even, odd] = [0, 0];
  for (let i = 0; i < head.length; i += 1) {
    if (head[i] !== 0) continue;
    if (i % 2 === 0) even += 1;
    else odd += 1;
  }
  const most = head.length / 2;
  if (odd > most * 0.5 && even < most * 0.02) return 'utf-16le';
  return even > most * 0.5 && odd < most * 0.02 ? 'utf-16be' : null;
}

const POINTER = 'version https://git-lfs.github.com/spec/';
/** Longest pointer, bytes (the specification's limit). */
const LONGEST_POINTER = 1024;

function isLfsPointer(head: Uint8Array, length: number): boolean {
  if (length > LONGEST_POINTER || head[0] !== POINTER.charCodeAt(0)) return false;
  return new TextDecoder().decode(head.subarray(0, POINTER.length)) === POINTER;
}
