import { appendFileSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Did, metricContract, type MetricHarness } from '../../../test/contracts/metrics.ts';
import { bucketOf } from '../../core/analysis/histogram.ts';
import { OutsideError } from '../../core/errors.ts';
import { edgeSource } from './edge.ts';
import { jobSource } from './job.ts';
import { logSource } from './logs.ts';
import { createOtlpIntake } from './otlp-intake.ts';
import { otlpSource } from './otlp.ts';
import { prometheusSource } from './prometheus.ts';
import { webSource } from './web.ts';

const BAD_LATER = 'what turns out bad only after it was counted adds itself, and not the whole once more';

/** What versions have done since they started. */
function tallies() {
  const all = new Map<string, { requests: number; errors: number; latency: Record<string, number> }>();
  return {
    all,
    add(version: string, { requests, errors, latencies = [] }: Did) {
      const had = all.get(version) ?? { requests: 0, errors: 0, latency: {} };
      const latency = { ...had.latency };
      for (const ms of latencies) latency[ms] = (latency[ms] ?? 0) + 1;
      all.set(version, { requests: had.requests + requests, errors: had.errors + errors, latency });
    },
    restart: (version: string) => void all.set(version, { requests: 0, errors: 0, latency: {} }),
  };
}

function clock() {
  let at = Date.parse('2026-01-01T00:00:00Z');
  return { now: () => at, go: (ms: number) => (at += ms) };
}

metricContract(
  'edge',
  async (): Promise<MetricHarness> => {
    const counts = tallies();
    const time = clock();
    let isDown = false;
    const stats = async () => {
      if (isDown) throw new OutsideError('EDGE_UNREACHABLE', 'down');
      const versions = [...counts.all].map(([id, { requests, errors, latency }]) => {
        const buckets = Object.fromEntries(Object.entries(latency).map(([ms, count]) => [bucketOf(Number(ms)), count]));
        return [id, { requests, byClass: { '2xx': requests - errors, '5xx': errors }, latency: buckets }] as const;
      });
      return { epoch: 'e', at: time.go(1000), versions: Object.fromEntries(versions) };
    };
    return {
      source: edgeSource({ stats }),
      settings: { kind: 'edge' },
      hasLatency: true,
      add: async (version, did) => counts.add(version, did),
      restart: async (version) => counts.restart(version),
      breakDown: async () => void (isDown = true),
      heal: async () => void (isDown = false),
      end: async () => {},
    };
  },
  { [BAD_LATER]: "an answer's class is known when it is counted" },
);

/** Answers what `answer` makes of the address; 503 while it is broken. */
async function fakeServer(answer: (url: URL) => unknown) {
  let isDown = false;
  const server = createServer((request, response) => {
    const url = new URL(request.url ?? '/', 'http://localhost');
    response
      .writeHead(isDown ? 503 : 200, { 'content-type': 'application/json' })
      .end(JSON.stringify(isDown ? { error: 'down' } : answer(url)));
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    breakDown: async () => void (isDown = true),
    heal: async () => void (isDown = false),
    end: () => new Promise<void>((done) => (server.closeAllConnections(), server.close(() => done()))),
  };
}

metricContract('web', async (): Promise<MetricHarness> => {
  const counts = tallies();
  const time = clock();
  const server = await fakeServer((url) => ({
    data: counts.all.get(url.searchParams.get('v') ?? '') ?? null,
    none: { requests: 0, errors: 0 },
  }));
  const source = webSource({ env: { TOKEN: 'secret' }, now: () => time.go(1000) });
  return {
    source,
    settings: {
      kind: 'web',
      url: `${server.url}/?v={{version}}`,
      requests: 'data.requests',
      errors: 'data.errors',
      latency: 'data.latency',
      headers: { authorization: { fromEnv: 'TOKEN' } },
    },
    hasLatency: true,
    add: async (version, did) => {
      if (!counts.all.has('new')) counts.restart('new');
      counts.add(version, did);
    },
    restart: async (version) => counts.restart(version),
    ...server,
  };
});

metricContract('job', async (): Promise<MetricHarness> => {
  const dir = await mkdtemp(join(tmpdir(), 'sluice-job-'));
  const counts = tallies();
  const time = clock();
  const write = () => {
    for (const version of ['new', 'old'])
      writeFileSync(join(dir, `${version}.json`), JSON.stringify(counts.all.get(version) ?? { requests: 0, errors: 0 }));
  };
  write();
  return {
    source: jobSource({ dir, env: process.env, now: () => time.go(1000) }),
    settings: { kind: 'job', command: ['sh', '-c', '[ ! -e broken ] && cat "$SLUICE_VERSION.json"'] },
    hasLatency: true,
    add: async (version, did) => (counts.add(version, did), write()),
    restart: async (version) => (counts.restart(version), write()),
    breakDown: async () => writeFileSync(join(dir, 'broken'), ''),
    heal: async () => rmSync(join(dir, 'broken')),
    end: async () => rmSync(dir, { recursive: true, force: true }),
  };
});

metricContract(
  'logs',
  async (): Promise<MetricHarness> => {
    const dir = await mkdtemp(join(tmpdir(), 'sluice-logs-'));
    const time = clock();
    const folder = (version: string) => join(dir, 'production', 'web', version, 'logs');
    return {
      source: logSource({ dir, folder: join(dir, '{{environment}}', '{{app}}', '{{version}}', 'logs'), now: () => time.go(1000) }),
      settings: { kind: 'logs', requests: '^request ', errors: ' failed', latency: ' (\\d+) ms' },
      hasLatency: true,
      async add(version, { requests, errors, latencies = [] }) {
        mkdirSync(folder(version), { recursive: true });
        const lines = Array.from(
          { length: requests },
          (_, i) => `request ${i}${i < errors ? ' failed' : ''}${latencies[i] === undefined ? '' : ` ${latencies[i]} ms`}\n`,
        );
        appendFileSync(join(folder(version), '0.log'), `starting\n${lines.join('')}`);
      },
      restart: async (version) => writeFileSync(join(folder(version), '0.log'), ''),
      async breakDown() {
        rmSync(join(dir, 'kept'), { recursive: true, force: true });
        writeFileSync(join(dir, 'kept'), '');
        const { renameSync } = await import('node:fs');
        renameSync(folder('new'), `${folder('new')}-away`);
        writeFileSync(folder('new'), '');
      },
      async heal() {
        const { renameSync } = await import('node:fs');
        rmSync(folder('new'));
        renameSync(`${folder('new')}-away`, folder('new'));
      },
      end: async () => rmSync(dir, { recursive: true, force: true }),
    };
  },
  { [BAD_LATER]: 'a line says both at once' },
);

metricContract(
  'otlp',
  async (): Promise<MetricHarness> => {
    const time = clock();
    const intake = createOtlpIntake({ now: time.now, epoch: 'one' });
    const source = otlpSource({ intake, now: time.now });
    let isDown = false;
    const startedAt = new Map<string, number>();
    const sums = new Map<string, { count: number; buckets: number[] }>();
    const nano = (ms: number) => String(BigInt(ms) * 1_000_000n);
    const bounds = [0.05, 0.25, 1];
    const send = (version: string, status: string, count: number, latencies: readonly number[]) => {
      const key = `${version}/${status}`;
      const had = sums.get(key) ?? { count: 0, buckets: [0, 0, 0, 0] };
      const buckets = had.buckets.map(
        (n, i) => n + latencies.filter((ms) => ms / 1000 <= (bounds[i] ?? Infinity) && ms / 1000 > (bounds[i - 1] ?? -1)).length,
      );
      sums.set(key, { count: had.count + count, buckets });
      const attributes = [{ key: 'service.version', value: { stringValue: version } }];
      const point = {
        attributes: [{ key: 'http.response.status_code', value: { intValue: status } }],
        startTimeUnixNano: nano(startedAt.get(version) ?? time.now()),
        timeUnixNano: nano(time.now()),
        count: String(had.count + count),
        bucketCounts: buckets.map(String),
        explicitBounds: bounds,
      };
      const metric = { name: 'http.server.request.duration', unit: 's', histogram: { aggregationTemporality: 2, dataPoints: [point] } };
      intake.take({ resourceMetrics: [{ resource: { attributes }, scopeMetrics: [{ metrics: [metric] }] }] });
    };
    return {
      source: {
        ...source,
        collect: (...given) => (time.go(1000), isDown ? (time.go(300_000), source.collect(...given)) : source.collect(...given)),
      },
      settings: { kind: 'otlp' },
      hasLatency: true,
      async add(version, { requests, errors, latencies = [] }) {
        if (!startedAt.has(version)) startedAt.set(version, time.now());
        time.go(10);
        send(version, '200', requests - errors, latencies);
        send(version, '500', errors, []);
      },
      async restart(version) {
        for (const key of sums.keys()) if (key.startsWith(`${version}/`)) sums.delete(key);
        startedAt.set(version, time.go(10));
      },
      breakDown: async () => void (isDown = true),
      heal: async () => void (isDown = false),
      end: async () => {},
    };
  },
  { [BAD_LATER]: 'told of a metric of its own in otlp.spec.ts' },
);

metricContract('prometheus', async (): Promise<MetricHarness> => {
  const time = clock();
  const counts = tallies();
  const scraped: { at: number; all: typeof counts.all }[] = [];
  const scrape = () => void scraped.push({ at: time.go(1000), all: new Map(counts.all) });
  const series = (url: URL) => {
    const query = url.searchParams.get('query') ?? '';
    const to = Number(url.searchParams.get('time')) * 1000;
    const version = /version="(\w+)"/.exec(query)?.[1] ?? '';
    const points = (pick: (count: { requests: number; errors: number; latency: Record<string, number> }) => number) =>
      scraped.flatMap(({ at, all }) => {
        const count = all.get(version);
        return count === undefined || at > to ? [] : [[at / 1000, String(pick(count))]];
      });
    if (query.startsWith('errors')) return [{ metric: {}, values: points((count) => count.errors) }];
    if (query.startsWith('requests')) return [{ metric: {}, values: points((count) => count.requests) }];
    return ['0.05', '0.25', '1', '+Inf'].map((le) => ({
      metric: { le },
      values: points(({ latency }) =>
        Object.entries(latency).reduce((sum, [ms, n]) => sum + (le === '+Inf' || Number(ms) / 1000 <= Number(le) ? n : 0), 0),
      ),
    }));
  };
  const server = await fakeServer((url) => ({
    status: 'success',
    data: { resultType: 'matrix', result: series(url).filter(({ values }) => values.length > 0) },
  }));
  return {
    source: prometheusSource({ env: {}, now: () => time.go(1) }),
    settings: {
      kind: 'prometheus',
      url: server.url,
      requests: 'requests{version="{{version}}"}',
      errors: 'errors{version="{{version}}"}',
      latency: 'seconds_bucket{version="{{version}}"}',
      delay: 0,
    },
    hasLatency: true,
    add: async (version, did) => (counts.add(version, did), scrape()),
    restart: async (version) => (counts.restart(version), scrape()),
    ...server,
  };
});
