import fc from 'fast-check';
import { expect, test } from 'vitest';
import { NOT_ROUTED, unserved } from './served.ts';

test('only answers of an app count as served, whatever it says', () => {
  fc.assert(
    fc.property(fc.oneof(fc.integer({ min: 100, max: 599 }), fc.integer({ min: 500, max: 505 })), fc.string(), (status, text) => {
      const isEdge = status >= 502 && status <= 504;
      expect(unserved(status, `app: ${text}`) === null).toBe(!isEdge);
    }),
  );
});

test('the edge itself is known by its words, and only with the statuses that it gives them', () => {
  expect(unserved(404, `${NOT_ROUTED}\n`)).toContain('no such route');
  expect(unserved(421, 'The app has no version "abc" here.\n')).toContain('does not reach the version');
  expect(unserved(404, 'The app has no such version here.\n')).toContain('does not reach the version');
  expect(unserved(200, NOT_ROUTED)).toBeNull();
  expect(unserved(404, 'Not found')).toBeNull();
});
