import fc from 'fast-check';
import type { ArmCounts, Sample } from '../../src/core/analysis/sample.ts';
import { LOOK, T0 } from './samples.ts';

const anyCount = fc.oneof(fc.nat(1000), fc.constantFrom(0, -1, 0.5, 1e12, 1e300, Number.NaN, Infinity, -Infinity));
const anyHistogram = fc.dictionary(fc.oneof(fc.nat(900).map(String), fc.constantFrom('863', '99999', 'x', '-1', '')), anyCount, {
  maxKeys: 4,
});
const anyArm: fc.Arbitrary<ArmCounts | null> = fc.option(fc.record({ requests: anyCount, errors: anyCount, latency: anyHistogram }));
export const anyTime = fc.oneof(
  fc.integer({ min: -2, max: 12 }).map((look) => T0 + look * LOOK),
  fc.constantFrom(Number.NaN, Infinity, 0, -1),
);
/** Samples with whatever may be wrong about one. */
export const anySample: fc.Arbitrary<Sample> = fc.record({
  fromAt: anyTime,
  at: anyTime,
  candidate: anyArm,
  baseline: anyArm,
  error: fc.option(fc.constant('down'), { freq: 4 }),
});
/** Counts as they should be. */
export const soundArm = fc
  .record({ requests: fc.nat(300), share: fc.double({ min: 0, max: 1, noNaN: true }), bucket: fc.nat(860) })
  .map(({ requests, share, bucket }) => ({
    requests,
    errors: Math.floor(requests * share),
    latency: requests > 0 ? { [bucket]: requests } : {},
  }));
