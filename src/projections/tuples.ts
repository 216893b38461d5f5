import { createInterner, type Interner } from './interner.ts';

/** One event as it came over the wire; the same object is filled again for each, so nothing of it may be kept. */
export interface Tuple {
  position: number;
  /** Number of the stream, see `streams`. */
  stream: number;
  version: number;
  schema: number;
  /** Milliseconds since the epoch. */
  at: number;
  type: string;
  /** The data as JSON. */
  json: string;
}

export interface TupleReader {
  readonly streams: Interner;
  /** Read the payload of one message of a binary COPY. */
  read(chunk: Buffer, from: number, to: number): void;
}

/** 2000-01-01 in milliseconds since 1970: where PostgreSQL counts microseconds from. */
const POSTGRES_EPOCH_MS = 946_684_800_000;
/** Signature, flags, length of the extension. */
const HEADER = 19;

/**
 * Decodes a binary COPY of `EventStore.columns`. Everything is taken straight from the bytes: no text in between, no
 * array of fields, streams and types by number.
 */
export function createTupleReader(
  kinds: { readonly atKind: 'timestamp' | 'milliseconds'; readonly dataKind: 'jsonb' | 'text' },
  each: (tuple: Tuple) => void,
): TupleReader {
  const streams = createInterner();
  const types = createInterner();
  const tuple: Tuple = { position: 0, stream: 0, version: 0, schema: 0, at: 0, type: '', json: '' };
  const skip = kinds.dataKind === 'jsonb' ? 1 : 0;
  let isFirst = true;

  function read(chunk: Buffer, from: number, to: number): void {
    let at = from;
    if (isFirst) {
      isFirst = false;
      at += HEADER;
    }
    while (at + 2 <= to) {
      if (int2(chunk, at) < 0) return;
      at += 2;
      tuple.position = int8(chunk, at + 4);
      at += 12;
      const streamEnd = at + 4 + int4(chunk, at);
      tuple.stream = streams.find(chunk, at + 4, streamEnd);
      at = streamEnd;
      tuple.version = int8(chunk, at + 4);
      tuple.schema = int4(chunk, at + 16);
      at += 20;
      const time = int8(chunk, at + 4);
      tuple.at = kinds.atKind === 'timestamp' ? Math.floor(time / 1000) + POSTGRES_EPOCH_MS : time;
      at += 12;
      const typeEnd = at + 4 + Math.max(0, int4(chunk, at));
      tuple.type = types.text(types.find(chunk, at + 4, typeEnd));
      at = typeEnd;
      const length = int4(chunk, at);
      tuple.json = length < 0 ? 'null' : chunk.toString('utf8', at + 4 + skip, at + 4 + length);
      at += 4 + Math.max(0, length);
      each(tuple);
    }
  }
  return { streams, read };
}

function int2(bytes: Buffer, at: number): number {
  return (((bytes[at] as number) << 24) >> 16) | (bytes[at + 1] as number);
}

function int4(bytes: Buffer, at: number): number {
  return ((bytes[at] as number) << 24) | ((bytes[at + 1] as number) << 16) | ((bytes[at + 2] as number) << 8) | (bytes[at + 3] as number);
}

/** Exact up to 2^53. */
function int8(bytes: Buffer, at: number): number {
  return int4(bytes, at) * 4_294_967_296 + (int4(bytes, at + 4) >>> 0);
}
