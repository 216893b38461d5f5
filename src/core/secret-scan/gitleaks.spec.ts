import fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';
import { withGitleaks } from './gitleaks.ts';
import { goPattern } from './go-pattern.ts';
import { OWN_RULES } from './rules.ts';
import { createScanner } from './scan.ts';

const scan = (toml: string, text: string | Buffer, path = 'src/a.txt', now: () => number = () => 0) => {
  const bytes = Buffer.from(text);
  return createScanner(withGitleaks(toml, OWN_RULES), 'key', now).scan(path, bytes, bytes.length);
};
const idsIn = (...args: Parameters<typeof scan>): string[] => scan(...args).findings.map((one) => one.rule);
const rule = (more: string): string => `[[rules]]\nid = "acme"\n${more}\n`;

describe('patterns', () => {
  it('of any nesting take time in proportion to the text', () => {
    const atom = fc.constantFrom('a', '[ab]', '(?:a|b)', '.', String.raw`\w`, 'a?', '(a|aa)');
    const pattern = fc.array(fc.tuple(atom, fc.constantFrom('', '+', '*', '{1,20}')), { minLength: 1, maxLength: 4 }).map((parts) => {
      const inner = parts.map(([one, times]) => `(?:${one})${times}`).join('');
      return `((?:${inner})+)+$`;
    });
    fc.assert(
      fc.property(pattern, (source) => {
        const before = process.cpuUsage().user;
        const all = [...goPattern(source).find(Buffer.from(`${'a'.repeat(20_000)}!`))];
        // A pattern that may be empty is found at the end once more.
        const found = all.filter(({ groups }) => groups[0] !== '');
        expect(found.length).toBeLessThanOrEqual(1);
        expect((process.cpuUsage().user - before) / 1e6).toBeLessThan(10);
      }),
      { numRuns: 25 },
    );
  });

  it("say the same as JavaScript's where both have them", () => {
    const part = fc.constantFrom('a', 'b', '[a-c]', '(a|b)', '(?:ab)', '.', 'c?', 'a+', 'b*', '[^a]', String.raw`\d`);
    fc.assert(
      fc.property(fc.array(part, { minLength: 1, maxLength: 5 }), fc.stringMatching(/^[abc1 ]{0,12}$/), (parts, text) => {
        const source = parts.join('');
        const own = [...text.matchAll(new RegExp(source, 'g'))].filter(([whole]) => whole !== '').map((match) => [match.index, ...match]);
        const go = [...goPattern(source).find(Buffer.from(text))].filter(({ groups }) => groups[0] !== '');
        expect(go.map(({ index, groups }) => [index, ...groups])).toEqual(own);
      }),
    );
  });

  it('that did not get through a file in time are named, with what they found until then', () => {
    let time = 0;
    const looked = scan(rule("regex = 'x[a-z]'"), 'xa xb xc xd', 'a.txt', () => (time += 1500));
    expect(looked.undecided).toEqual(['acme']);
    expect(looked.findings.length).toBeGreaterThan(0);
  });

  test.each([String.raw`(?=a)b`, String.raw`(a)\1`, 'a{2000}', '(?<!a)b'])('%s is refused, as by Go', (source) =>
    expect(() => withGitleaks(rule(`regex = '''${source}'''`), OWN_RULES)).toThrow(expect.objectContaining({ code: 'GITLEAKS_INVALID' })),
  );
});

describe('what a file says', () => {
  it('a keyword anywhere makes its rule tried on all of the file', () =>
    expect(idsIn(rule("regex = '[0-9]{12}'\nkeywords = ['acme']"), `acme\n\n\n\n${'1234'.repeat(3)}\n`)).toEqual(['acme']));
  it('a keyword beyond ASCII counts, in the letters of the file', () =>
    expect(idsIn(rule("regex = 'schlüssel=([0-9]{12})'\nkeywords = ['schlüssel']"), `schlüssel=${'1234'.repeat(3)}`)).toEqual(['acme']));
  it('a rule of a path alone finds the file, also one that is no text', () => {
    expect(scan(rule(String.raw`path = '''\.p12$'''`), Buffer.from([1, 0, 2]), 'certs/a.p12')).toMatchObject({
      findings: [{ rule: 'acme', line: 1 }],
      reason: 'binary',
    });
    expect(idsIn(rule(String.raw`path = '''\.p12$'''`), 'one\ntwo\n', 'certs/a.txt')).toEqual([]);
  });
  it('an allow list for some rules allows nothing else', () => {
    const toml = `${rule("regex = 'acme[0-9]{8}'")}[[rules]]\nid = "other"\nregex = 'other[0-9]{8}'\n[[allowlists]]\ntargetRules = ["acme"]\nregexes = ['[0-9]']\n`;
    expect(idsIn(toml, 'acme12345678 other12345678')).toEqual(['other']);
  });
  it('what is allowed only in some commits is allowed nowhere', () =>
    expect(
      idsIn(`${rule("regex = 'acme[0-9]{8}'")}[[allowlists]]\ncondition = "AND"\ncommits = ["abc"]\nregexes = ['acme']\n`, 'acme12345678'),
    ).toEqual(['acme']));
  test.each([
    ['[extend]\npath = "base.toml"\n', 'extend.path'],
    [rule("regex = 'a'\nkeywords = 'acme'"), 'keywords'],
  ])('%j is refused rather than half read', (toml, what) =>
    expect(() => withGitleaks(toml, OWN_RULES)).toThrow(expect.objectContaining({ message: expect.stringContaining(what) })),
  );
});
