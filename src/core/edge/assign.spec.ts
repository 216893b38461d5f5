import fc from 'fast-check';
import { expect, test } from 'vitest';
import { endsOf, indexAt, placeOf, PLACES } from './assign.ts';

const split = fc.array(fc.integer({ min: 0, max: 1000 }), { minLength: 1, maxLength: 5 }).map((cuts) => {
  const edges = [0, ...cuts.toSorted((a, b) => a - b), 1000];
  return edges.slice(1).map((edge, i) => (edge - (edges[i] ?? 0)) / 10);
});

test('each version holds exactly its weight of the places', () => {
  fc.assert(
    fc.property(split, (weights) => {
      const ends = endsOf(weights);
      const held = weights.map(() => 0);
      for (let place = 0; place < PLACES; place += 1) {
        const index = indexAt(ends, place + 0.5);
        held[index] = (held[index] ?? 0) + 1;
      }
      expect(held.map((count) => count / 10)).toEqual(weights);
    }),
  );
});

test('raising the last weight never takes a user away from it', () => {
  fc.assert(
    fc.property(split, fc.double({ min: 0, max: 999.999, noNaN: true }), fc.nat(), (weights, place, n) => {
      const last = weights.length - 1;
      if (indexAt(endsOf(weights), place) !== last) return;
      const raised = [...weights];
      const giver = n % weights.length;
      raised[last] = Math.round(((raised[last] ?? 0) + (giver === last ? 0 : (raised[giver] ?? 0))) * 10) / 10;
      if (giver !== last) raised[giver] = 0;
      expect(indexAt(endsOf(raised), place)).toBe(last);
    }),
  );
});

test.each([
  ['counting', (i: number) => `user-${i}`],
  ['one letter apart', (i: number) => `aaaaaaaa${String.fromCharCode(33 + (i % 90))}${Math.floor(i / 90)}`],
  ['random', () => Math.random().toString(36)],
])('users with %s names spread evenly', (_, name) => {
  const users = 100_000;
  const tenths = Array.from({ length: 100 }, () => 0);
  for (let i = 0; i < users; i += 1) {
    const tenth = Math.floor(placeOf('production/shop', name(i)) / 10);
    tenths[tenth] = (tenths[tenth] ?? 0) + 1;
  }
  const chiSquared = tenths.reduce((sum, count) => sum + (count - 1000) ** 2 / 1000, 0);
  // 99 degrees of freedom: above 200 only once in ten million.
  expect(chiSquared).toBeLessThan(200);
});

test('the users that come first differ from app to app', () => {
  const both = Array.from({ length: 10_000 }, (_, i) => `u${i}`).filter(
    (user) => placeOf('a/one', user) < 100 && placeOf('a/two', user) < 100,
  );
  expect(both.length).toBeGreaterThan(50);
  expect(both.length).toBeLessThan(160);
});

test('a user has one place', () => {
  expect(placeOf('a', 'b')).toBe(placeOf('a', 'b'));
  expect(placeOf('ab', 'c')).not.toBe(placeOf('a', 'bc'));
});

test('the secret of the edge decides with the cookie: what gives one edge a place says nothing about another', () => {
  fc.assert(
    fc.property(fc.integer(), fc.integer(), (a, b) => {
      fc.pre(a !== b);
      const users = Array.from({ length: 2_000 }, (_, i) => `u${i}`);
      const first = users.filter((user) => placeOf('app', user, [a, 1, 2, 3]) < 100);
      const both = first.filter((user) => placeOf('app', user, [b, 1, 2, 3]) < 100);
      // A tenth of a tenth is 20 of 2,000; 60 is nine standard deviations away.
      expect(both.length).toBeLessThan(60);
    }),
    { numRuns: 20 },
  );
});
