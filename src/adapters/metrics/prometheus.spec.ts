import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { sampleBetween } from '../../core/analysis/from-counters.ts';
import { upperEdgeMs } from '../../core/analysis/histogram.ts';
import type { Reading } from '../../core/analysis/reading.ts';
import { prometheusSource } from './prometheus.ts';

type Points = readonly (readonly [second: number, value: number])[];
interface Native {
  readonly second: number;
  /** Lower and upper edge in seconds, and how many. */
  readonly buckets: readonly (readonly [number, number, number])[];
}
interface Said {
  readonly labels?: Readonly<Record<string, string>>;
  readonly points?: Points;
  readonly native?: readonly Native[];
}

const closers: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

/** A query API that has these samples by metric name, all in seconds of one clock. */
async function prometheus(series: () => Readonly<Record<string, readonly Said[]>>, settings: object = {}) {
  let second = 0;
  const server = createServer((request, response) => {
    const { searchParams } = new URL(request.url ?? '/', 'http://localhost');
    const [, name = '', range = '0'] = /^(\w+).*\[(\d+)s\]$/.exec(searchParams.get('query') ?? '') ?? [];
    const to = Number(searchParams.get('time'));
    const isIn = (at: number) => at <= to && at > to - Number(range);
    const result = (series()[name] ?? []).map(({ labels = {}, points = [], native = [] }) => ({
      metric: labels,
      values: points.filter(([at]) => isIn(at)).map(([at, value]) => [at, String(value)]),
      histograms: native
        .filter((one) => isIn(one.second))
        .map(({ second: at, buckets }) => [
          at,
          {
            count: String(buckets.reduce((sum, [, , count]) => sum + count, 0)),
            sum: '0',
            buckets: buckets.map(([low, high, count]) => [0, String(low), String(high), String(count)]),
          },
        ]),
    }));
    const seen = result.filter(({ values, histograms }) => values.length + histograms.length > 0);
    response.end(JSON.stringify({ status: 'success', data: { resultType: 'matrix', result: seen } }));
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  closers.push(() => new Promise((done) => (server.closeAllConnections(), server.close(() => done()))));
  const source = prometheusSource({ env: {}, now: () => second * 1000 });
  const query = {
    environment: 'production',
    app: 'web',
    versions: ['new'],
    settings: {
      kind: 'prometheus',
      url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
      requests: 'requests{version="{{version}}"}',
      errors: 'errors{version="{{version}}"}',
      delay: 0,
      ...settings,
    },
  };
  return {
    async look(at: number, previous: Reading | null) {
      second = at;
      return source.collect(query, previous, new AbortController().signal);
    },
    between: (a: Reading, b: Reading) => sampleBetween(a, b, 'new', null).candidate,
  };
}

/** Latency as [upper edge of our bucket in ms, rounded, how many]. */
function told(latency: Readonly<Record<string, number>> = {}): number[][] {
  return Object.entries(latency)
    .toSorted(([a], [b]) => Number(a) - Number(b))
    .map(([bucket, count]) => [Math.round(upperEdgeMs(Number(bucket))), count]);
}

describe('Prometheus counters', () => {
  it('the first errors there ever were count from zero, though their series did not exist before', async () => {
    const { look, between } = await prometheus(() => ({
      requests: [
        {
          points: [
            [10, 100],
            [20, 160],
          ],
        },
      ],
      errors: [{ points: [[20, 30]] }],
    }));
    const first = await look(11, null);
    expect(between(first, await look(21, first))).toMatchObject({ requests: 60, errors: 30 });
  });

  it('resets of one instance are seen before the instances are added up', async () => {
    const { look, between } = await prometheus(() => ({
      requests: [
        {
          labels: { instance: 'a' },
          points: [
            [10, 1000],
            [20, 1050],
            [30, 1100],
          ],
        },
        {
          labels: { instance: 'b' },
          points: [
            [10, 500],
            [20, 7],
            [30, 9],
          ],
        },
      ],
      errors: [],
    }));
    const first = await look(10, null);
    expect(between(first, await look(30, first))).toMatchObject({ requests: 109, errors: 0 });
  });

  it('a new instance counts from zero; what was done in a hole is known afterwards', async () => {
    const { look, between } = await prometheus(() => ({
      requests: [
        {
          labels: { instance: 'a' },
          points: [
            [10, 100],
            [900, 5000],
            [910, 5010],
          ],
        },
        { labels: { instance: 'b' }, points: [[910, 4]] },
      ],
      errors: [],
    }));
    const first = await look(10, null);
    const gone = await look(899, first).catch((error: { code: string }) => error.code);
    expect(gone).toBe('METRICS_STALE');
    // All 900 s are looked at, so what was done meanwhile is known.
    const back = await look(901, first);
    expect(between(first, back)).toMatchObject({ requests: 4900 });
    expect(between(back, await look(911, back))).toMatchObject({ requests: 14 });
  });

  it('a sample that is not new says nothing, and one that is too old is no data, which is not zero', async () => {
    const { look, between } = await prometheus(() => ({ requests: [{ points: [[10, 100]] }], errors: [] }), { stale: '30s' });
    const first = await look(11, null);
    expect(between(first, await look(35, first))).toMatchObject({ requests: 0 });
    await expect(look(41, first)).rejects.toMatchObject({ code: 'METRICS_STALE' });
  });

  it('what is no count is refused', async () => {
    const { look } = await prometheus(() => ({
      requests: [
        {
          points: [
            [10, 100],
            [20, Number.NaN],
          ],
        },
      ],
      errors: [],
    }));
    const first = await look(11, null);
    await expect(look(21, first)).rejects.toMatchObject({ code: 'METRICS_UNREADABLE' });
  });
});

describe('Prometheus histograms', () => {
  const counters = {
    requests: [
      {
        points: [
          [10, 100],
          [20, 110],
          [30, 113],
        ] as Points,
      },
    ],
    errors: [],
  };

  it('classic ones are told bucket by bucket, over all instances and through a restart', async () => {
    const bucket = (instance: string, le: string, points: Points): Said => ({ labels: { instance, le }, points });
    const { look, between } = await prometheus(
      () => ({
        ...counters,
        seconds_bucket: [
          bucket('a', '0.1', [
            [10, 50],
            [20, 55],
          ]),
          bucket('a', '0.5', [
            [10, 60],
            [20, 67],
          ]),
          bucket('a', '+Inf', [
            [10, 60],
            [20, 68],
          ]),
          bucket('b', '0.1', [
            [10, 40],
            [20, 1],
          ]),
          bucket('b', '0.5', [
            [10, 40],
            [20, 2],
          ]),
          bucket('b', '+Inf', [
            [10, 40],
            [20, 2],
          ]),
        ],
      }),
      { latency: 'seconds_bucket{version="{{version}}"}' },
    );
    const first = await look(11, null);
    const latency = told(between(first, await look(21, first))?.latency);
    expect(latency.map(([, count]) => count)).toEqual([6, 3, 1]);
    expect(latency[0]?.[0]).toBeGreaterThanOrEqual(100);
    expect(latency[0]?.[0]).toBeLessThan(103);
  });

  it('native ones too, with buckets that come, and begin anew', async () => {
    const native: Native[] = [
      { second: 10, buckets: [[0.08, 0.1, 50]] },
      {
        second: 20,
        buckets: [
          [0.08, 0.1, 53],
          [0.4, 0.5, 7],
        ],
      },
      {
        second: 30,
        buckets: [
          [0.4, 0.5, 2],
          [0.9, 1, 1],
        ],
      },
    ];
    const { look, between } = await prometheus(() => ({ ...counters, seconds: [{ native }] }), {
      latency: 'seconds{version="{{version}}"}',
    });
    const first = await look(11, null);
    const second = await look(21, first);
    expect(told(between(first, second)?.latency).map(([, count]) => count)).toEqual([3, 7]);
    expect(told(between(second, await look(31, second))?.latency).map(([, count]) => count)).toEqual([2, 1]);
  });

  it('native ones count requests and errors as well', async () => {
    const at = (second: number, count: number): Native => ({ second, buckets: [[0.08, 0.1, count]] });
    const { look, between } = await prometheus(() => ({
      requests: [{ native: [at(10, 50), at(20, 75)] }],
      errors: [{ native: [at(20, 5)] }],
    }));
    const first = await look(11, null);
    expect(between(first, await look(21, first))).toMatchObject({ requests: 25, errors: 5 });
  });

  it('the first of a version count from zero', async () => {
    const { look, between } = await prometheus(
      () => ({
        requests: [
          {
            points: [
              [10, 4],
              [20, 9],
            ],
          },
        ],
        errors: [],
        seconds: [{ native: [{ second: 20, buckets: [[0.4, 0.5, 3]] }] }],
      }),
      { latency: 'seconds{version="{{version}}"}' },
    );
    const first = await look(11, null);
    expect(told(between(first, await look(21, first))?.latency).map(([, count]) => count)).toEqual([3]);
  });

  it('whose buckets do not end where the judge would cut are refused, for they would move the margin', async () => {
    const bucket = (le: string): Said => ({ labels: { le }, points: [[10, 5]] });
    const classic = ['0.05', '0.1', '0.3', '+Inf'].map(bucket);
    const latency = 'seconds_bucket{version="{{version}}"}';
    const looked = async (said: readonly Said[], bucketsMs?: unknown) => {
      const { look } = await prometheus(() => ({ ...counters, seconds_bucket: said }), {
        latency,
        ...(bucketsMs === undefined ? {} : { bucketsMs }),
      });
      return look(11, null).then(
        () => 'read',
        (error: { code: string; message: string }) => `${error.code}: ${error.message}`,
      );
    };
    expect(await looked(classic)).toBe('read');
    expect(await looked(classic, [50, 100, 300])).toBe('read');
    expect(await looked(classic, [50, 300])).toBe('read');
    expect(await looked(classic, [50, 75, 100])).toMatch(/METRICS_UNREADABLE: .* from 50 to 100 ms in one, .* at 75 ms/);
    expect(await looked(classic, [100, 1000])).toMatch(/from 300 to Infinity ms .* at 1000 ms/);
    const native: Said[] = [{ native: [{ second: 10, buckets: [[0.25 / 2 ** (1 / 8), 0.25, 5]] }] }];
    expect(await looked(native, { scale: 3 })).toBe('read');
    expect(await looked(native, { scale: 2 })).toBe('read');
    expect(await looked(native, { scale: 4 })).toMatch(/METRICS_UNREADABLE/);
  });
});
