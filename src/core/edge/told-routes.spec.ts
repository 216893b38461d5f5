import fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';
import { MOST_ROUTES, toldRoutes } from './told-routes.ts';

describe('a route', () => {
  test.each([
    ['/', '/'],
    ['/?a=/b/c', '/'],
    ['/checkout', '/checkout'],
    ['/checkout/', '/checkout'],
    ['/api/orders/17/lines?all', '/api/orders'],
    ['/api/17', '/api/*'],
    ['/users/0f8fad5b-d9cb-469f-a165-70867728950e', '/users/*'],
    ['/a%20b/c', '/*/c'],
    [`/${'x'.repeat(40)}`, '/*'],
    ['/app.3f2a1b.js', '/*.js'],
    ['//evil', '//evil'],
  ])('of %s is %s', (target, name) => {
    expect(toldRoutes().nameOf(target, '2xx')).toBe(name);
  });

  it('is told once it has been answered well, and then whatever the answer is', () => {
    const routes = toldRoutes();
    for (const outcome of ['1xx', '3xx', '4xx', '5xx', 'failed', 'aborted']) expect(routes.nameOf('/new', outcome), outcome).toBeNull();
    expect(routes.nameOf('/new', '2xx')).toBe('/new');
    for (const outcome of ['3xx', '4xx', '5xx', 'failed', 'aborted']) expect(routes.nameOf('/new', outcome), outcome).toBe('/new');
  });

  it('has one segment where there are too many with two', () => {
    const routes = toldRoutes();
    const names = Array.from({ length: 50 }, (_, i) => routes.nameOf(`/blog/title-${'abcdefgh'[i % 8]}${i}x`, '2xx'));
    expect(new Set(names)).toEqual(new Set([...names.slice(0, 6), '/blog']));
    expect(routes.nameOf('/checkout', '2xx')).toBe('/checkout');
  });

  it('that does not exist takes no room, however many are asked for', () => {
    const routes = toldRoutes();
    for (let i = 0; i < 10_000; i++) expect(routes.nameOf(`/scan${i}/x${i}`, '4xx')).toBeNull();
    expect(routes.nameOf('/checkout', '2xx')).toBe('/checkout');
  });

  it('there are never more of than can be judged, and each keeps its name', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.webPath(), fc.constantFrom('2xx', '4xx', '5xx')), { maxLength: 400 }), (asked) => {
        const routes = toldRoutes();
        const seen = new Map<string, string>();
        for (const [path, outcome] of asked) {
          const name = routes.nameOf(path === '' ? '/' : path, outcome);
          if (name === null) continue;
          seen.set(name, name);
          expect(name.startsWith('/')).toBe(true);
        }
        expect(seen.size).toBeLessThanOrEqual(MOST_ROUTES);
      }),
    );
  });
});
