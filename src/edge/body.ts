import { BadMessage } from './bad-message.ts';
import { CHUNKED, UNTIL_CLOSE } from './http1.ts';

/** Follows a body through its bytes, and says which bytes go on. */
export interface BodyMeter {
  /** Bytes still to come of the body (or of its current chunk). */
  left: number;
  done: boolean;
  readonly chunks: ChunkState | null;
}

interface ChunkState {
  part: 'size' | 'data' | 'dataEnd' | 'trailer';
  line: string;
  trailerBytes: number;
}

/** What of some bytes belongs to a body. */
export interface Taken {
  /** How many bytes, from the start, belong to it. */
  readonly bytes: number;
  /** What goes on for them, in order. */
  readonly parts: readonly Buffer[];
}

const MAX_CHUNK_LINE = 1_024;
const MAX_TRAILER_BYTES = 8 * 1024;
// As strict as heads: what ends a line must be CRLF, and nothing in it may look like an end to someone else.
const SIZE_LINE = /^([0-9a-fA-F]{1,12})(?:[ \t]*;[\t\x20-\x7e\x80-\xff]*)?$/;
const TRAILER_LINE = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+:[\t\x20-\x7e\x80-\xff]*$/;
const LAST = Buffer.from('0\r\n\r\n');
const CRLF = Buffer.from('\r\n');

/** @param framing body bytes, CHUNKED or UNTIL_CLOSE. */
export function bodyMeter(framing: number): BodyMeter {
  if (framing === CHUNKED) return { left: 0, done: false, chunks: { part: 'size', line: '', trailerBytes: 0 } };
  if (framing === UNTIL_CLOSE) return { left: Number.POSITIVE_INFINITY, done: false, chunks: null };
  return { left: framing, done: framing === 0, chunks: null };
}

/**
 * Take what belongs to this body from the start of the bytes. Chunked bodies are framed anew: extensions and trailers,
 * which readers understand in different ways (RFC 9112 section 7.1.1 lets a proxy drop them), do not go on.
 * @throws BadMessage on damaged chunking.
 */
export function takeBody(meter: BodyMeter, bytes: Buffer): Taken {
  if (meter.done) return { bytes: 0, parts: [] };
  if (meter.chunks !== null) return takeChunks(meter, meter.chunks, bytes);
  const mine = Math.min(meter.left, bytes.length);
  meter.left -= mine;
  meter.done = meter.left === 0;
  return { bytes: mine, parts: [mine === bytes.length ? bytes : bytes.subarray(0, mine)] };
}

/** Chunked coding, RFC 9112 section 7.1: sizes, data, trailers up to the empty line. */
function takeChunks(meter: BodyMeter, state: ChunkState, bytes: Buffer): Taken {
  const parts: Buffer[] = [];
  let at = 0;
  while (at < bytes.length && !meter.done) {
    if (state.part === 'data') {
      const mine = Math.min(meter.left, bytes.length - at);
      parts.push(bytes.subarray(at, at + mine));
      meter.left -= mine;
      at += mine;
      if (meter.left === 0) state.part = 'dataEnd';
      continue;
    }
    const newline = bytes.indexOf(10, at);
    const end = newline === -1 ? bytes.length : newline;
    state.line += bytes.toString('latin1', at, end);
    if (state.line.length > MAX_CHUNK_LINE) throw new BadMessage(400, 'A chunk line is too long');
    at = newline === -1 ? end : end + 1;
    if (newline === -1) continue;
    const part = endOfLine(meter, state);
    if (part !== null) parts.push(part);
  }
  return { bytes: at, parts };
}

/** @returns what goes on for the line. */
function endOfLine(meter: BodyMeter, state: ChunkState): Buffer | null {
  if (!state.line.endsWith('\r')) throw new BadMessage(400, 'A chunk line does not end with CRLF');
  const line = state.line.slice(0, -1);
  state.line = '';
  if (state.part === 'dataEnd') {
    if (line !== '') throw new BadMessage(400, 'Chunk data is longer than its size');
    state.part = 'size';
    return CRLF;
  }
  if (state.part === 'size') {
    const size = SIZE_LINE.exec(line)?.[1];
    if (size === undefined) throw new BadMessage(400, 'A chunk size is malformed');
    meter.left = Number.parseInt(size, 16);
    state.part = meter.left === 0 ? 'trailer' : 'data';
    return meter.left === 0 ? null : Buffer.from(`${meter.left.toString(16)}\r\n`);
  }
  if (line === '') {
    meter.done = true;
    return LAST;
  }
  state.trailerBytes += line.length;
  if (!TRAILER_LINE.test(line) || state.trailerBytes > MAX_TRAILER_BYTES) throw new BadMessage(400, 'A trailer is malformed');
  return null;
}
