/**
 * Texts as small numbers, found by their bytes. Several times faster than a Map of strings, because no string is made
 * for a text that is known already, and nothing keeps the chunk alive that the bytes came in.
 */
export interface Interner {
  /** The number of these bytes; the next free one when they are new. */
  find(bytes: Uint8Array, from: number, to: number): number;
  text(id: number): string;
  readonly size: () => number;
}

const FNV_OFFSET = 0x811c9dc5;
const FNV_PRIME = 0x01000193;

export function createInterner(): Interner {
  let slots = new Int32Array(1 << 12).fill(-1);
  let hashes = new Int32Array(1 << 11);
  let offsets = new Float64Array((1 << 11) + 1);
  let arena = Buffer.allocUnsafe(1 << 16);
  let count = 0;
  const texts: (string | undefined)[] = [];

  function isSame(id: number, bytes: Uint8Array, from: number, to: number): boolean {
    const start = offsets[id] as number;
    if ((offsets[id + 1] as number) - start !== to - from) return false;
    for (let index = from, at = start; index < to; index += 1, at += 1) if (bytes[index] !== arena[at]) return false;
    return true;
  }

  function add(bytes: Uint8Array, from: number, to: number, hash: number, slot: number): number {
    const id = count;
    const start = offsets[id] as number;
    const end = start + to - from;
    if (end > arena.length) {
      const bigger = Buffer.allocUnsafe(Math.max(end, arena.length * 2));
      arena.copy(bigger, 0, 0, start);
      arena = bigger;
    }
    arena.set(bytes.subarray(from, to), start);
    hashes[id] = hash;
    offsets[id + 1] = end;
    slots[slot] = id;
    count += 1;
    if (count * 2 >= slots.length) grow();
    return id;
  }

  function grow(): void {
    const size = slots.length * 2;
    const mask = size - 1;
    slots = new Int32Array(size).fill(-1);
    for (let id = 0; id < count; id += 1) {
      let slot = (hashes[id] as number) & mask;
      while (slots[slot] !== -1) slot = (slot + 1) & mask;
      slots[slot] = id;
    }
    const moreHashes = new Int32Array(size >> 1);
    moreHashes.set(hashes.subarray(0, count));
    hashes = moreHashes;
    const moreOffsets = new Float64Array((size >> 1) + 1);
    moreOffsets.set(offsets.subarray(0, count + 1));
    offsets = moreOffsets;
  }

  return {
    find(bytes, from, to) {
      let hash = FNV_OFFSET | 0;
      for (let index = from; index < to; index += 1) hash = Math.imul(hash ^ (bytes[index] as number), FNV_PRIME);
      const mask = slots.length - 1;
      for (let slot = hash & mask; ; slot = (slot + 1) & mask) {
        const id = slots[slot] as number;
        if (id === -1) return add(bytes, from, to, hash, slot);
        if (hashes[id] === hash && isSame(id, bytes, from, to)) return id;
      }
    },
    text: (id) => (texts[id] ??= arena.toString('utf8', offsets[id], offsets[id + 1])),
    size: () => count,
  };
}
