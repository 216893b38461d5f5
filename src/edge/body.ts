import { BadMessage, CHUNKED, UNTIL_CLOSE } from './http1.ts';

/** Follows a body through its bytes without changing them. */
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

const MAX_CHUNK_LINE = 1_024;
const MAX_TRAILER_BYTES = 8 * 1024;
// As strict as heads: what ends a line must be CRLF, and nothing in it may look like an end to someone else.
const SIZE_LINE = /^([0-9a-fA-F]{1,12})(?:[ \t]*;[\t\x20-\x7e\x80-\xff]*)?$/;
const TRAILER_LINE = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+:[\t\x20-\x7e\x80-\xff]*$/;

/** @param framing body bytes, CHUNKED or UNTIL_CLOSE. */
export function bodyMeter(framing: number): BodyMeter {
  if (framing === CHUNKED) return { left: 0, done: false, chunks: { part: 'size', line: '', trailerBytes: 0 } };
  if (framing === UNTIL_CLOSE) return { left: Number.POSITIVE_INFINITY, done: false, chunks: null };
  return { left: framing, done: framing === 0, chunks: null };
}

/** How many bytes of the chunk, from its start, belong to this body. @throws BadMessage on damaged chunking. */
export function takeBody(meter: BodyMeter, bytes: Buffer): number {
  if (meter.done) return 0;
  if (meter.chunks !== null) return takeChunks(meter, meter.chunks, bytes);
  const mine = Math.min(meter.left, bytes.length);
  meter.left -= mine;
  meter.done = meter.left === 0;
  return mine;
}

/** Chunked coding, RFC 9112 section 7.1: sizes, data, trailers up to the empty line. */
function takeChunks(meter: BodyMeter, state: ChunkState, bytes: Buffer): number {
  let at = 0;
  while (at < bytes.length && !meter.done) {
    if (state.part === 'data') {
      const mine = Math.min(meter.left, bytes.length - at);
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
    if (newline !== -1) endOfLine(meter, state);
  }
  return at;
}

function endOfLine(meter: BodyMeter, state: ChunkState): void {
  if (!state.line.endsWith('\r')) throw new BadMessage(400, 'A chunk line does not end with CRLF');
  const line = state.line.slice(0, -1);
  state.line = '';
  if (state.part === 'dataEnd') {
    if (line !== '') throw new BadMessage(400, 'Chunk data is longer than its size');
    state.part = 'size';
  } else if (state.part === 'size') {
    const size = SIZE_LINE.exec(line)?.[1];
    if (size === undefined) throw new BadMessage(400, 'A chunk size is malformed');
    meter.left = Number.parseInt(size, 16);
    state.part = meter.left === 0 ? 'trailer' : 'data';
  } else if (line === '') {
    meter.done = true;
  } else {
    state.trailerBytes += line.length;
    if (!TRAILER_LINE.test(line) || state.trailerBytes > MAX_TRAILER_BYTES) throw new BadMessage(400, 'A trailer is malformed');
  }
}
