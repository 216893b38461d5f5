import { z } from 'zod';
import { DEFAULTS as D } from './defaults.ts';
import { kayentaAnalysis, kayentaMetric } from './kayenta.ts';
import { duration, flag, matching, object, oneOf, positive, text, whole } from './parts.ts';
import { CONDITION, MEASURE } from './values.ts';

const CONDITION_ALLOWED = 'a comparison such as "< 1 %", "<= 300 ms" or "<= 110 % of baseline"';
const condition = z
  .union(
    [
      matching(CONDITION, CONDITION_ALLOWED),
      object({
        compare: oneOf(['<', '<=', '>', '>=']).describe('How to compare.'),
        value: z.number({ error: 'a number' }).describe('Share of errors (0.01 is 1 %), latency in ms, or a ratio.'),
        of: oneOf(['candidate', 'ratio'])
          .optional()
          .meta({ description: "The new version's value, or its ratio to the old one's.", default: 'candidate' }),
      }),
    ],
    { error: CONDITION_ALLOWED },
  )
  .meta({
    id: 'Condition',
    description: 'A comparison: `"< 1 %"`, `"<= 300 ms"`, `"<= 110 % of baseline"` (the old version at the same time), or an object.',
  });
const LIMIT_ALLOWED = 'a whole number, or -1 for no limit';
const limit = whole(-1, LIMIT_ALLOWED);
const metric = object({
  name: text('a name').optional().describe('What it is called in verdicts. Default: its measure.'),
  measure: matching(MEASURE, '"errorRate", or a latency quantile such as "p95"').describe(
    'What is measured: `errorRate` (share of 5xx and missing answers), or a latency quantile: `p50`, `p95`, `p99.9`.',
  ),
  success: condition.optional().describe('Threshold: good when true. At least one of success and failure.'),
  failure: condition.optional().describe('Threshold: bad when true. With both, failure counts first, and neither is inconclusive.'),
  failureLimit: limit
    .optional()
    .meta({ description: 'Threshold: bad measurements tolerated over the whole bake; -1: any number.', default: D.metric.failureLimit }),
  inconclusiveLimit: limit
    .optional()
    .meta({ description: 'Threshold: inconclusive measurements tolerated; -1: any number.', default: D.metric.inconclusiveLimit }),
  consecutiveErrorLimit: limit.optional().meta({
    description: 'Threshold: measurements in a row that could not be taken; -1: any number.',
    default: D.metric.consecutiveErrorLimit,
  }),
  consecutiveSuccessLimit: whole(0, 'a whole number')
    .optional()
    .meta({ description: 'Threshold: good at once after this many in a row; 0: off.', default: D.metric.consecutiveSuccessLimit }),
  minRequests: whole(1, 'a whole number from 1').optional().meta({
    description: 'Requests to the new version that one measurement needs (Kayenta: of both, one point); it waits until it has them.',
    default: D.metric.minRequests,
  }),
  dryRun: flag.optional().meta({ description: 'Measure and show, but never count.', default: D.metric.dryRun }),
  ...kayentaMetric,
}).meta({
  id: 'Metric',
  description: 'One thing that is measured, and what of it is good or bad (threshold), or how it is compared (kayenta).',
});
const share = (allowed: string): z.ZodNumber => z.number({ error: allowed }).gt(0, { error: allowed }).lt(1, { error: allowed });
const SHARE_ALLOWED = 'a share between 0 and 1, both excluded: 0.01 is 1 %';
const margin = z.number({ error: 'a share from 0 to below 1' }).min(0, { error: 'a share from 0' }).lt(1, { error: 'a share below 1' });
const ratio = z.number({ error: 'a ratio from 1' }).min(1, { error: 'a ratio from 1' });
const errors = object({
  limit: share(SHARE_ALLOWED)
    .optional()
    .meta({ description: "Good only below this share of errors, whatever the old version's.", default: D.errors.limit }),
  strict: flag.optional().meta({ description: 'Bad above `limit` even where the old version is as bad.', default: D.errors.strict }),
  failRatio: ratio
    .optional()
    .meta({ description: "Bad above the old version's share times this, plus `failMargin`.", default: D.errors.failRatio }),
  failMargin: margin.optional().meta({ description: 'See `failRatio`.', default: D.errors.failMargin }),
  passRatio: ratio
    .optional()
    .meta({ description: "Good below the old version's share times this, plus `passMargin`.", default: D.errors.passRatio }),
  passMargin: margin.optional().meta({ description: 'See `passRatio`.', default: D.errors.passMargin }),
}).meta({ id: 'ErrorTests', description: 'What of its errors the sequential judge tests.' });
const latency = z
  .union(
    [
      z.literal(false),
      object({
        margin: share(SHARE_ALLOWED)
          .optional()
          .meta({ description: 'Slower than the old version by more than this share is bad.', default: D.latency.margin }),
        quantiles: z
          .array(share('a quantile between 0 and 1, such as 0.95'), { error: 'a list of quantiles' })
          .min(1, { error: 'at least one quantile' })
          .optional()
          .meta({ description: 'Quantiles that must be shown to be within the margin.', default: D.latency.quantiles }),
      }),
    ],
    { error: 'an object with margin, quantiles, or false' },
  )
  .meta({ id: 'LatencyTests', description: 'What of its latency the sequential judge tests. False: nothing.' });
const JUDGES = ['sequential', 'threshold', 'kayenta'] as const;
const source = z
  .looseObject(
    { kind: oneOf(['edge', 'prometheus', 'otlp', 'web', 'job', 'logs']).describe('What kind of source.') },
    { error: 'an object with kind, …' },
  )
  .meta({
    id: 'MetricSource',
    description:
      'Where the numbers come from: the edge, Prometheus, OpenTelemetry, a web address, a command, log lines. What each kind takes besides is in docs/metrics.md. `{{app}}`, `{{environment}}` and `{{version}}` are filled in.',
  });
const judged = {
  source: source.optional().describe('Where the numbers come from. Default: the edge.'),
  onInconclusive: oneOf(['pause', 'extend', 'rollback', 'promote'])
    .optional()
    .describe(
      'When there is no verdict: wait for a person (`pause`, the default), bake once more as long, go back, or go on (given minRequests). Metrics that cannot be read always wait.',
    ),
  early: z
    .union(
      [z.literal(true), object({ minBake: duration.optional().meta({ description: 'Never before this.', default: D.early.minBake }) })],
      {
        error: 'true, or an object with minBake',
      },
    )
    .optional()
    .describe('End a bake as soon as it has passed. The sequential judge then asks for p99 too.'),
  template: text('the name of a template')
    .optional()
    .describe('Take what is said here from a template; what is said beside it counts more.'),
  with: z
    .record(z.string(), z.union([z.string(), z.number()]), { error: 'an object of arguments' })
    .optional()
    .describe('Arguments of the template: they stand for `{{name}}` in its texts, limits and numbers too.'),
};
const analysisObject = object({
  ...judged,
  judge: oneOf(JUDGES)
    .optional()
    .describe('Which judge looks. Default: threshold where `metrics` are given and for blueGreen, else sequential.'),
  interval: positive
    .optional()
    .describe(
      `Time between two looks. Default: "${D.sequential.interval}" (sequential), "${D.threshold.interval}" (threshold), "${D.kayenta.interval}" (kayenta).`,
    ),
  initialDelay: duration
    .optional()
    .describe(
      `What happens in the first moments of a bake is not judged. Default: "${D.sequential.initialDelay}" (sequential), "${D.threshold.initialDelay}" (threshold, kayenta).`,
    ),
  noData: oneOf(['inconclusive', 'fail'])
    .optional()
    .meta({ description: 'What no traffic at all means in the end. It is never success.', default: D.analysis.noData }),
  minRequests: whole(1, 'a whole number from 1')
    .optional()
    .meta({ description: 'Requests to the new version without which nothing passes.', default: D.analysis.minRequests }),
  classes: flag.optional().meta({
    description:
      "Compare the status classes of answers that are no errors (3xx, 4xx, requests that clients gave up) with the old version's, where the source tells them. All judges.",
    default: D.analysis.classes,
  }),
  routes: flag.optional().meta({
    description:
      'Look at each route by itself too (the first two segments of a path), where the source tells them apart, so that an endpoint with little traffic that is broken altogether is found. All judges.',
    default: D.analysis.routes,
  }),
  errors: errors.optional().describe('Sequential: what of its errors is tested.'),
  latency: latency.optional().describe('Sequential: what of its latency is tested.'),
  alphaFail: share(SHARE_ALLOWED).optional().meta({
    description: 'Sequential: chance of failing a version that is as good as the old one, over all bakes of a rollout together.',
    default: D.sequential.alphaFail,
  }),
  alphaPass: share(SHARE_ALLOWED).optional().meta({
    description: 'Sequential: chance of passing a version that is worse than the margins allow.',
    default: D.sequential.alphaPass,
  }),
  designEffect: ratio.optional().meta({
    description: 'Sequential: how many requests tell as much as one where they come in clumps (retries, one user at a time).',
    default: D.sequential.designEffect,
  }),
  metrics: z
    .array(metric, { error: 'a list of metrics' })
    .min(1, { error: 'at least one metric' })
    .optional()
    .meta({ description: 'Threshold and kayenta: what is measured and what is good. Kayenta: errorRate and p95.', default: D.metrics }),
  ...kayentaAnalysis,
});
const named = analysisObject.extend({
  name: text('a name').describe('What it is called.'),
  during: oneOf(['step', 'background', 'afterPromotion']).optional().meta({
    description: 'Each bake anew, once through all bakes, or while the old version is kept after promotion.',
    default: D.named.during,
  }),
  dryRun: flag.optional().meta({ description: 'Look and show, without consequences.', default: D.named.dryRun }),
});
export const template = analysisObject.omit({ template: true, with: true });
export const analyses = z.array(named, { error: 'a list of analyses' }).meta({
  id: 'Analyses',
  description: 'Further analyses beside `analysis`, each with a name: of another source, at another time, or without consequences.',
});
export const analysis = z
  .union([z.literal(false), oneOf(JUDGES), analysisObject], {
    error: 'an object with judge, interval, initialDelay, noData, minRequests, …, "sequential", "threshold", "kayenta", or false',
  })
  .meta({
    id: 'Analysis',
    description:
      "How a new version is judged while it bakes. `sequential` compares it with the old version request by request and may look as often as it likes without more false alarms; `threshold` takes measurements against fixed limits; `kayenta` compares series of data points by Kayenta's test and gives a score. A name alone takes the defaults; false: no judge looks, only health counts.",
  });
