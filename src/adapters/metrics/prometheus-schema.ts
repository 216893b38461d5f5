import { z } from 'zod';
import { unreadable } from './counters.ts';

const bucket = z.tuple([z.number(), z.string(), z.string(), z.string()]);
const nativeHistogram = z.object({ count: z.string(), buckets: z.array(bucket).optional() });
const answer = z.object({
  status: z.literal('success'),
  data: z.object({
    resultType: z.literal('matrix'),
    result: z.array(
      z.object({
        metric: z.record(z.string(), z.string()),
        values: z.array(z.tuple([z.number(), z.string()])).optional(),
        histograms: z.array(z.tuple([z.number(), nativeHistogram])).optional(),
      }),
    ),
  }),
});

export interface Series {
  readonly labels: Readonly<Record<string, string>>;
  /** Time in ms, oldest first. */
  readonly values: readonly { readonly at: number; readonly value: number }[];
  readonly histograms: readonly {
    readonly at: number;
    readonly count: number;
    readonly buckets: ReadonlyMap<number, number>;
    readonly edges: readonly (readonly [low: number, high: number])[];
  }[];
}

/** Series of a range query's answer. @throws OutsideError `METRICS_UNREADABLE` */
export function matrix(json: unknown): readonly Series[] {
  const parsed = answer.safeParse(json);
  if (!parsed.success) {
    const said = z.object({ error: z.string() }).safeParse(json);
    throw unreadable(said.success ? `Prometheus says: ${said.data.error}` : 'what answers is not a Prometheus query API');
  }
  return parsed.data.data.result.map(({ metric, values = [], histograms = [] }) => ({
    labels: metric,
    values: values.map(([at, value]) => ({ at: Math.round(at * 1000), value: numberOf(value) })),
    histograms: histograms.map(([at, { count, buckets = [] }]) => ({
      at: Math.round(at * 1000),
      count: numberOf(count),
      buckets: new Map(buckets.map(([, , upper, n]) => [numberOf(upper), numberOf(n)])),
      edges: buckets.map(([, lower, upper]) => [Math.max(0, numberOf(lower)), numberOf(upper)] as const),
    })),
  }));
}

/** As Prometheus writes them. */
export function numberOf(text: string): number {
  return text === '+Inf' ? Infinity : text === '-Inf' ? -Infinity : Number(text);
}
