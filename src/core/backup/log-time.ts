/*
 * The moments of commits, read out of a segment of PostgreSQL's write-ahead log: a restore to a moment stops at the first commit after
 * it, and where there is none it fails. Layout: access/xlog_internal.h (pages), access/xlogrecord.h (records), access/xact.h (commits);
 * the same since 9.5, little-endian as on every machine that we run on.
 */

const SHORT_HEADER = 24;
const LONG_HEADER = 40;
const CONTINUES = 0x01;
const IS_LONG = 0x02;
const RECORD_HEADER = 24;
/** Its header, and what may stand between that and the moment: origin (3 bytes), top transaction (5), length (5), moment (8). */
const KEPT = RECORD_HEADER + 21;
const TRANSACTIONS = 1;
/** Commit, abort, and both of prepared transactions: what recovery looks at. */
const ENDS = new Set([0x00, 0x20, 0x30, 0x40]);
/** 2000-01-01, which moments are counted from, ms. */
const EPOCH_MS = 946_684_800_000;

/** A record whose end has not come yet. */
interface Unfinished {
  left: number;
  /** Its first bytes; null where they lie in the segment before. */
  readonly head: Buffer | null;
  has: number;
}

export interface LogClock {
  /** The next bytes of the segment. */
  push(bytes: Buffer): void;
  /** The newest moment at which a transaction ended, ms, rounded down. 0: none has. Null: this is no log that we can read. */
  newest(): number | null;
}

/** Reads one segment from its beginning. What ends in the next segment, and what is no longer log, is not counted. */
export function logClock(): LogClock {
  let waiting: Buffer = Buffer.alloc(0);
  let pageBytes = 0;
  let address = 0n;
  let isOver = false;
  let isReadable = false;
  let record: Unfinished | null = null;
  let newest = 0;

  function begin(first: Buffer): void {
    pageBytes = first.readUInt32LE(36);
    address = first.readBigUInt64LE(8);
    isReadable = (first.readUInt16LE(2) & IS_LONG) !== 0 && pageBytes >= 1024 && pageBytes <= 65_536 && pageBytes % 8 === 0;
    isOver = !isReadable;
  }

  /** A new page: what it goes on with. @returns where its records begin; -1: the log has ended before it */
  function turn(page: Buffer): number {
    const flags = page.readUInt16LE(2);
    if (page.readBigUInt64LE(8) !== address) return -1;
    address += BigInt(pageBytes);
    // A record that was never finished, because the server crashed in it, is not gone on with.
    if ((flags & CONTINUES) === 0) record = null;
    else record ??= { left: page.readUInt32LE(16), head: null, has: 0 };
    return (flags & IS_LONG) === 0 ? SHORT_HEADER : LONG_HEADER;
  }

  function read(page: Buffer): void {
    let at = turn(page);
    isOver = at < 0;
    while (!isOver && at < pageBytes) {
      if (record === null) {
        const total = page.readUInt32LE(at);
        // Zeros: nothing has been written here.
        if (total < RECORD_HEADER) isOver = true;
        else record = { left: total, head: Buffer.alloc(Math.min(KEPT, total)), has: 0 };
      } else {
        const taken = Math.min(record.left, pageBytes - at);
        if (record.head !== null && record.has < record.head.length) record.has += page.copy(record.head, record.has, at, at + taken);
        record.left -= taken;
        at += taken;
        if (record.left > 0) continue;
        newest = Math.max(newest, momentOf(record.head));
        record = null;
        at = Math.ceil(at / 8) * 8;
      }
    }
  }

  return {
    push(bytes) {
      if (isOver) return;
      waiting = waiting.length === 0 ? bytes : Buffer.concat([waiting, bytes]);
      if (pageBytes === 0 && waiting.length >= LONG_HEADER) begin(waiting);
      let at = 0;
      for (; !isOver && pageBytes > 0 && at + pageBytes <= waiting.length; at += pageBytes) read(waiting.subarray(at, at + pageBytes));
      waiting = waiting.subarray(at);
    },
    newest: () => (isReadable ? newest : null),
  };
}

/** @returns ms; 0 when it is not the end of a transaction */
function momentOf(head: Buffer | null): number {
  if (head === null || head[17] !== TRANSACTIONS || !ENDS.has((head[16] ?? 0) & 0x70)) return 0;
  let at = RECORD_HEADER;
  if (head[at] === 253) at += 3;
  if (head[at] === 252) at += 5;
  if (head[at] === 255) at += 2;
  else if (head[at] === 254) at += 5;
  else return 0;
  return at + 8 > head.length ? 0 : Math.max(0, EPOCH_MS + Number(head.readBigInt64LE(at) / 1000n));
}
