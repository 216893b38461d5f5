/**
 * The text of a file that people write: UTF-8, or UTF-16 where a byte order mark says so, without the mark. Null: it is neither, so that some
 * of its letters are not known.
 */
export function plainText(bytes: Uint8Array): string | null {
  try {
    return new TextDecoder(encodingOf(bytes), { fatal: true }).decode(bytes);
  } catch {
    return null;
  }
}

function encodingOf([first, second]: Uint8Array): string {
  if (first === 0xff && second === 0xfe) return 'utf-16le';
  return first === 0xfe && second === 0xff ? 'utf-16be' : 'utf-8';
}
