import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { logClock } from './log-time.ts';

const PAGE = 8_192;
const AT = Date.UTC(2026, 10, 21, 12, 0, 0, 345);

/** A record; a commit carries its moment in microseconds since 2000. */
function record(options: { readonly resource: number; readonly info: number; readonly at?: number; readonly filler?: number }): Buffer {
  const { resource, info, at = AT, filler = 0 } = options;
  const data = Buffer.alloc(8 + filler);
  data.writeBigInt64LE(BigInt(at - Date.UTC(2000)) * 1000n + 678n);
  const long = data.length > 255;
  const bytes = Buffer.alloc(24 + (long ? 5 : 2) + data.length);
  bytes.writeUInt32LE(bytes.length);
  bytes[16] = info;
  bytes[17] = resource;
  bytes[24] = long ? 254 : 255;
  if (long) bytes.writeUInt32LE(data.length, 25);
  else bytes[25] = data.length;
  data.copy(bytes, long ? 29 : 26);
  return bytes;
}

/** Records laid out on pages as a server does, each at a multiple of 8 bytes. */
function segment(records: readonly Buffer[], pages: number, start = 0x0500_0000n): Buffer {
  const bytes = Buffer.alloc(pages * PAGE);
  let at = 0;
  let left = 0;
  const header = (rest: number) => {
    const isFirst = at === 0;
    bytes.writeUInt16LE(0xd116, at);
    bytes.writeUInt16LE((isFirst ? 2 : 0) | (rest > 0 ? 1 : 0), at + 2);
    bytes.writeBigUInt64LE(start + BigInt(at), at + 8);
    bytes.writeUInt32LE(rest, at + 16);
    if (isFirst) bytes.writeUInt32LE(PAGE, at + 36);
    at += isFirst ? 40 : 24;
  };
  for (const one of records) {
    left = one.length;
    while (left > 0) {
      if (at % PAGE === 0) header(left === one.length ? 0 : left);
      const room = Math.min(left, PAGE - (at % PAGE));
      one.copy(bytes, at, one.length - left, one.length - left + room);
      at += room;
      left -= room;
    }
    at = Math.ceil(at / 8) * 8;
  }
  return bytes;
}

function newestOf(bytes: Buffer, chunk = bytes.length): number | null {
  const clock = logClock();
  for (let at = 0; at < bytes.length; at += chunk) clock.push(bytes.subarray(at, at + chunk));
  return clock.newest();
}

describe('the newest end of a transaction in a segment of the log', () => {
  it('is the latest, not the last: moments are taken before places', () => {
    const commits = [AT, AT + 20, AT + 10].map((at) => record({ resource: 1, info: 0, at }));
    expect(newestOf(segment(commits, 2))).toBe(AT + 20);
  });

  it('is none where nothing ended, and unknown where this is no log', () => {
    expect(newestOf(segment([record({ resource: 10, info: 0 }), record({ resource: 1, info: 0x10 })], 2))).toBe(0);
    expect(newestOf(segment([], 2))).toBeNull();
    expect(newestOf(Buffer.alloc(0))).toBeNull();
  });

  it('is not read from what an earlier log has left in the file', () => {
    const [now, before] = [segment([record({ resource: 1, info: 0 })], 1), segment([record({ resource: 1, info: 0, at: AT + 99 })], 2, 0n)];
    expect(newestOf(Buffer.concat([now, before]))).toBe(AT);
  });

  it('is found whatever lies before it, in whatever pieces it comes', () => {
    const other = fc.record({ resource: fc.integer({ min: 2, max: 20 }), info: fc.nat(255), filler: fc.nat(20_000) });
    fc.assert(
      fc.property(
        fc.array(other, { maxLength: 12 }),
        fc.array(other, { maxLength: 3 }),
        fc.integer({ min: 100, max: 30_000 }),
        (before, after, chunk) => {
          const bytes = segment([...before.map(record), record({ resource: 1, info: 0 }), ...after.map(record)], 48);
          expect(newestOf(bytes, chunk)).toBe(AT);
        },
      ),
      { numRuns: 300 },
    );
  });

  it('no bytes make it stumble', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 3 * PAGE, minLength: PAGE }), fc.boolean(), (noise, looksRight) => {
        const bytes = Buffer.from(noise);
        if (looksRight) segment([record({ resource: 10, info: 0 })], 1).copy(bytes, 0, 0, 40);
        const newest = newestOf(bytes, 1_000);
        expect(newest === null || newest >= 0).toBe(true);
      }),
      { numRuns: 500 },
    );
  });
});
