import { damaged, Unreadable } from './damage.ts';

const utf8 = new TextDecoder('utf-8', { fatal: true });

/** What the first bytes tell: a byte order mark, or the zero beside the first letter of a text in UTF-16. */
function utf16Of([first, second]: Uint8Array): 'utf-16le' | 'utf-16be' | null {
  if ((first === 0xff && second === 0xfe) || (first !== 0 && first !== undefined && second === 0)) return 'utf-16le';
  return (first === 0xfe && second === 0xff) || (first === 0 && second !== 0 && second !== undefined) ? 'utf-16be' : null;
}

/** The same text as UTF-8, where it is UTF-16; other bytes as they are. @throws Unreadable for UTF-16 that is cut off or broken. */
export async function* asUtf8(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let start: Uint8Array | null = new Uint8Array();
  let decode: ((bytes: Uint8Array, stream: boolean) => Uint8Array) | null = null;
  for await (const chunk of chunks) {
    const bytes: Uint8Array = start === null ? chunk : Buffer.concat([start, chunk]);
    if (start !== null) {
      const encoding = utf16Of(bytes);
      if (encoding !== null) decode = decoderOf(encoding);
      start = bytes.length < 2 ? bytes : null;
    }
    if (start === null) yield decode === null ? bytes : decode(bytes, true);
  }
  if (start !== null && start.length > 0) yield start;
  if (decode !== null) yield decode(new Uint8Array(), false);
}

function decoderOf(encoding: 'utf-16le' | 'utf-16be'): (bytes: Uint8Array, stream: boolean) => Uint8Array {
  const decoder = new TextDecoder(encoding, { fatal: true });
  return (bytes, stream) => {
    try {
      return Buffer.from(decoder.decode(bytes, { stream }));
    } catch {
      throw damaged('it is not UTF-16 text, although it begins like it.');
    }
  };
}

/** Text of UTF-8, without its byte order mark. @throws Unreadable when it is none. */
export function textOf(bytes: Uint8Array): string {
  try {
    return utf8.decode(bytes);
  } catch {
    throw damaged('it is not UTF-8 text.');
  }
}

/** Encodings of one byte a letter that XML may say it is in; no letter of a tag or a number differs in them. */
const ONE_BYTE = /^(?:<\?xml[^>]{0,100}?encoding\s*=\s*["'](iso-8859-1|iso-8859-15|latin1|windows-125[0-8]|us-ascii)["'])/i;

/** Text of XML, by the encoding it declares where it is not UTF-8. @throws Unreadable */
export function xmlTextOf(bytes: Uint8Array): string {
  const label = ONE_BYTE.exec(Buffer.from(bytes.subarray(0, 200)).toString('latin1'))?.[1];
  return label === undefined ? textOf(bytes) : new TextDecoder(label.toLowerCase()).decode(bytes);
}

/** @throws Unreadable */
export function jsonOf(bytes: Uint8Array): unknown {
  const text = textOf(bytes);
  if (text.trim() === '') throw new Unreadable('empty', 'the file is empty.');
  try {
    return JSON.parse(text);
  } catch (error) {
    throw damaged(`it is no JSON: ${error instanceof Error ? error.message.slice(0, 200) : ''}`);
  }
}
