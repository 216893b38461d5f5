import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { matchesPattern, matchesPlainPattern, matchesWildcard } from './glob.ts';

const tokensOf = (pattern: string): string[] => pattern.match(/\{[^{}]*\}|\*\*\/|\*\*|[^]/g) ?? [];

/** What a pattern means, in the plainest words that a computer understands; only for short ones, because it tries everything. */
function means([token, ...rest]: readonly string[], path: string): boolean {
  if (token === undefined) return path === '';
  const again = [token, ...rest];
  if (token.length > 1 && token.startsWith('{')) {
    const either = token.slice(1, -1).split(',');
    return either.some((one) => means([...tokensOf(one), ...rest], path));
  }
  if (token === '**/') {
    const [folder] = /^[^/]+\//.exec(path) ?? [];
    return means(rest, path) || (folder !== undefined && means(again, path.slice(folder.length)));
  }
  if (token === '**') return means(rest, path) || (path !== '' && means(again, path.slice(1)));
  if (token === '*') return means(rest, path) || (path !== '' && path[0] !== '/' && means(again, path.slice(1)));
  if (path === '') return false;
  return (token === '?' ? path[0] !== '/' : token === path[0]) && means(rest, path.slice(1));
}

const cpuOf = (work: () => unknown): number => {
  const before = process.cpuUsage();
  work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
};

describe('a glob', () => {
  const piece = fc.constantFrom('a', 'b', '/', '.', '*', '**', '**/', '?', '{a,b}', '{a*,}', '{,b/**/a}');
  const pattern = fc.array(piece, { maxLength: 7 }).map((pieces) => pieces.join(''));
  const path = fc.array(fc.constantFrom('a', 'b', '/', '.', 'ab', 'a/b'), { maxLength: 7 }).map((pieces) => pieces.join(''));

  it('means what it says, whatever it is made of', () => {
    fc.assert(
      fc.property(pattern, path, (glob, name) => {
        expect(matchesPattern(name, glob)).toBe(means(tokensOf(glob.replace(/^\.\//, '')), name));
        const plain = glob.replaceAll(/[{},]/g, '');
        expect(matchesPlainPattern(name, plain)).toBe(means(tokensOf(plain.replace(/^\.\//, '')), name));
      }),
      { numRuns: 3_000 },
    );
  });

  it.each([
    ['a\nb.ts', '**', true],
    ['é/😀.ts', '?/?.ts', true],
    ['{a', '{a', true],
    ['{ab}', '{{a,b}', false],
    ['{b', '{{a,b}', true],
    ['a}', '{a,b}}', true],
    ['x[1].ts', 'x[1].ts', true],
    ['ab+', 'ab+', true],
    ['a\\b', 'a\\*', true],
  ])('%j fits %j: %s', (name, glob, fits) => expect(matchesPattern(name, glob)).toBe(fits));

  it('stands for any text where it is about names', () => {
    fc.assert(
      fc.property(
        fc.array(fc.constantFrom('a', '*', '/', '.', '?')),
        fc.string({ unit: fc.constantFrom('a', '/', '.', '\n') }),
        (pieces, text) => {
          const wildcard = pieces.join('');
          const source = wildcard.split('*').map((part) => part.replaceAll(/[.+?^${}()|[\]\\]/g, '\\$&'));
          expect(matchesWildcard(text, wildcard)).toBe(new RegExp(`^${source.join('.*')}$`, 's').test(text));
        },
      ),
    );
  });

  it('made to take long takes time in proportion to the path', () => {
    const hostile = fc
      .array(fc.constantFrom('*a', '**a', '**/', '?*', '{a,aa}', '{*,**}', '{a,a}*', '*'), { minLength: 10, maxLength: 40 })
      .map((pieces) => `${pieces.join('')}b`);
    fc.assert(
      fc.property(hostile, (glob) => {
        const folders = 'a/'.repeat(1_000);
        // A RegExp of the same meaning takes longer than the age of the world. One letter a state is about 200,000 steps here.
        expect(cpuOf(() => matchesPattern(`${folders}${'a'.repeat(2_000)}`, glob))).toBeLessThan(2_000);
        expect(cpuOf(() => matchesWildcard('a'.repeat(4_000), glob))).toBeLessThan(2_000);
      }),
      { numRuns: 30 },
    );
  });
});
