import fc from 'fast-check';
import { expect, it } from 'vitest';
import type { RawFinding, ReadReport, ReportContent } from './contents.ts';
import { SEVERITIES } from './finding.ts';
import { judge } from './judge.ts';
import type { NewLines } from './new-lines.ts';
import type { GateSettings } from './settings.ts';
import { NO_GATES } from '../../../test/worlds/gate-settings.ts';

const SETTINGS: GateSettings = {
  ...NO_GATES,
  coverage: { new: 80, overall: null, exclude: [], unmeasured: 'uncovered' },
  duplication: { new: 3, overall: null, exclude: [] },
  smallChange: 2,
  findings: { new: 'major', overall: null, exclude: [] },
  ratings: { reliability: 'A', security: 'B', maintainability: 'A', review: 'A' },
  waivers: [{ what: '*.new', path: null, author: 'ann', reason: 'all', expires: 1 }],
};
/** Every gate that asks what is new. */
const OF_NEW = [
  'coverage.new',
  'duplication.new',
  'findings.new',
  'rating.reliability',
  'rating.security',
  'rating.maintainability',
  'rating.review',
];
const LINES = 30;

const finding: fc.Arbitrary<RawFinding> = fc.record({
  tool: fc.constant('t'),
  rule: fc.constantFrom('a', 'b'),
  kind: fc.constantFrom('bug', 'vulnerability', 'codeSmell', 'hotspot'),
  severity: fc.constantFrom(...SEVERITIES),
  message: fc.constant('m'),
  path: fc.constantFrom('a.js', 'b.js'),
  line: fc.integer({ min: 1, max: LINES }),
  endLine: fc.constant(null),
  fingerprint: fc.constant(null),
  isNew: fc.constantFrom(null, null, false),
  isReviewed: fc.boolean(),
  minutes: fc.constant(null),
});
const numbers = fc.uniqueArray(fc.integer({ min: 1, max: LINES }), { minLength: 1, maxLength: LINES });

function read(content: ReportContent): ReadReport {
  return { format: content.kind === 'coverage' ? 'lcov' : 'sarif', name: 'report', check: 'x', content };
}

const world = fc.record({
  covered: fc.oneof(fc.constant(Array.from({ length: LINES }, (_, i) => i + 1)), numbers),
  findings: fc.array(finding, { maxLength: 3 }),
  copies: fc.boolean(),
  newLines: fc.dictionary(fc.constantFrom('a.js', 'b.js'), numbers),
});

it('a gate of new things whose base is not known passes only where it passes with every base', () => {
  let passed = 0;
  fc.assert(
    fc.property(world, ({ covered, findings, copies, newLines }) => {
      const text = Array.from({ length: LINES }, (_, i) => `call(${i}, a + ${i}, b * ${i}, [${i}]);\n`).join('');
      const sources = [
        { path: 'a.js', text },
        { path: 'b.js', text: copies ? text : 'other();\n'.repeat(LINES).replaceAll(/^/gm, 'if (x) ') },
      ];
      const lines = Uint32Array.from({ length: LINES }, (_, i) => i + 1);
      const none = new Uint32Array();
      const files = ['a.js', 'b.js'].map((path) => ({
        path,
        lines,
        hits: lines.map((line) => (covered.includes(line) ? 1 : 0)),
        branchLines: none,
        branches: none,
        branchesTaken: none,
      }));
      const reports = [read({ kind: 'coverage', roots: [], files }), read({ kind: 'findings', tool: 't', findings })];
      const judged = (of: NewLines | null) => {
        const known = of ?? { kind: 'unknown' as const, why: 'It is not here.', fix: 'Fetch the history: git fetch --unshallow.' };
        // A waiver speaks for what was measured: it makes nothing known.
        const waivers = of === null ? SETTINGS.waivers : [];
        const { gates } = judge({ ...SETTINGS, waivers }, { reports, newLines: known, sources, previous: {}, now: 0 });
        return new Map(gates.map((one) => [one.gate, one]));
      };
      const without = judged(null);
      const withBase = judged(new Map(Object.entries(newLines).map(([path, own]) => [path, new Set(own)])));
      for (const name of OF_NEW) {
        const one = without.get(name);
        expect(one?.result).not.toBe('notApplicable');
        if (one?.result === 'passed') {
          passed += 1;
          expect([name, withBase.get(name)?.result]).not.toEqual([name, 'failed']);
        } else expect(one?.message).toContain('git fetch --unshallow');
      }
    }),
    { numRuns: 300 },
  );
  expect(passed).toBeGreaterThan(100);
});
