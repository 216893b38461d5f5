import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { addCounts, faultOf, NOTHING_COUNTED } from './arms.ts';
import type { ArmCounts, Sample } from './sample.ts';

const CLASSES = ['1xx', '2xx', '3xx', '4xx', '5xx', 'failed', 'aborted'] as const;

const arm = fc.dictionary(fc.constantFrom(...CLASSES), fc.nat(1000), { noNullPrototype: true }).map((classes): ArmCounts => ({
  requests: Object.values(classes).reduce((sum, count) => sum + count, 0),
  errors: (classes['5xx'] ?? 0) + (classes['failed'] ?? 0),
  latency: {},
  classes,
}));

const sampleOf = (candidate: ArmCounts): Sample => ({ fromAt: 0, at: 10, candidate, baseline: null, error: null });

describe('status classes', () => {
  it('of a sum are known where they are known of every request in it', () => {
    fc.assert(
      fc.property(arm, arm, (a, b) => {
        const both = addCounts(a, b);
        for (const name of CLASSES) expect(both.classes?.[name] ?? 0).toBe((a.classes?.[name] ?? 0) + (b.classes?.[name] ?? 0));
        expect(faultOf(sampleOf(both))).toBeNull();
      }),
    );
    const unknown: ArmCounts = { requests: 1, errors: 0, latency: {} };
    const known: ArmCounts = { ...unknown, classes: { '2xx': 1 } };
    expect(addCounts(known, unknown).classes).toBeUndefined();
    expect(addCounts(NOTHING_COUNTED, known).classes).toEqual({ '2xx': 1 });
  });

  it.each([
    ['more of them than requests', { requests: 3, errors: 0, classes: { '2xx': 4 } }, 'than requests (3)'],
    ['more failures than errors', { requests: 3, errors: 1, classes: { '5xx': 1, failed: 1 } }, 'than errors (1)'],
    ['a negative count', { requests: 3, errors: 0, classes: { '4xx': -1 } }, '-1 answers of class 4xx'],
    ['no number', { requests: 3, errors: 0, classes: { '4xx': Number.NaN } }, 'NaN answers of class 4xx'],
  ])('that contradict the rest are not believed: %s', (_, counts, fault) => {
    expect(faultOf(sampleOf({ latency: {}, ...counts }))).toContain(fault);
  });
});
