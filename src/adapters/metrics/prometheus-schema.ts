import { z } from 'zod';
import { unreadable } from './counters.ts';

const bucket = z.tuple([z.number(), z.string(), z.string(), z.string()]);
const nativeHistogram = z.object({ count: z.string(), buckets: z.array(bucket).optional() });
/** What is said of an answer that is not whole: by Prometheus (and Thanos, Mimir), and by VictoriaMetrics. */
const partial = { warnings: z.array(z.string()).optional(), isPartial: z.boolean().optional() };
const answer = z.object({
  status: z.literal('success'),
  ...partial,
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
  refusePartial(parsed.data);
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

const found = z.object({ status: z.literal('success'), data: z.array(z.unknown()), ...partial });

/** Whether an answer of the series API names any; null where it cannot tell. */
export function anySeries(json: unknown): boolean | null {
  const parsed = found.safeParse(json);
  return parsed.success ? parsed.data.data.length > 0 : null;
}

function refusePartial({
  warnings = [],
  isPartial,
}: {
  readonly warnings?: string[] | undefined;
  readonly isPartial?: boolean | undefined;
}): void {
  if (warnings.length > 0) throw unreadable(`Prometheus warns, so its answer may not be whole: ${warnings.join('; ').slice(0, 300)}`);
  if (isPartial === true) throw unreadable('the answer is partial: some of the storage did not answer');
}

/** As Prometheus writes them. */
export function numberOf(text: string): number {
  return text === '+Inf' ? Infinity : text === '-Inf' ? -Infinity : Number(text);
}
