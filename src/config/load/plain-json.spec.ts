import { expect, test } from 'vitest';
import { plainJson } from './plain-json.ts';

test.each([
  ['{"a":{"b":[1,{"c":"x:y"}]},"d\\":":1}', { a: { b: [1, { c: 'x:y' }] }, 'd":': 1 }],
  ['{"a" : "\\": "}', { a: '": ' }],
  ['[]', []],
])('%s is read', (text, value) => {
  expect(plainJson(text)).toEqual({ value });
});

test.each(['{"a":1,"a":2}', '{"a":{"b":1,"c":[],"b":1}}', '{"a":1,}', ''])('%s is left to the parser that knows places', (text) => {
  expect(plainJson(text)).toBeNull();
});
