import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseCondition, parseDuration, parseMeasure, parseRoute, parseStatus, shellSyntax, splitArgv } from './values.ts';

test.each([
  [204, { from: 204, to: 204 }],
  ['301', { from: 301, to: 301 }],
  ['2xx', { from: 200, to: 299 }],
  ['200-399', { from: 200, to: 399 }],
  ['399-200', null],
  ['6xx', null],
  ['2XX', null],
  [99, null],
  ['200,204', null],
])('the status %j is %j', (value, range) => {
  expect(parseStatus(value)).toEqual(range);
});

test.each([
  ['250ms', 250],
  ['30s', 30_000],
  ['1.5 h', 5_400_000],
  ['2d', 172_800_000],
  [1500, 1500],
  [0, 0],
  ['0.1s', 100],
  ['30', null],
  ['-1s', null],
  ['1h30m', null],
  ['10 minutes', null],
  [-1, null],
  [Number.NaN, null],
])('the time %j is %s ms', (value, ms) => {
  expect(parseDuration(value)).toBe(ms);
});

describe('a command line', () => {
  test.each<[string, string[] | null]>([
    ['node server.js', ['node', 'server.js']],
    ['  a\t b ', ['a', 'b']],
    [`sh -c 'echo "hi there"'`, ['sh', '-c', 'echo "hi there"']],
    [String.raw`a "b \"c\" \d" e\ f`, ['a', String.raw`b "c" \d`, 'e f']],
    [`a '' b`, ['a', '', 'b']],
    [`--x="1 2"3`, ['--x=1 23']],
    [String.raw`'a\'`, ['a\\']],
    ['', []],
    [`a "b`, null],
    ['a\\', null],
  ])('%j', (line, argv) => {
    expect(splitArgv(line)).toEqual(argv);
  });

  test('gives back any arguments that were quoted', () => {
    const quoted = (word: string): string => `'${word.replaceAll("'", `'\\''`)}'`;
    fc.assert(
      fc.property(fc.array(fc.string({ unit: 'binary' })), (words) => {
        expect(splitArgv(words.map(quoted).join(' '))).toEqual(words);
      }),
      { numRuns: 50 },
    );
  });

  test.each<[string, string | null]>([
    ['a && b', '&&'],
    ['a | b', '|'],
    ['a > b', '>'],
    ['a $HOME', '$HOME'],
    ['a --grep=a&b', null],
    ['curl http://x/?a=1&b=2', null],
    ['node -e 1', null],
  ])('%j needs a shell because of %s', (line, syntax) => {
    expect(shellSyntax(splitArgv(line) ?? [])).toBe(syntax);
  });
});

test.each([
  ['< 1 %', { compare: '<', value: 0.01, of: 'candidate' }],
  ['<=300ms', { compare: '<=', value: 300, of: 'candidate' }],
  ['> 1.5 s', { compare: '>', value: 1500, of: 'candidate' }],
  ['<= 110 % of baseline', { compare: '<=', value: 1.1, of: 'ratio' }],
  ['>= 1.2 of baseline', { compare: '>=', value: 1.2, of: 'ratio' }],
  ['< 300 ms of baseline', null],
  ['= 1', null],
  ['1 %', null],
])('the condition %j', (text, condition) => {
  expect(parseCondition(text)).toEqual(condition);
});

test.each([
  ['errorRate', { kind: 'errorRate' }],
  ['p95', { kind: 'latency', quantile: 0.95 }],
  ['p99.9', { kind: 'latency', quantile: 0.999 }],
  ['p100', null],
  ['p0', null],
  ['latency', null],
])('the measure %j', (text, measure) => {
  expect(parseMeasure(text)).toEqual(measure);
});

test.each([
  ['/', { host: null, pathPrefix: '/' }],
  ['/api/', { host: null, pathPrefix: '/api' }],
  ['Shop.Example.com', { host: 'shop.example.com', pathPrefix: '/' }],
  ['shop.example.com/api/v1', { host: 'shop.example.com', pathPrefix: '/api/v1' }],
  ['', null],
  ['shop.example.com:80/x', null],
  ['/a?b', null],
])('the route %j', (text, route) => {
  expect(parseRoute(text)).toEqual(route);
});
