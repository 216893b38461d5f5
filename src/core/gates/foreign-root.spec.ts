import fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';
import { mapForeignRoot, wholePath } from './foreign-root.ts';

const map = (asked: readonly string[], files: readonly string[], own = '.') =>
  mapForeignRoot(
    asked.map((path) => [path]),
    new Set(files),
    own,
  );

describe('a foreign root', () => {
  it('is the one folder where every path is a file', () => {
    expect(map(['/app/src/a.ts', '/app/lib/b.ts'], ['src/a.ts', 'lib/b.ts'])).toMatchObject({
      kind: 'mapped',
      root: { from: '/app', to: '' },
    });
    expect(map(['/app/src/a.ts', '/app/lib/b.ts'], ['x/src/a.ts', 'x/lib/b.ts', 'y/src/a.ts'])).toMatchObject({
      kind: 'mapped',
      root: { from: '/app', to: 'x' },
      paths: ['x/src/a.ts', 'x/lib/b.ts'],
    });
  });
  it('of two that would do is that of the app itself, else none', () => {
    const files = ['web/src/a.ts', 'api/src/a.ts'];
    expect(map(['/app/src/a.ts'], files, 'web')).toMatchObject({ kind: 'mapped', paths: ['web/src/a.ts'] });
    expect(map(['/app/src/a.ts'], files)).toMatchObject({ kind: 'ambiguous' });
    expect(map(['/app/src/a.ts'], ['web/a/src/a.ts', 'web/b/src/a.ts'], 'web')).toMatchObject({ kind: 'ambiguous' });
  });
  test.each([
    ['one path is not there', ['/app/src/a.ts', '/app/src/b.ts'], ['src/a.ts']],
    ['the paths are of two roots', ['/one/src/a.ts', '/two/lib/b.ts'], ['src/a.ts', 'lib/b.ts']],
    ['only the last name is the same', ['/other/index.ts'], ['src/index.ts']],
    ['an ending is no name', ['/app/src/a.ts'], ['src/aa.ts', 'rc/a.ts']],
  ])('is none where %s', (_what, asked, files) => expect(map(asked, files)).toEqual({ kind: 'none' }));

  it('never leads to a file of another name, or to two roots at once', () => {
    const part = fc.constantFrom('a', 'b', 'c');
    const path = fc.array(part, { minLength: 1, maxLength: 4 }).map((parts) => parts.join('/'));
    fc.assert(
      fc.property(
        fc.uniqueArray(path, { minLength: 1, maxLength: 8 }),
        fc.array(path, { minLength: 1, maxLength: 4 }),
        path,
        (files, asked, root) => {
          const there = asked.map((one) => `/${root}/${one}`);
          const found = map(there, files);
          if (found.kind !== 'mapped') return;
          for (const [i, local] of found.paths.entries()) {
            expect(files).toContain(local);
            const rest = there[i]?.slice(found.root.from.length + 1) ?? '';
            expect(local).toBe(found.root.to === '' ? rest : `${found.root.to}/${rest}`);
          }
        },
      ),
    );
  });

  it('is found for a whole report of any tree that was copied somewhere else', () => {
    const name = fc.constantFrom('src', 'lib', 'a.ts', 'b.ts', 'c.ts');
    const files = fc.uniqueArray(
      fc.tuple(name, name, name).map((parts) => parts.join('/')),
      { minLength: 1, maxLength: 8 },
    );
    fc.assert(
      fc.property(files, fc.constantFrom('/app', '/home/runner/work/shop/shop', '/a/b/c/d'), (tree, root) => {
        const found = map(
          tree.map((one) => `${root}/${one}`),
          tree,
        );
        expect(found).toMatchObject({ kind: 'mapped', paths: tree });
      }),
    );
  });
});

test.each([
  [String.raw`C:\work\src\a.ts`, '/work/src/a.ts'],
  ['file:///app/src/a.ts', '/app/src/a.ts'],
  ['file:///D:/w/a.ts', '/w/a.ts'],
  ['/app/./src/../a.ts', '/app/a.ts'],
  [String.raw`src\a.ts`, null],
  ['src/a.ts', null],
])('%s as a whole path: %s', (path, whole) => expect(wholePath(path)).toBe(whole));
