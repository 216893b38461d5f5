import { fromProtobuf, responseToProtobuf } from './otlp-protobuf.ts';
import { type ExportRequest, exportRequest, type Metric } from './otlp-schema.ts';

/** One stream of a counter or histogram, added up since the intake began. */
export interface Stream {
  readonly metric: string;
  readonly unit: string;
  /** Of the resource and the point. */
  readonly attributes: Readonly<Record<string, string>>;
  total: number;
  /** Upper edge in the metric's unit → count. */
  readonly buckets: Map<number, number>;
  /** Time of the newest point, and when it came, ms. */
  timeMs: number;
  heardAt: number;
  /** The last cumulative point, to subtract from the next. */
  last: Point | null;
}

interface Point {
  readonly startMs: number;
  readonly timeMs: number;
  readonly total: number;
  readonly buckets: ReadonlyMap<number, number>;
}

export interface OtlpIntake {
  /** Takes one export request, as OTLP/JSON has it. Answers how many points were refused, and why; null: not OTLP at all. */
  take(json: unknown): { readonly rejected: number; readonly reason: string } | null;
  /** The same two as protobuf. @throws UserError `OTLP_INVALID` */
  decode(bytes: Uint8Array): object;
  encode(refused: { readonly rejected: number; readonly reason: string } | null): Uint8Array;
  streams(metric: string): readonly Stream[];
  /** Changes with every intake: its streams begin at zero. */
  readonly epoch: string;
}

export interface IntakeOptions {
  readonly now: () => number;
  readonly epoch: string;
  readonly streamsMax?: number;
}

const IDLE_MS = 3_600_000;
const NO_RECORDED_VALUE = 1;
const [DELTA, CUMULATIVE] = [1, 2];

/**
 * Points of OTLP metrics, whatever their temporality, as counters of our own. A point that was taken before, or
 * that is older than the newest of its stream, is refused: nothing is counted twice.
 */
export function createOtlpIntake({ now, epoch, streamsMax = 20_000 }: IntakeOptions): OtlpIntake {
  const streams = new Map<string, Stream>();
  const beganAt = now();

  function streamOf(metric: Metric, attributes: Record<string, string>): Stream | null {
    const key = JSON.stringify([metric.name, Object.entries(attributes).toSorted(([a], [b]) => (a < b ? -1 : 1))]);
    const known = streams.get(key);
    if (known !== undefined) return known;
    if (streams.size >= streamsMax) for (const [old, { heardAt }] of streams) if (now() - heardAt > IDLE_MS) streams.delete(old);
    if (streams.size >= streamsMax) return null;
    const made = {
      metric: metric.name,
      unit: metric.unit,
      attributes,
      total: 0,
      buckets: new Map(),
      timeMs: 0,
      heardAt: now(),
      last: null,
    };
    streams.set(key, made);
    return made;
  }

  function takePoint(stream: Stream, point: Point, temporality: number): string | null {
    if (!isSound(point)) return 'a count is negative or not a number';
    if (point.timeMs <= stream.timeMs) return 'older than the newest point, or taken already';
    if (temporality === CUMULATIVE) {
      const before = baseOf(stream, point);
      if (before !== null) addBetween(stream, before, point);
      stream.last = point;
    } else if (temporality === DELTA) addBetween(stream, null, point);
    else return 'neither delta nor cumulative';
    stream.timeMs = point.timeMs;
    stream.heardAt = now();
    return null;
  }

  /** What a cumulative point goes on from; null: it only says where the counting begins. */
  function baseOf(stream: Stream, point: Point): Point | null {
    const nothing = { startMs: point.startMs, timeMs: point.startMs, total: 0, buckets: new Map<number, number>() };
    if (stream.last === null) return point.startMs >= beganAt ? nothing : null;
    const isRestarted = point.startMs > stream.last.startMs || point.total < stream.last.total;
    return isRestarted ? nothing : stream.last;
  }

  function take(json: unknown) {
    const parsed = exportRequest.safeParse(json);
    if (!parsed.success) return null;
    let [rejected, reason] = [0, ''];
    for (const { stream, point, temporality } of pointsOf(parsed.data, streamOf)) {
      const why = stream === null ? `more than ${streamsMax} streams` : takePoint(stream, point, temporality);
      if (why !== null) [rejected, reason] = [rejected + 1, why];
    }
    return { rejected, reason };
  }

  const streamsOf = (metric: string) => [...streams.values()].filter((stream) => stream.metric === metric);
  return { take, decode: fromProtobuf, encode: responseToProtobuf, epoch, streams: streamsOf };
}

function isSound({ total, buckets, timeMs }: Point): boolean {
  return timeMs > 0 && [total, ...buckets.values()].every((count) => Number.isFinite(count) && count >= 0);
}

function addBetween(stream: Stream, before: Point | null, point: Point): void {
  stream.total += point.total - (before?.total ?? 0);
  // Exponential histograms become coarser as they grow: then what is new cannot be told by bucket, and is left out.
  const isComparable = before === null || [...before.buckets].every(([edge, count]) => (point.buckets.get(edge) ?? 0) >= count);
  if (!isComparable) return;
  for (const [edge, count] of point.buckets) {
    const more = count - (before?.buckets.get(edge) ?? 0);
    if (more > 0) stream.buckets.set(edge, (stream.buckets.get(edge) ?? 0) + more);
  }
}

interface Taken {
  readonly stream: Stream | null;
  readonly point: Point;
  readonly temporality: number;
}

function* pointsOf(
  request: ExportRequest,
  streamOf: (metric: Metric, attributes: Record<string, string>) => Stream | null,
): Generator<Taken> {
  for (const { resource, scopeMetrics } of request.resourceMetrics) {
    for (const metric of scopeMetrics.flatMap((scope) => scope.metrics)) {
      const of = (own: Record<string, string>) => streamOf(metric, { ...resource.attributes, ...own });
      const { sum, histogram, exponentialHistogram } = metric;
      for (const one of sum?.isMonotonic === true ? sum.dataPoints : []) {
        if ((one.flags & NO_RECORDED_VALUE) !== 0) continue;
        yield {
          stream: of(one.attributes),
          point: { ...timesOf(one), total: one.asInt ?? one.asDouble ?? 0, buckets: new Map() },
          temporality: sum?.aggregationTemporality ?? 0,
        };
      }
      for (const one of histogram?.dataPoints ?? []) {
        if ((one.flags & NO_RECORDED_VALUE) !== 0) continue;
        const buckets = new Map(one.bucketCounts.map((count, i) => [one.explicitBounds[i] ?? Infinity, count] as const));
        yield {
          stream: of(one.attributes),
          point: { ...timesOf(one), total: one.count, buckets },
          temporality: histogram?.aggregationTemporality ?? 0,
        };
      }
      for (const one of exponentialHistogram?.dataPoints ?? []) {
        if ((one.flags & NO_RECORDED_VALUE) !== 0) continue;
        yield {
          stream: of(one.attributes),
          point: { ...timesOf(one), total: one.count, buckets: exponentialBuckets(one) },
          temporality: exponentialHistogram?.aggregationTemporality ?? 0,
        };
      }
    }
  }
}

function timesOf(point: { readonly startTimeUnixNano: number; readonly timeUnixNano: number }) {
  return { startMs: point.startTimeUnixNano / 1e6, timeMs: point.timeUnixNano / 1e6 };
}

/** Bucket i of scale s holds (base^i, base^(i+1)], base = 2^(2^-s). */
function exponentialBuckets(point: {
  readonly scale: number;
  readonly zeroCount: number;
  readonly positive?: { readonly offset: number; readonly bucketCounts: readonly number[] } | undefined;
}): Map<number, number> {
  const buckets = new Map<number, number>();
  if (point.zeroCount > 0) buckets.set(0, point.zeroCount);
  const { offset = 0, bucketCounts = [] } = point.positive ?? {};
  for (const [i, count] of bucketCounts.entries()) if (count > 0) buckets.set(2 ** ((offset + i + 1) * 2 ** -point.scale), count);
  return buckets;
}
