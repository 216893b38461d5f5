import { expect, test } from 'vitest';
import { unknownDeviations } from './edge.ts';

test('a deviation that names no test is found', () => {
  expect(unknownDeviations(['a', 'b'], { a: 'cannot' })).toEqual([]);
  expect(unknownDeviations(['a', 'b'], { a: 'cannot', 'a ': 'mistyped' })).toEqual(['a ']);
});
