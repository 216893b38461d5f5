/**
 * SipHash-2-4 (Aumasson and Bernstein 2012), the lower 32 bits of it: a keyed hash whose answers tell nothing about the key.
 * In 32-bit halves, because BigInt is a hundred times slower.
 * @param text letters up to U+00FF, one byte each; of others the lower byte counts.
 */
export function sipHash(key: readonly [number, number, number, number], text: string): number {
  return sipHashHalves(key, text)[1] >>> 0;
}

/** Both halves, the higher first. */
export function sipHashHalves([k0, k1, k2, k3]: readonly [number, number, number, number], text: string): [number, number] {
  // v0h v0l v1h v1l v2h v2l v3h v3l, with the key's words in little-endian order.
  const v = Int32Array.of(
    k1 ^ 0x736f6d65,
    k0 ^ 0x70736575,
    k3 ^ 0x646f7261,
    k2 ^ 0x6e646f6d,
    k1 ^ 0x6c796765,
    k0 ^ 0x6e657261,
    k3 ^ 0x74656462,
    k2 ^ 0x79746573,
  );
  const whole = text.length - (text.length % 8);
  for (let at = 0; at < whole; at += 8) mix(v, word(text, at + 4), word(text, at), 2);
  const rest = text.length - whole;
  const high = (text.length << 24) | (rest > 4 ? word(text, whole + 4) & 0x00ffffff : 0);
  mix(v, high, word(text, whole), 2);
  v[5] = (v[5] as number) ^ 0xff;
  for (let i = 0; i < 4; i += 1) round(v);
  for (const other of [2, 4, 6]) cross(v, 0, other);
  return [v[0] as number, v[1] as number];
}

/** Four letters as a little-endian word; zeros beyond the end. */
function word(text: string, at: number): number {
  let value = 0;
  for (let i = 3; i >= 0; i -= 1) value = (value << 8) | (at + i < text.length ? text.charCodeAt(at + i) & 0xff : 0);
  return value;
}

function mix(v: Int32Array, high: number, low: number, rounds: number): void {
  v[6] = (v[6] as number) ^ high;
  v[7] = (v[7] as number) ^ low;
  for (let i = 0; i < rounds; i += 1) round(v);
  v[0] = (v[0] as number) ^ high;
  v[1] = (v[1] as number) ^ low;
}

function round(v: Int32Array): void {
  add(v, 0, 2);
  turn(v, 2, 13);
  cross(v, 2, 0);
  swap(v, 0);
  add(v, 4, 6);
  turn(v, 6, 16);
  cross(v, 6, 4);
  add(v, 0, 6);
  turn(v, 6, 21);
  cross(v, 6, 0);
  add(v, 4, 2);
  turn(v, 2, 17);
  cross(v, 2, 4);
  swap(v, 4);
}

/** `a += b`, in 64 bits. */
function add(v: Int32Array, a: number, b: number): void {
  const low = ((v[a + 1] as number) >>> 0) + ((v[b + 1] as number) >>> 0);
  v[a + 1] = low;
  v[a] = (v[a] as number) + (v[b] as number) + (low > 0xffffffff ? 1 : 0);
}

/** `a ^= b`, in 64 bits. */
function cross(v: Int32Array, a: number, b: number): void {
  v[a] = (v[a] as number) ^ (v[b] as number);
  v[a + 1] = (v[a + 1] as number) ^ (v[b + 1] as number);
}

/** Turn `a` left by less than 32 bits. */
function turn(v: Int32Array, a: number, bits: number): void {
  const [high, low] = [v[a] as number, v[a + 1] as number];
  v[a] = (high << bits) | (low >>> (32 - bits));
  v[a + 1] = (low << bits) | (high >>> (32 - bits));
}

/** Turn `a` left by 32 bits. */
function swap(v: Int32Array, a: number): void {
  const high = v[a] as number;
  v[a] = v[a + 1] as number;
  v[a + 1] = high;
}
