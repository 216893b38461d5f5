import { describe, expect, it } from 'vitest';
import { analysisOf } from './analysis.ts';
import { formatPath } from '../validate/problems.ts';
import type { AppConfig } from '../schema/workspace.ts';
import { validate } from '../validate/validate.ts';

const BAKE = { kind: 'canary', steps: [{ weight: 50, bake: '1h' }] } as const;

function mistakes(analysis: unknown, more: object = {}): string[] {
  const web = { path: 'web', run: 'x', routes: ['/'], strategy: BAKE, analysis, ...more };
  return validate({ workspace: 'shop', apps: { web } }).mistakes.map(({ path, message }) => `${formatPath(path)}: ${message}`);
}

const policy = (analysis: AppConfig['analysis']) => analysisOf(analysis, 'canary');

describe('the Kayenta judge in the configuration', () => {
  it('is chosen by its name, with values for everything left out', () => {
    expect(policy('kayenta')).toEqual(policy({ judge: 'kayenta' }));
    const effect = { measure: 'meanRatio', allowedIncrease: 1, allowedDecrease: 1, criticalIncrease: 1, criticalDecrease: 1 };
    const metric = {
      name: 'errorRate',
      measure: { kind: 'errorRate' },
      direction: 'increase',
      group: 'all',
      critical: false,
      mustHaveData: false,
      effect,
      outliers: 'keep',
      minRequests: 100,
      dryRun: false,
    };
    expect(policy('kayenta')).toEqual({
      judge: 'kayenta',
      intervalMs: 5000,
      initialDelayMs: 0,
      noData: 'inconclusive',
      minRequests: 100,
      metrics: [metric, { ...metric, name: 'p95', measure: { kind: 'latency', quantile: 0.95 } }],
      scores: { pass: 95, marginal: 75 },
      groupWeights: {},
      minPoints: 50,
      maxPoints: 240,
    });
    expect(mistakes('kayenta', { strategy: 'canary' })).toEqual([]);
  });

  it('takes what Kayenta takes', () => {
    const said = {
      judge: 'kayenta',
      interval: '1m',
      metrics: [
        { measure: 'errorRate', group: 'errors', critical: true, effectSize: { allowedIncrease: 1.1, criticalIncrease: 1.5 } },
        { measure: 'p95', direction: 'either', mustHaveData: true, effectSize: { measure: 'cles', allowedIncrease: 0.7 } },
      ],
      groupWeights: { errors: 60, all: 40 },
      scores: { pass: 90 },
      minPoints: 30,
    } as const;
    expect(mistakes(said)).toEqual([]);
    expect(policy({ ...said, metrics: [...said.metrics] })).toMatchObject({
      intervalMs: 60_000,
      metrics: [
        { critical: true, effect: { allowedIncrease: 1.1, criticalIncrease: 1.5, allowedDecrease: 1 } },
        {
          direction: 'either',
          mustHaveData: true,
          effect: { measure: 'cles', allowedIncrease: 0.7, allowedDecrease: 0.5, criticalIncrease: 0.7, criticalDecrease: 0.5 },
        },
      ],
      groupWeights: { errors: 60, all: 40 },
      scores: { pass: 90, marginal: 75 },
      minPoints: 30,
    });
  });

  const errors = (change: object) => ({ judge: 'kayenta', interval: '5s', metrics: [{ measure: 'errorRate', ...change }] });
  it.each<[string, unknown, string]>([
    [
      'limits of the threshold judge',
      errors({ success: '< 1 %' }),
      'metrics[0].success: success is for threshold, but kayenta judges here',
    ],
    ['margins of the sequential judge', { judge: 'kayenta', alphaFail: 0.1 }, 'alphaFail: alphaFail is for another judge than kayenta'],
    ['its own settings for others', { judge: 'sequential', minPoints: 60 }, 'minPoints: minPoints is for another judge than sequential'],
    [
      'a direction for the threshold judge',
      { metrics: [{ measure: 'p95', success: '< 5 ms', direction: 'increase' }] },
      'metrics[0].direction: direction is for kayenta, but threshold judges here',
    ],
    [
      'an increase as a share',
      errors({ effectSize: { allowedIncrease: 0.1 } }),
      'metrics[0].effectSize.allowedIncrease: found 0.1; allowed: from 1 on',
    ],
    [
      'a decrease that is none',
      errors({ effectSize: { measure: 'cles', allowedDecrease: 0.9 } }),
      'metrics[0].effectSize.allowedDecrease: found 0.9; allowed: up to 0.5',
    ],
    ['scores the wrong way round', { judge: 'kayenta', scores: { pass: 60 } }, 'scores.marginal: found 75, above the 60 that passes'],
    ['points that cannot be', { judge: 'kayenta', minPoints: 90, maxPoints: 60 }, 'maxPoints: found 60, but nothing is said on fewer than'],
    ['points with which nothing is ever found', { judge: 'kayenta', minPoints: 4 }, 'minPoints: found 4; allowed: a whole number from 5'],
    [
      'a weight of no group',
      { judge: 'kayenta', groupWeights: { erors: 60 } },
      'groupWeights.erors: no metric is of group "erors"; groups: all',
    ],
    ['weights that do not add up', { judge: 'kayenta', groupWeights: { all: 60 } }, 'groupWeights: found 60 in all; needed: 100 in all'],
    ['all by dry run', errors({ dryRun: true }), 'metrics: all metrics are dryRun'],
  ])('refuses %s', (_, analysis, expected) => {
    const found = mistakes(analysis);
    expect(found).toHaveLength(1);
    expect(found[0]).toContain(`apps.web.analysis.${expected}`);
  });

  it('refuses a bake that could never pass', () => {
    const short = { kind: 'canary', steps: [{ weight: 50, bake: '30m' }] };
    expect(mistakes({ judge: 'kayenta', interval: '1m' }, { strategy: short })).toEqual([
      'apps.web.strategy.steps[0].bake: a bake of "30m" brings 30 points at one each 60 s, and nothing passes on fewer than 50. Make it longer, or analysis.interval or analysis.minPoints smaller.',
    ]);
    expect(mistakes({ judge: 'kayenta', interval: '1m' }, { strategy: 'canary' })).toEqual([
      expect.stringContaining('apps.web.analysis.interval: a bake of "30m", the default, brings 30 points'),
    ]);
  });

  it('refuses steps chosen for a harm that it cannot keep to', () => {
    expect(mistakes('kayenta', { strategy: { kind: 'canary', steps: 'auto' } })).toEqual([
      expect.stringContaining('apps.web.strategy.steps: found "auto", which is chosen so that a bad version costs little'),
    ]);
  });

  it('refuses to compare where there is no old version beside the new one', () => {
    expect(mistakes('kayenta', { strategy: 'blueGreen' })).toEqual([
      expect.stringContaining('apps.web.analysis.judge: found "kayenta", which compares'),
    ]);
    const analyses = [{ name: 'after', during: 'afterPromotion', judge: 'kayenta' }];
    expect(mistakes('sequential', { analyses })).toEqual([expect.stringContaining('apps.web.analyses[0].judge: found "kayenta"')]);
    expect(mistakes('sequential', { analyses: [{ name: 'beside', during: 'background', judge: 'kayenta' }] })).toEqual([]);
  });
});
