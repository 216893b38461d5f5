import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isLinearPattern, linearPattern } from './linear-pattern.ts';

const cpuMsOf = (work: () => unknown): number => {
  const before = process.cpuUsage();
  work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
};

describe('a pattern of a user', () => {
  const atom = fc.constantFrom('a', 'b', '.', '[ab]', '\\w', '\\d', ' ', '(?:a|b)', '(a)');
  const piece = fc.tuple(atom, fc.constantFrom('', '*', '+', '?', '{1,2}')).map(([one, times]) => one + times);
  const source = fc
    .tuple(fc.constantFrom('', '^'), fc.array(piece, { minLength: 1, maxLength: 5 }), fc.constantFrom('', '$'))
    .map(([start, pieces, end]) => start + pieces.join('') + end);
  const line = fc.string({ unit: fc.constantFrom('a', 'b', ' ', '1', 'é', '_'), maxLength: 12 });

  it('finds what JavaScript would find', () => {
    fc.assert(
      fc.property(source, line, (pattern, text) => {
        const [own, plain] = [linearPattern(pattern), new RegExp(pattern, 'u')];
        expect(own.test(text)).toBe(plain.test(text));
        expect(own.firstGroup(text)).toBe(plain.exec(text)?.[1]);
      }),
      { numRuns: 2_000 },
    );
  });

  it.each(['^settled ', ' in (\\d+) ms', 'status=5\\d\\d', '"took":([\\d.]+)', 'a\\/b', '\\u00e9', '\\p{L}+', '(?<ms>\\d+)'])(
    'takes %s',
    (pattern) => expect(isLinearPattern(pattern)).toBe(true),
  );

  it.each(['(a)\\1', 'a(?=b)', 'a(?!b)', '(?<!a)b', '(', '[', '*'])('refuses %s', (pattern) =>
    expect(isLinearPattern(pattern)).toBe(false),
  );

  it('made to take long takes time in proportion to the line', () => {
    const hostile = fc.constantFrom(
      '(a+)+$',
      '(a|a)*$',
      '(a|aa)+$',
      '(.*a){12}$',
      '(a*)*b',
      '([a-z]+)*!',
      `${'a?'.repeat(40)}${'a'.repeat(40)}`,
      'a*a*a*a*a*b',
    );
    fc.assert(
      fc.property(hostile, (pattern) => {
        const own = linearPattern(pattern);
        // JavaScript's own algorithm takes years for each of these, or (the last two) minutes.
        expect(cpuMsOf(() => own.test(`${'a'.repeat(20_000)} `))).toBeLessThan(5_000);
      }),
      { numRuns: 16 },
    );
  });
});
