import { describe, expect, it } from 'vitest';
import { sampleBetween } from '../../core/analysis/from-counters.ts';
import { upperEdgeMs } from '../../core/analysis/histogram.ts';
import type { Reading } from '../../core/analysis/reading.ts';
import { createOtlpIntake } from './otlp-intake.ts';
import { otlpSource } from './otlp.ts';

const BEGAN = Date.parse('2026-01-01T00:00:00Z');
const [DELTA, CUMULATIVE] = [1, 2];

/** An intake and what a version reports to it; times in ms since the intake began. */
function world(settings: object = {}) {
  let at = BEGAN;
  const intake = createOtlpIntake({ now: () => at, epoch: 'one' });
  const source = otlpSource({ intake, now: () => at });
  const send = (metric: object, attributes: Record<string, string> = {}) =>
    intake.take({
      resourceMetrics: [
        {
          resource: {
            attributes: Object.entries({ 'service.version': 'new', ...attributes }).map(([key, stringValue]) => ({
              key,
              value: { stringValue },
            })),
          },
          scopeMetrics: [{ metrics: [metric] }],
        },
      ],
    });
  const point = (start: number, time: number, more: object) => ({
    startTimeUnixNano: nano(start),
    timeUnixNano: nano(time),
    ...more,
  });
  const query = { environment: 'production', app: 'web', versions: ['new', 'old'], settings: { kind: 'otlp', ...settings } };
  const look = async (previous: Reading | null): Promise<Reading> => (
    (at += 1000),
    source.collect(query, previous, new AbortController().signal)
  );
  const between = (a: Reading, b: Reading) => sampleBetween(a, b, 'new', 'old').candidate ?? { requests: 0, errors: 0, latency: {} };
  const counter = (name: string, temporality: number, start: number, time: number, value: number) =>
    send({
      name,
      sum: { aggregationTemporality: temporality, isMonotonic: true, dataPoints: [point(start, time, { asInt: String(value) })] },
    });
  const exponential = (temporality: number, start: number, time: number, of: Exponential, attributes: Record<string, string> = {}) =>
    send(
      {
        name: 'http.server.request.duration',
        unit: 'ms',
        exponentialHistogram: {
          aggregationTemporality: temporality,
          dataPoints: [
            point(start, time, {
              count: String(of.zeroCount + of.counts.reduce((a, b) => a + b, 0)),
              scale: of.scale,
              zeroCount: String(of.zeroCount),
              positive: { offset: of.offset, bucketCounts: of.counts.map(String) },
            }),
          ],
        },
      },
      attributes,
    );
  return { look, between, counter, exponential };
}

interface Exponential {
  readonly scale: number;
  readonly zeroCount: number;
  readonly offset: number;
  readonly counts: readonly number[];
}

function nano(ms: number): string {
  return String(BigInt(BEGAN + ms) * 1_000_000n);
}

/** Buckets of scale 3 (8 to a doubling), as an SDK makes them of these values. */
function exponentialOf(values: readonly number[], scale: number): Exponential {
  const indexes = values.filter((ms) => ms > 0).map((ms) => Math.ceil(Math.log2(ms) * 2 ** scale - 1e-9) - 1);
  const offset = Math.min(...indexes);
  const counts = Array.from(
    { length: Math.max(...indexes) - offset + 1 },
    (_, i) => indexes.filter((index) => index - offset === i).length,
  );
  return { scale, zeroCount: values.filter((ms) => ms === 0).length, offset, counts };
}

/** How many took longer than some ms. */
function slowerThan(latency: Readonly<Record<string, number>>, ms: number): number {
  return Object.entries(latency).reduce((sum, [bucket, count]) => sum + (upperEdgeMs(Number(bucket)) > ms * 1.1 ? count : 0), 0);
}

const ORDERS = { requests: 'orders', errors: 'orders.failed' };

describe('OTLP counters', () => {
  it('of delta temporality are added up; what came before, or twice, is not', async () => {
    const { look, between, counter } = world(ORDERS);
    counter('orders', DELTA, 0, 10, 7);
    counter('orders.failed', DELTA, 0, 10, 1);
    const first = await look(null);
    counter('orders', DELTA, 10, 20, 5);
    counter('orders.failed', DELTA, 10, 20, 2);
    expect(counter('orders', DELTA, 10, 20, 5)).toMatchObject({ rejected: 1 });
    expect(counter('orders', DELTA, 0, 15, 5)).toMatchObject({ rejected: 1 });
    counter('orders', DELTA, 20, 30, 4);
    expect(between(first, await look(first))).toMatchObject({ requests: 9, errors: 2 });
  });

  it('that turn out bad only after they were counted add themselves, and not the whole once more', async () => {
    const { look, between, counter } = world(ORDERS);
    counter('orders', CUMULATIVE, 0, 10, 400);
    counter('orders.failed', CUMULATIVE, 0, 10, 0);
    const first = await look(null);
    counter('orders', CUMULATIVE, 0, 20, 400);
    counter('orders.failed', CUMULATIVE, 0, 20, 1);
    const second = await look(first);
    expect(between(first, second)).toMatchObject({ requests: 1, errors: 1 });
    counter('orders', CUMULATIVE, 0, 30, 410);
    expect(between(second, await look(second))).toMatchObject({ requests: 10, errors: 0 });
  });

  it('of several instances that cannot be told apart by name are told apart by when they started', async () => {
    const { look, between, counter } = world(ORDERS);
    counter('orders.failed', CUMULATIVE, 0, 1, 0);
    const [one, two] = [
      (time: number, value: number) => counter('orders', CUMULATIVE, 1, time, value),
      (time: number, value: number) => counter('orders', CUMULATIVE, 5, time, value),
    ];
    one(10, 50);
    two(11, 10);
    const first = await look(null);
    one(20, 51);
    two(21, 12);
    one(30, 53);
    two(29, 13);
    expect(between(first, await look(first))).toMatchObject({ requests: 6, errors: 0 });
  });
});

it('what is forgotten for want of room is of versions that nobody hears of any more: no count of a live one goes back', () => {
  let at = BEGAN;
  const intake = createOtlpIntake({ now: () => at, epoch: 'one', streamsMax: 3 });
  const send = (version: string, route: string) =>
    intake.take({
      resourceMetrics: [
        {
          resource: { attributes: [{ key: 'service.version', value: { stringValue: version } }] },
          scopeMetrics: [
            {
              metrics: [
                {
                  name: 'orders',
                  sum: {
                    aggregationTemporality: DELTA,
                    isMonotonic: true,
                    dataPoints: [
                      { attributes: [{ key: 'route', value: { stringValue: route } }], timeUnixNano: nano(at - BEGAN + 1), asInt: '5' },
                    ],
                  },
                },
              ],
            },
          ],
        },
      ],
    });
  const total = (version: string) =>
    intake.streams('orders').reduce((sum, stream) => sum + (stream.attributes['service.version'] === version ? stream.total : 0), 0);
  send('gone', '/');
  send('live', '/rare');
  at += 2 * 3_600_000;
  send('live', '/');
  expect(total('live')).toBe(10);
  expect(send('new', '/')).toMatchObject({ rejected: 0 });
  expect([total('gone'), total('live'), total('new')]).toEqual([0, 10, 5]);
  expect(send('new', '/other')).toMatchObject({ rejected: 1, reason: 'more than 3 streams' });
});

describe('OTLP exponential histograms', () => {
  for (const temporality of [DELTA, CUMULATIVE])
    it(`fall into buckets (${temporality === DELTA ? 'delta' : 'cumulative'})`, async () => {
      const { look, between, exponential } = world();
      const before = [3, 40, 40];
      exponential(temporality, 0, 10, exponentialOf(before, 3));
      const first = await look(null);
      const now = [0, 5, 40, 900];
      exponential(temporality, temporality === DELTA ? 10 : 0, 20, exponentialOf(temporality === DELTA ? now : [...before, ...now], 3));
      const { requests, latency } = between(first, await look(first));
      expect(requests).toBe(4);
      expect([0, 20, 500].map((ms) => slowerThan(latency, ms))).toEqual([4, 2, 1]);
    });

  it('that became coarser, as they do when something was slow, still say how slow', async () => {
    const { look, between, exponential } = world();
    const before = [3, 40, 40];
    exponential(CUMULATIVE, 0, 10, exponentialOf(before, 5));
    const first = await look(null);
    exponential(CUMULATIVE, 0, 20, exponentialOf([...before, 45, 9000, 9000], 2));
    const { requests, latency } = between(first, await look(first));
    expect(requests).toBe(3);
    expect([20, 500].map((ms) => slowerThan(latency, ms))).toEqual([3, 2]);
  });

  it('whose buckets do not end where the judge would cut are refused, for they would move the margin', async () => {
    const looked = async (bucketsMs: unknown) => {
      const { look, exponential } = world({ bucketsMs });
      exponential(CUMULATIVE, 0, 10, exponentialOf([3, 40, 40], 3));
      return look(null).then(
        () => 'read',
        (error: { code: string }) => error.code,
      );
    };
    expect(await looked(undefined)).toBe('read');
    expect(await looked([32, 64])).toBe('read');
    expect(await looked([32, 40])).toBe('METRICS_UNREADABLE');
    // The metric is in ms, and cut at powers of two of them.
    expect(await looked({ scale: 3, unit: 'ms' })).toBe('read');
    expect(await looked({ scale: 3 })).toBe('METRICS_UNREADABLE');
  });
});
