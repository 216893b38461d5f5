import { expect, test } from 'vitest';
import { sipHashHalves } from './sip-hash.ts';

const KEY = [0x03020100, 0x07060504, 0x0b0a0908, 0x0f0e0d0c] as const;

/** Inputs 00, 00 01, 00 01 02 …; from the reference implementation (vectors.h of github.com/veorq/SipHash), bytes in little-endian order. */
test.each([
  [0, '310e0edd47db6f72'],
  [1, 'fd67dc93c539f874'],
  [2, '5a4fa9d909806c0d'],
  [7, '37d1018bf50002ab'],
  [8, '6224939a79f5f593'],
  [15, 'e545be4961ca29a1'],
])('gives the published hash of %i bytes', (length, expected) => {
  const text = String.fromCharCode(...Array.from({ length }, (_, i) => i));
  const [high, low] = sipHashHalves(KEY, text);
  const bytes = Buffer.alloc(8);
  bytes.writeInt32LE(low, 0);
  bytes.writeInt32LE(high, 4);
  expect(bytes.toString('hex')).toBe(expected);
});
