import { expect, test } from 'vitest';
import { SEQUENTIAL_DEFAULTS } from '../../core/analysis/policy.ts';
import { forecastBake } from '../../core/analysis/sequential/planner.ts';
import { estimates, expectedText, sparkline, towards } from './analysis.ts';

const evidence = { worse: 1, worseNeeded: 100, good: 1, goodNeeded: 20, effect: null, requestsMissing: null, missingMs: null };
const estimate = (value: number, low: number, high: number) => ({ value, low, high, requests: 100 });

test('bars keep the highest of each stretch, whatever is shown', () => {
  expect(sparkline([0, 0.5, 1])).toBe('▁▅█');
  expect(sparkline(Array.from({ length: 400 }, (_, i) => (i === 200 ? 1 : 0)))).toMatch(/^▁{20}█▁{19}$/);
  expect(sparkline([])).toBe('');
});

test('evidence is shown on the scale on which it adds up', () => {
  expect([null, 0.1, 1, 10, 100, 1e9].map((has) => towards(has, 100))).toEqual([0, 0, 0, 0.5, 1, 1]);
});

test('estimates say what was seen, and what it may really be', () => {
  const [candidate, baseline] = [estimate(0.00941, 0.004, 0.0213), estimate(0, 0, 0.0037)];
  expect(estimates('errors', { ...evidence, candidate, baseline })).toBe('0.94 % (0.4 … 2.1) against 0 % (0 … 0.37)');
  expect(estimates('error limit', { ...evidence, candidate, baseline: null })).toBe('0.94 % (0.4 … 2.1)');
  expect(estimates('latency p95', { ...evidence, candidate: estimate(131.4, 120, 150), baseline: estimate(99.96, 95, 104) })).toBe(
    '131 ms (120 … 150) against 100 ms (95 … 104)',
  );
  const [ratio, difference] = [
    { kind: 'ratio', value: 1.3144, low: 1.052, high: null },
    { kind: 'difference', value: 0.00941, low: -0.0003, high: 0.0213 },
  ] as const;
  expect(
    estimates('latency p95', { ...evidence, candidate: estimate(131.4, 120, 150), baseline: estimate(100, 95, 104), effect: ratio }),
  ).toBe('131 ms (120 … 150) against 100 ms (95 … 104): 1.31 × (1.05 … ∞)');
  expect(estimates('errors', { ...evidence, candidate, baseline, effect: difference })).toMatch(/: \+0\.94 points \(-0\.03 … 2\.1\)$/);
  expect(estimates('errors', { ...evidence, candidate: null, baseline: null })).toBe('');
});

test('before it begins, what a bake can show of errors is told from the traffic', () => {
  const text = (baseline: number, rate: number) =>
    expectedText(forecastBake(SEQUENTIAL_DEFAULTS, baseline, rate, 0.05, 1_800_000), rate * 0.05);
  expect([text(0.001, 50), text(0.001, 2), text(0.02, 50)]).toMatchInlineSnapshot(`
    [
      "The bake judges about 4400 requests of the new version. One as good as the old one has shown after about 1500 of them (10 min) that its errors are within the margin. Errors above 0.71 % fail within it.",
      "The bake judges about 170 requests of the new version. One as good as the old one has shown after about 1500 of them (4 h 10 min) that its errors are within the margin: the bake is too short for that. Errors above 3 % fail within it.",
      "The bake judges about 4400 requests of the new version. The old version itself has too many errors for a new one like it to pass. Errors above 3.6 % fail within it.",
    ]
  `);
});
