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
  /** Where the buckets of the newest point begin and end, in the metric's unit. */
  edges: readonly (readonly [low: number, high: number])[];
  /** Time of the newest delta point, and when any came, ms. */
  timeMs: number;
  heardAt: number;
  /** The last cumulative point of each start, to subtract from the next: instances may not have told their names. */
  readonly last: Map<number, Point>;
}

interface Point {
  readonly startMs: number;
  readonly timeMs: number;
  readonly total: number;
  readonly buckets: ReadonlyMap<number, number>;
  /** Of exponential buckets. */
  readonly scale: number | null;
  readonly edges: Stream['edges'];
}

export interface OtlpIntake {
  /** Takes one export request, as OTLP/JSON has it. Answers how many points were refused, and why; null: not OTLP at all. */
  take(json: unknown): { readonly rejected: number; readonly reason: string } | null;
  /** The same two as protobuf. @throws UserError `OTLP_INVALID` */
  decode(bytes: Uint8Array): unknown;
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
    if (streams.size >= streamsMax) forget();
    if (streams.size >= streamsMax) return null;
    const made = {
      metric: metric.name,
      unit: metric.unit,
      attributes,
      total: 0,
      buckets: new Map(),
      edges: [],
      timeMs: 0,
      heardAt: now(),
      last: new Map(),
    };
    streams.set(key, made);
    return made;
  }

  /** Versions not heard of for long, as a whole: of one that lives no count may go back. */
  function forget(): void {
    const heard = new Map<string, number>();
    const versionOf = ({ attributes }: Stream) => attributes['service.version'] ?? '';
    for (const stream of streams.values()) heard.set(versionOf(stream), Math.max(heard.get(versionOf(stream)) ?? 0, stream.heardAt));
    for (const [key, stream] of streams) if (now() - (heard.get(versionOf(stream)) ?? 0) > IDLE_MS) streams.delete(key);
  }

  function takePoint(stream: Stream, point: Point, temporality: number): string | null {
    if (!isSound(point)) return 'a count is negative or not a number';
    const newest = temporality === CUMULATIVE ? (stream.last.get(point.startMs)?.timeMs ?? 0) : stream.timeMs;
    if (point.timeMs <= newest) return 'older than the newest point, or taken already';
    if (temporality === CUMULATIVE) {
      const before = baseOf(stream, point);
      if (before !== null) addBetween(stream, before, point);
      remember(stream.last, point);
    } else if (temporality === DELTA) {
      addBetween(stream, null, point);
      stream.timeMs = point.timeMs;
    } else return 'neither delta nor cumulative';
    stream.edges = point.edges;
    stream.heardAt = now();
    return null;
  }

  /** What a cumulative point goes on from; null: it only says where the counting begins. */
  function baseOf({ last }: Stream, point: Point): Point | null {
    const nothing = { ...point, timeMs: point.startMs, total: 0, buckets: new Map<number, number>() };
    const known = last.get(point.startMs);
    if (known === undefined) return point.startMs >= beganAt ? nothing : null;
    return point.total < known.total ? nothing : known;
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

/** Starts remembered by stream, the newest: every restart of an instance is one. */
const STARTS_MAX = 1000;

function remember(last: Map<number, Point>, point: Point): void {
  last.delete(point.startMs);
  last.set(point.startMs, point);
  const [oldest] = last.keys();
  if (last.size > STARTS_MAX && oldest !== undefined) last.delete(oldest);
}

function addBetween(stream: Stream, before: Point | null, point: Point): void {
  stream.total += point.total - (before?.total ?? 0);
  const known = before === null ? new Map<number, number>() : asCoarse(before, point.scale);
  // Buckets that are not the same any more say nothing of what is new.
  if (![...known].every(([edge, count]) => (point.buckets.get(edge) ?? 0) >= count)) return;
  for (const [edge, count] of point.buckets) {
    const more = count - (known.get(edge) ?? 0);
    if (more > 0) stream.buckets.set(edge, (stream.buckets.get(edge) ?? 0) + more);
  }
}

/**
 * Exponential histograms become coarser as they grow, which is when something was slow: what was known before is put
 * into the wider buckets, for the slow ones not to be lost.
 */
function asCoarse({ buckets, scale }: Point, wanted: number | null): ReadonlyMap<number, number> {
  if (scale === null || wanted === null || wanted >= scale) return buckets;
  const coarse = new Map<number, number>();
  for (const [edge, count] of buckets) {
    const upper = edge === 0 ? 0 : exponentialEdge(Math.ceil(Math.round(Math.log2(edge) * 2 ** scale) / 2 ** (scale - wanted)), wanted);
    coarse.set(upper, (coarse.get(upper) ?? 0) + count);
  }
  return coarse;
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
          point: { ...timesOf(one), total: one.asInt ?? one.asDouble ?? 0, buckets: new Map(), scale: null, edges: [] },
          temporality: sum?.aggregationTemporality ?? 0,
        };
      }
      for (const one of histogram?.dataPoints ?? []) {
        if ((one.flags & NO_RECORDED_VALUE) !== 0) continue;
        const buckets = new Map(one.bucketCounts.map((count, i) => [one.explicitBounds[i] ?? Infinity, count] as const));
        yield {
          stream: of(one.attributes),
          point: { ...timesOf(one), total: one.count, buckets, scale: null, edges: explicitEdges(one.explicitBounds) },
          temporality: histogram?.aggregationTemporality ?? 0,
        };
      }
      for (const one of exponentialHistogram?.dataPoints ?? []) {
        if ((one.flags & NO_RECORDED_VALUE) !== 0) continue;
        yield {
          stream: of(one.attributes),
          point: { ...timesOf(one), total: one.count, ...exponentialBuckets(one), scale: one.scale },
          temporality: exponentialHistogram?.aggregationTemporality ?? 0,
        };
      }
    }
  }
}

function timesOf(point: { readonly startTimeUnixNano: number; readonly timeUnixNano: number }) {
  return { startMs: point.startTimeUnixNano / 1e6, timeMs: point.timeUnixNano / 1e6 };
}

function explicitEdges(bounds: readonly number[]): Stream['edges'] {
  return bounds.length === 0 ? [] : [...bounds, Infinity].map((high, i) => [bounds[i - 1] ?? 0, high] as const);
}

/** Bucket i of scale s holds (base^i, base^(i+1)], base = 2^(2^-s). */
function exponentialBuckets(point: {
  readonly scale: number;
  readonly zeroCount: number;
  readonly positive?: { readonly offset: number; readonly bucketCounts: readonly number[] } | undefined;
}): Pick<Point, 'buckets' | 'edges'> {
  const buckets = new Map<number, number>();
  const edges: (readonly [number, number])[] = [];
  if (point.zeroCount > 0) buckets.set(0, point.zeroCount);
  const { offset = 0, bucketCounts = [] } = point.positive ?? {};
  for (const [i, count] of bucketCounts.entries()) {
    if (count === 0) continue;
    const high = exponentialEdge(offset + i + 1, point.scale);
    buckets.set(high, count);
    edges.push([exponentialEdge(offset + i, point.scale), high]);
  }
  return { buckets, edges };
}

function exponentialEdge(index: number, scale: number): number {
  return 2 ** (index * 2 ** -scale);
}
