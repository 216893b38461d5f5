import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { sampleBetween } from './from-counters.ts';
import type { Reading } from './reading.ts';

type Versions = Reading['versions'];

function reading(at: number, versions: Versions, epoch = 'e1'): Reading {
  return { epoch, at, versions };
}

function counters(ok: number, failed = 0, fivexx = 0) {
  return { requests: ok + failed + fivexx, byClass: { '2xx': ok, '5xx': fivexx, failed }, latency: { '200': ok, '300': fivexx } };
}

describe('sampleBetween', () => {
  it('subtracts the counters of both versions', () => {
    const sample = sampleBetween(
      reading(10, { a: counters(5), b: counters(50, 0, 1) }),
      reading(20, { a: counters(9, 1, 2), b: counters(80, 0, 1) }),
      'a',
      'b',
    );
    expect(sample).toEqual({
      fromAt: 10,
      at: 20,
      candidate: { requests: 7, errors: 3, latency: { '200': 4, '300': 2 }, classes: { '2xx': 4, '5xx': 2, failed: 1 } },
      baseline: { requests: 30, errors: 0, latency: { '200': 30 }, classes: { '2xx': 30 } },
      error: null,
    });
  });

  it('says nothing of classes where the source does not tell them', () => {
    const told = { requests: 10, errors: 1, byClass: {}, latency: {} };
    expect(sampleBetween(reading(0, {}), reading(1, { a: told }), 'a', null).candidate).toEqual({ requests: 10, errors: 1, latency: {} });
  });

  it('counts from zero after the edge started again', () => {
    const sample = sampleBetween(reading(10, { a: counters(500) }, 'e1'), reading(20, { a: counters(700) }, 'e2'), 'a', null);
    expect(sample).toMatchObject({ candidate: { requests: 700 }, baseline: null });
  });

  it('AR#1905: a counter that went down starts anew with all counters of its version, and only of its version', () => {
    const before = reading(10, { a: counters(500, 3), b: counters(100) });
    const sample = sampleBetween(before, reading(20, { a: counters(600, 1), b: counters(150) }), 'a', 'b');
    expect(sample.candidate).toMatchObject({ requests: 601, errors: 1 });
    expect(sample.baseline).toMatchObject({ requests: 50 });
  });

  it('a version seen for the first time counts from zero; one the edge does not know has no counts', () => {
    expect(sampleBetween(reading(10, {}), reading(20, { a: counters(3) }), 'a', null).candidate?.requests).toBe(3);
    expect(sampleBetween(reading(10, { a: counters(3) }), reading(20, {}), 'a', 'b')).toMatchObject({
      candidate: null,
      baseline: null,
      error: null,
    });
  });

  it('judges finished requests only', () => {
    const started = { requests: 10, byClass: { '2xx': 4 }, latency: { '5': 4 } };
    expect(sampleBetween(reading(0, {}), reading(1, { a: started }), 'a', null).candidate?.requests).toBe(4);
    expect(sampleBetween(reading(0, {}), reading(1, { a: { ...started, byClass: {} } }), 'a', null).candidate?.requests).toBe(10);
  });

  it('errors counted apart from requests may come later than those, and go on from readings that had classes', () => {
    const apart = (requests: number, errors: number) => ({ a: { requests, errors, byClass: {}, latency: {} } });
    const between = (before: Versions, after: Versions) => sampleBetween(reading(0, before), reading(1, after), 'a', null).candidate;
    expect(between(apart(400, 2), apart(400, 3))).toEqual({ requests: 1, errors: 1, latency: {} });
    expect(between(apart(400, 2), apart(410, 3))).toEqual({ requests: 10, errors: 1, latency: {} });
    expect(between(apart(400, 2), apart(7, 1))).toEqual({ requests: 7, errors: 1, latency: {} });
    expect(between({ a: { requests: 400, byClass: { '2xx': 398, '5xx': 2 }, latency: {} } }, apart(410, 3))).toMatchObject({
      requests: 10,
      errors: 1,
    });
  });

  it('makes counters that are not numbers an error sample', () => {
    const broken = { ...counters(1), requests: Number.NaN };
    expect(sampleBetween(reading(0, {}), reading(1, { a: broken, b: counters(1) }), 'a', 'b')).toMatchObject({
      candidate: null,
      baseline: null,
      error: "the edge's counters of version a are not numbers",
    });
  });

  it('tells routes apart where the edge does, from what they were at the last reading', () => {
    const of = (routes: Record<string, Record<string, number>>) => ({ ...counters(100), routes });
    const before = reading(0, { a: of({ '/x': { '2xx': 10, '5xx': 1 } }), b: of({ '/x': { '2xx': 5 }, '/y': { '2xx': 7 } }) });
    const after = reading(1, {
      a: of({ '/x': { '2xx': 10, '5xx': 4 }, '/z': { '4xx': 2 } }),
      b: of({ '/x': { '2xx': 2 }, '/y': { '2xx': 7 } }),
    });
    const part = (requests: number, errors: number, classes: Record<string, number>) => ({ requests, errors, latency: {}, classes });
    expect(sampleBetween(before, after, 'a', 'b').strata).toEqual({
      '/x': { candidate: part(3, 3, { '5xx': 3 }), baseline: part(2, 0, { '2xx': 2 }) },
      '/z': { candidate: part(2, 0, { '4xx': 2 }), baseline: null },
    });
    expect(sampleBetween(reading(0, { a: counters(1) }), reading(1, { a: counters(2) }), 'a', null)).not.toHaveProperty('strata');
  });

  it('blocks of any readings of growing counters add up to the whole, however they are cut', () => {
    const step = fc.record({ ok: fc.nat(50), failed: fc.nat(5), fivexx: fc.nat(5) });
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 10 }), (steps) => {
        const all = [reading(0, { a: counters(0) })];
        let [ok, failed, fivexx] = [0, 0, 0];
        for (const [index, more] of steps.entries()) {
          [ok, failed, fivexx] = [ok + more.ok, failed + more.failed, fivexx + more.fivexx];
          all.push(reading(index + 1, { a: counters(ok, failed, fivexx) }));
        }
        const blocks = steps.map((_, index) => sampleBetween(all[index]!, all[index + 1]!, 'a', null));
        const sum = (of: 'requests' | 'errors') => blocks.reduce((total, block) => total + (block.candidate?.[of] ?? 0), 0);
        expect([sum('requests'), sum('errors')]).toEqual([ok + failed + fivexx, failed + fivexx]);
      }),
    );
  });
});
