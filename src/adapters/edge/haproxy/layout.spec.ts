import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { EdgeIntent } from '../../../core/app/traffic.ts';
import { appKey, decodeSplit, encodeSplit, endpointOf, layoutOf, routeKey, serverName, versionKey } from './layout.ts';
import { parseIntent } from './schema.ts';
import { allocate } from './slots.ts';

const at = (port: number) => ({ host: '127.0.0.1', port });
const intent = (differences: Partial<EdgeIntent> = {}): EdgeIntent => ({
  app: 'production/web',
  fence: 1,
  routes: [{ host: 'Web.Example', pathPrefix: '/api/' }],
  versions: [
    { id: 'v1', weight: 92.5, endpoints: [at(1)] },
    { id: 'v2', weight: 7.5, endpoints: [at(2)] },
  ],
  sticky: { by: 'cookie' },
  ...differences,
});
const tokens = { v1: 'b1.1', v2: 'b2.2' };

/** Weights in tenths of a percent that sum to 100. */
const weights = fc.array(fc.nat(1_000), { minLength: 1, maxLength: 6 }).map((cuts) => {
  const edges = [0, ...cuts.toSorted((a, b) => a - b), 1_000];
  return edges.slice(1).map((edge, i) => (edge - (edges[i] ?? 0)) / 10);
});

/** What the rules of the configuration do with a split: the first part whose end is beyond the place. */
function chosen(split: string, place: number): string | undefined {
  return split
    .split('|')
    .slice(1)
    .map((part) => part.split(':'))
    .find(([upTo]) => Number(upTo) > place)?.[1];
}

describe('split', () => {
  test('the last version has the low end', () => expect(encodeSplit(intent(), tokens)).toBe('c|750:b2.2|10000:b1.1'));
  test('one version with weight needs no stickiness', () =>
    expect(
      encodeSplit(
        intent({
          versions: [
            { id: 'v1', weight: 100, endpoints: [at(1)] },
            { id: 'v2', weight: 0, endpoints: [] },
          ],
        }),
        tokens,
      ),
    ).toBe('n|10000:b1.1'));

  test('what was written is read back', () =>
    fc.assert(
      fc.property(weights, (given) => {
        const versions = given.map((weight, i) => ({ id: `v${i}`, weight, endpoints: [at(i + 1)] }));
        const named = Object.fromEntries(versions.map(({ id }, i) => [id, `b${i}.${i}`]));
        const read = decodeSplit(encodeSplit(intent({ versions }), named));
        for (const { id, weight } of versions) expect(read.get(named[id] ?? '') ?? 0).toBeCloseTo(weight, 6);
      }),
    ));

  test('raising the last weight never moves anybody back', () =>
    fc.assert(
      fc.property(fc.nat(1_000), fc.nat(1_000), fc.nat(9_999), (a, b, place) => {
        const [low, high] = [Math.min(a, b) / 10, Math.max(a, b) / 10];
        const split = (percent: number) =>
          encodeSplit(
            intent({
              versions: [
                { id: 'v1', weight: (1000 - percent * 10) / 10, endpoints: [] },
                { id: 'v2', weight: percent, endpoints: [] },
              ],
            }),
            tokens,
          );
        if (chosen(split(low), place) === 'b2.2') expect(chosen(split(high), place)).toBe('b2.2');
      }),
    ));

  test('every place has a version', () =>
    fc.assert(
      fc.property(weights, fc.nat(9_999), (given, place) => {
        const versions = given.map((weight, i) => ({ id: `v${i}`, weight, endpoints: [] }));
        expect(chosen(encodeSplit(intent({ versions }), Object.fromEntries(versions.map(({ id }) => [id, id]))), place)).toBeDefined();
      }),
    ));
});

describe('names', () => {
  test('a route key is lower case and ends at a segment', () => {
    expect(routeKey({ host: 'Web.Example', pathPrefix: '/api/' })).toBe('web.example/api/');
    expect(routeKey({ host: null, pathPrefix: '/' })).toBe('*/');
  });
  test('a server name says its endpoint', () => {
    for (const endpoint of [at(80), { host: '::1', port: 1 }, { host: 'app.internal', port: 65_535 }])
      expect(endpointOf(serverName(endpoint))).toEqual(endpoint);
    expect(endpointOf('successor')).toBeNull();
  });
  test('any version id has a key without blanks', () => expect(versionKey('a', 'ü ;\n')).toMatch(/^a[0-9a-f]{16}:[0-9A-F]+$/));
});

test('the layout holds routes, versions, split and servers', () => {
  const layout = layoutOf({
    port: 1,
    serial: 2,
    slots: 2,
    apps: {
      'production/web': { fence: 1, intent: intent(), tokens, addresses: {} },
      gone: { fence: 3, intent: null, tokens: {}, addresses: {} },
    },
  });
  const key = appKey('production/web');
  expect([...layout.routes]).toEqual([['web.example/api/', key]]);
  expect([...layout.versions]).toEqual([
    [`${key}:7631`, 'b1.1'],
    [`${key}:7632`, 'b2.2'],
  ]);
  expect([...layout.splits]).toEqual([[key, 'c|750:b2.2|10000:b1.1']]);
  expect([...(layout.servers.get('b1') ?? [])]).toEqual([['e3132372e302e302e31_1', { ip: '127.0.0.1', port: 1 }]]);
});

describe('slots', () => {
  const state = { port: 1, serial: 0, slots: 2, apps: {} };
  test('a version keeps its token, a new one gets a free backend', () => {
    const first = allocate(state, intent(), new Set());
    expect(new Set(Object.values(first.tokens).map((token) => token.split('.')[0])).size).toBe(2);
    const known = {
      ...state,
      serial: first.serial,
      apps: { 'production/web': { fence: 1, intent: intent(), tokens: first.tokens, addresses: {} } },
    };
    const second = allocate(known, intent({ versions: [...intent().versions, { id: 'v3', weight: 0, endpoints: [] }] }), new Set());
    expect(second.tokens).toMatchObject(first.tokens);
    expect(second.slots).toBe(4);
    expect(second.serial).toBe(3);
  });
  test('a backend in which something is under way is not given', () => {
    const one = intent({ versions: [{ id: 'v1', weight: 100, endpoints: [at(1)] }] });
    expect(allocate(state, one, new Set(['b1'])).tokens['v1']).toBe('b2.1');
    expect(allocate(state, one, new Set(['b2'])).tokens['v1']).toBe('b1.1');
  });
});

describe('what is refused', () => {
  const refused: [string, Partial<EdgeIntent>][] = [
    ['weights that do not sum to 100', { versions: [{ id: 'v1', weight: 99, endpoints: [at(1)] }] }],
    [
      'a finer weight than can be told',
      {
        versions: [
          { id: 'v1', weight: 99.95, endpoints: [at(1)] },
          { id: 'v2', weight: 0.05, endpoints: [at(1)] },
        ],
      },
    ],
    [
      'a version twice',
      {
        versions: [
          { id: 'v1', weight: 50, endpoints: [at(1)] },
          { id: 'v1', weight: 50, endpoints: [at(1)] },
        ],
      },
    ],
    ['weight without endpoint', { versions: [{ id: 'v1', weight: 100, endpoints: [] }] }],
    ['a route that would be a command', { routes: [{ host: null, pathPrefix: '/a;shutdown' }] }],
    ['a route with a blank', { routes: [{ host: 'a b', pathPrefix: '/' }] }],
    ['a header that is none', { sticky: { by: 'header', header: 'x) }\n' } }],
    [
      'too many versions with weight',
      { versions: Array.from({ length: 10 }, (_, i) => ({ id: `v${i}`, weight: 10, endpoints: [at(1)] })) },
    ],
  ];
  for (const [title, differences] of refused)
    test(title, () => expect(() => parseIntent(intent(differences))).toThrow(expect.objectContaining({ code: 'EDGE_INTENT_INVALID' })));
  test('nothing about a good one', () => expect(parseIntent(intent())).toEqual(intent()));
});
