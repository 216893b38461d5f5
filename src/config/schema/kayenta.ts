import { z } from 'zod';
import { DEFAULTS } from './defaults.ts';
import { flag, object, oneOf, text, whole } from './parts.ts';

const D = DEFAULTS.kayenta;
const number = z.number({ error: 'a number' }).min(0, { error: 'a number from 0' });
const percent = (what: string) => z.number({ error: what }).min(0, { error: what }).max(100, { error: what });
const effectSize = object({
  measure: oneOf(['meanRatio', 'cles']).optional().meta({
    description: 'Ratio of the means, or the share of pairs in which the new version is higher (common language effect size).',
    default: D.metric.effectSize,
  }),
  allowedIncrease: number
    .optional()
    .describe('What is higher by less passes: of meanRatio, 1.1 is 10 % more. Default: 1 (meanRatio), 0.5 (cles).'),
  allowedDecrease: number
    .optional()
    .describe('What is lower by less passes: of meanRatio, 0.9 is 10 % less. Default: 1 (meanRatio), 0.5 (cles).'),
  criticalIncrease: number
    .optional()
    .describe('A critical metric fails everything only when higher by this. Default: as `allowedIncrease` has it.'),
  criticalDecrease: number
    .optional()
    .describe('A critical metric fails everything only when lower by this. Default: as `allowedDecrease` has it.'),
}).meta({ id: 'EffectSize', description: 'How far a metric may deviate, however sure it is that it does.' });

/** What a metric takes for the Kayenta judge. */
export const kayentaMetric = {
  direction: oneOf(['increase', 'decrease', 'either'])
    .optional()
    .meta({ description: 'Kayenta: which deviation from the old version is bad.', default: D.metric.direction }),
  group: text('the name of a group').optional().meta({ description: 'Kayenta: the group it is scored with.', default: D.metric.group }),
  critical: flag.optional().meta({ description: 'Kayenta: when it fails, everything does.', default: D.metric.critical }),
  mustHaveData: flag
    .optional()
    .meta({ description: 'Kayenta: no data at all counts as bad. Otherwise it is unknown, and holds.', default: D.metric.mustHaveData }),
  effectSize: effectSize.optional().describe('Kayenta: deviations that are allowed.'),
  outliers: oneOf(['keep', 'remove'])
    .optional()
    .meta({ description: 'Kayenta: leave out points beyond three times the range of the middle half.', default: D.metric.outliers }),
};

/** What an analysis takes for the Kayenta judge. */
export const kayentaAnalysis = {
  scores: object({
    pass: percent('a score from 0 to 100').optional().meta({ description: 'From this on it passes.', default: D.scores.pass }),
    marginal: percent('a score from 0 to 100')
      .optional()
      .meta({ description: 'Below this it fails; between the two a person decides.', default: D.scores.marginal }),
  })
    .optional()
    .describe('Kayenta: what score, of 100, is asked.'),
  groupWeights: z
    .record(z.string(), percent('a weight from 0 to 100'), { error: 'an object of groups and their weights' })
    .optional()
    .describe('Kayenta: per cent of the score by group; what is left is shared by the groups not named.'),
  minPoints: whole(D.leastPoints, `a whole number from ${D.leastPoints}`).optional().meta({
    description: 'Kayenta: data points of each metric without which nothing is said. With fewer than 50 the test sees little.',
    default: D.minPoints,
  }),
  maxPoints: whole(D.leastPoints, `a whole number from ${D.leastPoints} to ${D.mostPoints}`)
    .max(D.mostPoints, { error: `a whole number from ${D.leastPoints} to ${D.mostPoints}` })
    .optional()
    .meta({ description: 'Kayenta: the newest so many points are compared.', default: D.maxPoints }),
};
