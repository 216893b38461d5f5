import { describe, expect, it } from 'vitest';
import { vectors } from '../../../test/worlds/vectors.ts';
import { classify, judgeKayenta, KAYENTA_METRIC, scoreOf, type KayentaMetric, type Label, type Scored } from './kayenta.ts';
import { commonLanguageEffect, mannWhitneyU, ranksOf, shiftBetween, wilcoxonDifference } from './mann-whitney.ts';

const HUNDRED = { pass: 95, marginal: 75, weights: {} };

function scored(label: Label, group = 'g', critical = false): Scored {
  return { groups: [group], label, critical };
}

function metric(control: number[], experiment: number[], change: Partial<KayentaMetric> = {}): KayentaMetric {
  return { ...KAYENTA_METRIC, name: 'm', control, experiment, ...change };
}

describe('classify', () => {
  const around = (centre: number) => Array.from({ length: 30 }, (_, i) => centre + Math.sin(i * 7));

  it('labels what is higher, lower and the same', () => {
    expect(classify(metric(around(10), around(20))).label).toBe('High');
    expect(classify(metric(around(20), around(10))).label).toBe('Low');
    expect(classify(metric(around(10), around(10.01))).label).toBe('Pass');
    expect(classify(metric(around(10), around(20), { direction: 'decrease' })).label).toBe('Pass');
  });

  it('lets an allowed increase pass, and makes a critical one critical', () => {
    const effect = { ...KAYENTA_METRIC.effect, allowedIncrease: 3, criticalIncrease: 3 };
    expect(classify(metric(around(10), around(20), { effect })).label).toBe('Pass');
    expect(classify(metric(around(10), around(40), { effect, critical: true }))).toMatchObject({ label: 'High', critical: true });
  });

  it('tells missing data apart, with and without points that are not numbers', () => {
    expect(classify(metric([1, 2], []))).toMatchObject({ label: 'Nodata', critical: false });
    expect(classify(metric([1, 2], [Number.NaN], { critical: true }))).toMatchObject({ label: 'Nodata', critical: true });
    expect(classify(metric([1, 2], [], { mustHaveData: true })).label).toBe('NodataFailMetric');
    expect(classify(metric([1, 2], [], { nan: 'replace' })).label).toBe('Pass');
  });

  it('leaves outliers out where asked', () => {
    const spiked = [...around(10).slice(0, 29), 1e6];
    expect(classify(metric(around(10), spiked, { outliers: { strategy: 'remove', factor: 3 } })).deviation).toBeCloseTo(1, 1);
    expect(classify(metric(around(10), spiked)).deviation).toBeGreaterThan(1000);
  });
});

describe('score', () => {
  it('weighs groups, and shares what is left among those not named', () => {
    expect(scoreOf([scored('Pass')], HUNDRED)).toMatchObject({ score: 100, verdict: 'Pass' });
    expect(scoreOf([scored('High')], HUNDRED)).toMatchObject({ score: 0, verdict: 'Fail' });
    expect(scoreOf([scored('Pass'), scored('High'), scored('Low')], HUNDRED).score).toBe(33.33);
    expect(
      scoreOf([scored('Pass', 'a'), scored('Pass', 'a'), scored('High', 'b')], { ...HUNDRED, weights: { a: 75, b: 25 } }),
    ).toMatchObject({ score: 75, verdict: 'Marginal' });
    expect(scoreOf([scored('Pass', 'a'), scored('High', 'a'), scored('High', 'b')], { ...HUNDRED, weights: { a: 50, b: 50 } }).score).toBe(
      25,
    );
    expect(
      scoreOf([scored('High', 'a'), scored('Low', 'a'), scored('Pass', 'a'), scored('High', 'b')], {
        ...HUNDRED,
        weights: { a: 15, b: 85 },
      }).score,
    ).toBe(5);
  });

  it('fails on a critical metric, and on half the metrics without data', () => {
    expect(scoreOf([scored('Pass'), scored('High', 'g', true)], HUNDRED).score).toBe(0);
    expect(scoreOf([scored('Low'), scored('Pass', 'g', true)], HUNDRED).score).toBe(50);
    expect(scoreOf([scored('Pass'), scored('Nodata', 'g', true)], HUNDRED).score).toBe(0);
    expect(scoreOf([scored('Nodata')], HUNDRED)).toMatchObject({ score: 0, groups: [{ score: 0, noData: true }] });
    expect(scoreOf([scored('Pass', 'a'), scored('Pass', 'a'), scored('Nodata', 'b')], HUNDRED).score).toBe(100);
    expect(scoreOf([], HUNDRED).verdict).toBe('Fail');
  });

  it('leaves muted metrics out', () => {
    const judged = judgeKayenta(
      [metric([1, 2, 3], [1, 2, 3]), metric([1, 2, 3, 4, 5, 6, 7, 8], [10, 20, 30, 40, 50, 60, 70, 80], { muted: true })],
      HUNDRED,
    );
    expect(judged).toMatchObject({ score: 100, classifications: [{ label: 'Pass' }, { label: 'High' }] });
  });
});

describe('ranks', () => {
  it('share ties', () => {
    expect(ranksOf([10, 20, 10, 5])).toEqual({ ranks: [2.5, 4, 2.5, 1], ties: 6 });
  });
});

interface ClassifierCase {
  name: string;
  options: {
    tolerance: number;
    conf: number;
    direction: KayentaMetric['direction'];
    nan?: 'remove' | 'replace';
    measure?: 'meanRatio' | 'cles';
    critical?: boolean;
    allowedDecrease?: number;
    allowedIncrease?: number;
    criticalDecrease?: number;
    criticalIncrease?: number;
  };
  control: number[];
  experiment: number[];
  expected: Label;
  expectedCritical?: boolean;
}

describe("Kayenta's published cases", () => {
  const published = vectors<{
    classifier: ClassifierCase[];
    issues: ClassifierCase[];
    mannWhitney: {
      name: string;
      conf?: number;
      control?: number[];
      experiment?: number[];
      x?: number[];
      y?: number[];
      expected: Record<string, number>;
      tol: number;
    }[];
  }>('analysis/kayenta.json');

  it.each([...published.classifier, ...published.issues].map((one) => [one.name, one] as const))('%s', (_, one) => {
    const { options } = one;
    const effect = {
      measure: options.measure ?? ('meanRatio' as const),
      allowedIncrease: options.allowedIncrease ?? 1,
      allowedDecrease: options.allowedDecrease ?? 1,
      criticalIncrease: options.criticalIncrease ?? 1,
      criticalDecrease: options.criticalDecrease ?? 1,
    };
    const changes = { direction: options.direction, nan: options.nan ?? ('remove' as const), critical: options.critical ?? false, effect };
    const result = classify(metric(one.control, one.experiment, changes), { tolerance: options.tolerance, confidence: options.conf });
    expect(result.label).toBe(one.expected);
    if (one.expectedCritical !== undefined) expect(result.critical).toBe(one.expectedCritical);
  });

  it.each(published.mannWhitney.map((one) => [one.name, one] as const))('Mann–Whitney: %s', (_, one) => {
    const { expected, tol } = one;
    const close = (value: number, wanted: number | undefined) => expect(Math.abs(value - (wanted ?? Number.NaN))).toBeLessThanOrEqual(tol);
    const [x, y] = [one.x ?? one.experiment ?? [], one.y ?? one.control ?? []];
    if (one.name === 'wilcoxonDiff') {
      close(wilcoxonDifference(0, 0, x, y), expected['mu0']);
      return close(wilcoxonDifference(5, 0, x, y), expected['mu5']);
    }
    const shift = shiftBetween(x, y, one.conf ?? 0.95);
    close(shift.low, expected['lo'] ?? expected['ciLo']);
    close(shift.high, expected['hi'] ?? expected['ciHi']);
    close(shift.estimate, expected['est']);
  });
});

describe('Mann–Whitney as in SciPy', () => {
  it('agrees in U, the tie term, sigma and effect size', () => {
    const cases =
      vectors<{ name: string; x: number[]; y: number[]; 'two-sided': { U: number }; tie_term: number; sigma: number; cles: number }[]>(
        'analysis/mannwhitney_scipy.json',
      );
    expect(cases).toHaveLength(20);
    for (const one of cases) {
      const { u, sigma, ties } = mannWhitneyU(one.x, one.y);
      expect(u, one.name).toBeCloseTo(one['two-sided'].U, 9);
      expect(ties, one.name).toBeCloseTo(one.tie_term, 9);
      expect(sigma, one.name).toBeCloseTo(one.sigma, 9);
      expect(commonLanguageEffect(one.x, one.y), one.name).toBeCloseTo(one.cles, 12);
    }
  });
});
