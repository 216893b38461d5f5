/*
 * The checksum that PostgreSQL (9.3 and later, the same in all since) puts on every page of 8 kB: 32 FNV-1a hashes side by
 * side, folded together with the page's number (storage/checksum_impl.h). With it a copy can be judged without a server.
 */
const PAGE_BYTES = 8_192;
const SUMS = 32;
const PRIME = 16_777_619;
const ROUNDS = PAGE_BYTES / 4 / SUMS;

const BASE = Uint32Array.from([
  0x5b1f36e9, 0xb8525960, 0x02ab50aa, 0x1de66d2a, 0x79ff467a, 0x9bb9f8a3, 0x217e7cd2, 0x83e13d2c, 0xf8d4474f, 0xe39eb970, 0x42c6ae16,
  0x993216fa, 0x7b093b5d, 0x98daff3c, 0xf718902a, 0x0b1c9cdb, 0xe58f764b, 0x187636bc, 0x5d7b3bb1, 0xe73de7de, 0x92bec979, 0xcca6c0b2,
  0x304a0979, 0x85aa43d4, 0x783125bb, 0x6ca8eaa2, 0xe407eac6, 0x4b5cfc3e, 0x9fbf8c76, 0x15ca20be, 0xf2ca9fd3, 0x959bd756,
]);

export const PAGE_SIZE = PAGE_BYTES;

/** The checksum that the page should carry. `words`: the page as 2048 32-bit words of the machine's (little) order. */
function checksumOf(words: Uint32Array, pageNumber: number): number {
  const sums = BASE.slice();
  for (let round = 0; round < ROUNDS; round += 1) {
    for (let lane = 0; lane < SUMS; lane += 1) {
      const index = round * SUMS + lane;
      // The header's word that holds the checksum itself counts with that half set to zero.
      const word = index === 2 ? (words[2] ?? 0) & 0xff_ff_00_00 : (words[index] ?? 0);
      const mixed = (sums[lane] ?? 0) ^ word;
      sums[lane] = Math.imul(mixed, PRIME) ^ (mixed >>> 17);
    }
  }
  let result = 0;
  for (let lane = 0; lane < SUMS; lane += 1) {
    let sum = sums[lane] ?? 0;
    for (let i = 0; i < 2; i += 1) sum = Math.imul(sum, PRIME) ^ (sum >>> 17);
    result ^= sum;
  }
  return (((result ^ pageNumber) >>> 0) % 65_535) + 1;
}

export type PageState = 'sound' | 'empty' | 'damaged';

/**
 * Whether a page is what was written. A page that has never been written is `empty` (all zero).
 * `pageNumber`: counted over all files of the relation, 131072 a file of 1 GB.
 */
export function pageState(page: Uint8Array, pageNumber: number): PageState {
  const words = new Uint32Array(page.buffer, page.byteOffset, PAGE_BYTES / 4);
  // pd_upper is zero only in a page that was never initialised.
  if ((words[3] ?? 0) >>> 16 === 0) return isZero(words) ? 'empty' : 'damaged';
  return checksumOf(words, pageNumber) === ((words[2] ?? 0) & 0xff_ff) ? 'sound' : 'damaged';
}

/** Place of the last change to the page: pages changed since a backup began are made whole by the log. */
export function pageLsn(page: Uint8Array): bigint {
  const words = new Uint32Array(page.buffer, page.byteOffset, 2);
  return (BigInt(words[0] ?? 0) << 32n) + BigInt(words[1] ?? 0);
}

function isZero(words: Uint32Array): boolean {
  return words.every((word) => word === 0);
}
