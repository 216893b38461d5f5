import { z } from 'zod';

/* OTLP/JSON: 64-bit integers are text or numbers, and what is left out is zero. Only what is used is asked for. */

const int = z.union([z.string(), z.number()]).transform(Number);
const number = z.union([z.number(), z.enum(['NaN', 'Infinity', '-Infinity']).transform(Number)]);
const value = z
  .object({
    stringValue: z.string().optional(),
    intValue: int.optional(),
    doubleValue: number.optional(),
    boolValue: z.boolean().optional(),
  })
  .transform(({ stringValue, intValue, doubleValue, boolValue }) => String(stringValue ?? intValue ?? doubleValue ?? boolValue ?? ''));
const attributes = z
  .array(z.object({ key: z.string(), value: value.default('') }))
  .default([])
  .transform((list) => Object.fromEntries(list.map((one) => [one.key, one.value])) as Record<string, string>);
const common = { attributes, startTimeUnixNano: int.default(0), timeUnixNano: int.default(0), flags: z.number().default(0) };
const numberPoint = z.object({ ...common, asInt: int.optional(), asDouble: number.optional() });
const histogramPoint = z.object({
  ...common,
  count: int.default(0),
  bucketCounts: z.array(int).default([]),
  explicitBounds: z.array(number).default([]),
});
const side = z.object({ offset: z.number().default(0), bucketCounts: z.array(int).default([]) });
const exponentialPoint = z.object({
  ...common,
  count: int.default(0),
  scale: z.number().default(0),
  zeroCount: int.default(0),
  positive: side.optional(),
});
const TEMPORALITIES = {
  AGGREGATION_TEMPORALITY_DELTA: 1,
  AGGREGATION_TEMPORALITY_CUMULATIVE: 2,
  AGGREGATION_TEMPORALITY_UNSPECIFIED: 0,
} as const;
const temporality = z
  .union([
    z.number(),
    z
      .enum(['AGGREGATION_TEMPORALITY_DELTA', 'AGGREGATION_TEMPORALITY_CUMULATIVE', 'AGGREGATION_TEMPORALITY_UNSPECIFIED'])
      .transform((name) => TEMPORALITIES[name]),
  ])
  .default(0);
const metric = z.object({
  name: z.string().default(''),
  unit: z.string().default(''),
  sum: z
    .object({ dataPoints: z.array(numberPoint).default([]), aggregationTemporality: temporality, isMonotonic: z.boolean().default(false) })
    .optional(),
  histogram: z.object({ dataPoints: z.array(histogramPoint).default([]), aggregationTemporality: temporality }).optional(),
  exponentialHistogram: z.object({ dataPoints: z.array(exponentialPoint).default([]), aggregationTemporality: temporality }).optional(),
});

export const exportRequest = z.object({
  resourceMetrics: z
    .array(
      z.object({
        resource: z.object({ attributes }).default({ attributes: {} }),
        scopeMetrics: z.array(z.object({ metrics: z.array(metric).default([]) })).default([]),
      }),
    )
    .default([]),
});

export type ExportRequest = z.infer<typeof exportRequest>;
export type Metric = z.infer<typeof metric>;
