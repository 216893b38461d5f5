import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { startLoad } from '../../../test/load.ts';
import { sampleBetween } from '../../core/analysis/from-counters.ts';
import { observeSample, startAnalysis, verdictOf } from '../../core/analysis/judge.ts';
import { SEQUENTIAL_DEFAULTS } from '../../core/analysis/policy.ts';
import type { Reading } from '../../core/analysis/reading.ts';
import { embeddedEdge } from '../edge/embedded.ts';
import { prometheusSource } from './prometheus.ts';
import { freePort } from '../../../test/free-port.ts';

const app = join(import.meta.dirname, '../../../examples/harbour/accounts');
const policy = { ...SEQUENTIAL_DEFAULTS, intervalMs: 2000, initialDelayMs: 0, latency: null };
const setting = { share: 0.5, bakeMs: 20_000, bakes: 1 };
const VERSIONS = [
  ['old', 34, { kind: 'none' }],
  ['bad', 33, { kind: 'errors', rate: 0.3 }],
  ['good', 33, { kind: 'none' }],
] as const;
const CANDIDATES = ['bad', 'good'] as const;

/** A version of harbour's accounts; answers its port. */
async function startVersion(dir: string, version: string, fault: object): Promise<{ child: ChildProcess; port: number }> {
  cpSync(app, join(dir, version), { recursive: true });
  writeFileSync(join(dir, version, 'fault.json'), JSON.stringify(fault));
  const env = { ...process.env, PORT: '0', SLUICE_VERSION: version, HARBOUR_DATA: join(dir, 'data') };
  const child = spawn(process.execPath, ['server.js'], { cwd: join(dir, version), env, stdio: ['ignore', 'pipe', 'inherit'] });
  const [line] = (await new Promise<string[]>((done) => createInterface({ input: child.stdout }).once('line', (said) => done([said])))) as [
    string,
  ];
  return { child, port: Number(/listening on (\d+)/.exec(line)?.[1]) };
}

async function until(what: string, is: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 40_000;
  while (!(await is().catch(() => false))) {
    if (Date.now() > deadline) throw new Error(`waited for ${what}`);
    await sleep(100);
  }
}

test.skipIf(!hasPrometheus())(
  'a real Prometheus and the edge judge the same traffic alike (skipped where Debian’s prometheus is not installed)',
  { timeout: 180_000 },
  async () => {
    const dir = mkdtempSync(join(tmpdir(), 'sluice-prometheus-'));
    mkdirSync(join(dir, 'data'));
    const edge = embeddedEdge({ dir: join(dir, 'edge'), port: 0 });
    const children: ChildProcess[] = [];
    try {
      const versions = [];
      for (const [id, weight, fault] of VERSIONS) {
        const { child, port } = await startVersion(dir, id, fault);
        children.push(child);
        versions.push({ id, weight, endpoints: [{ host: '127.0.0.1', port }] });
      }
      await edge.apply({
        app: 'production/web',
        fence: 1,
        routes: [{ host: null, pathPrefix: '/' }],
        versions,
        sticky: { by: 'none' },
      });
      const port = await freePort();
      const prometheus = startPrometheus(
        dir,
        port,
        versions.flatMap(({ endpoints }) => endpoints.map((one) => one.port)),
      );
      children.push(prometheus);
      const source = prometheusSource({ env: {}, now: () => Date.now() });
      const settings = {
        kind: 'prometheus',
        url: `http://127.0.0.1:${port}`,
        requests: 'http_requests_total{version="{{version}}"}',
        errors: 'http_requests_total{version="{{version}}",code="5xx"}',
        delay: '1s',
      };
      const query = { environment: 'production', app: 'web', versions: versions.map(({ id }) => id), settings };
      const scraped = (previous: Reading | null) => source.collect(query, previous, new AbortController().signal);
      await until('Prometheus to have scraped all', async () => Object.keys((await scraped(null)).versions).length === 3);

      const judges = CANDIDATES.flatMap((candidate) =>
        (['edge', 'prometheus'] as const).map((by) => ({ candidate, by, state: startAnalysis(policy, 0, setting), counts: [0, 0] })),
      );
      const readings = { edge: (await edge.stats('production/web')) as Reading, prometheus: await scraped(null) };
      const look = async () => {
        const next = { edge: (await edge.stats('production/web')) as Reading, prometheus: await scraped(readings.prometheus) };
        for (const judge of judges) {
          const sample = sampleBetween(readings[judge.by], next[judge.by], judge.candidate, 'old');
          judge.state = observeSample(policy, judge.state, sample);
          const { requests = 0, errors = 0 } = sample.candidate ?? {};
          judge.counts = [(judge.counts[0] ?? 0) + requests, (judge.counts[1] ?? 0) + errors];
        }
        Object.assign(readings, next);
      };
      const phases = (by: string) => judges.filter((one) => one.by === by).map((one) => verdictOf(policy, one.state, Date.now()).phase);
      const counts = (by: string) => judges.filter((one) => one.by === by).map((one) => one.counts);

      const load = startLoad({ url: await edge.ensure(), clients: 4, paths: ['/accounts'], ratePerSecond: 150 });
      // Prometheus tells in lumps, and how much a lump can show is bounded: by its counters it may take a look more.
      await until('both counters to tell', async () => {
        await sleep(1500);
        await look();
        return phases('edge')[0] === 'Failed' && phases('prometheus')[0] === 'Failed';
      });
      await load.stop();
      await until('Prometheus to have seen the last request', async () => {
        await look();
        return JSON.stringify(counts('edge')) === JSON.stringify(counts('prometheus'));
      });
      console.log(
        judges
          .map(({ candidate, by, counts: [requests, errors] }) => `${candidate} by ${by}: ${requests} requests, ${errors} errors`)
          .join('; '),
      );
      expect(phases('edge')).toEqual(['Failed', 'Running']);
      expect(phases('prometheus')).toEqual(phases('edge'));

      const ended = new Promise((done) => prometheus.once('exit', done));
      prometheus.kill('SIGKILL');
      await ended;
      await expect(scraped(readings.prometheus)).rejects.toMatchObject({ code: 'METRICS_UNREADABLE' });
    } finally {
      for (const child of children) child.kill('SIGKILL');
      await edge.stop();
      rmSync(dir, { recursive: true, force: true, maxRetries: 5 });
    }
  },
);

test.skipIf(!hasPrometheus())(
  'a real Prometheus: a selector of errors that has never matched anything vouches for none (skipped where Debian’s prometheus is not installed)',
  { timeout: 120_000 },
  async () => {
    const dir = mkdtempSync(join(tmpdir(), 'sluice-prometheus-'));
    const exporter = createServer((_, response) => {
      response.end(
        '# TYPE http_requests_total counter\nhttp_requests_total{version="new",code="2xx"} 5\nhttp_requests_total{version="past",code="2xx"} 5\nhttp_requests_total{version="past",code="5xx"} 1\n',
      );
    });
    await new Promise<void>((done) => exporter.listen(0, '127.0.0.1', done));
    const port = await freePort();
    const prometheus = startPrometheus(dir, port, [(exporter.address() as AddressInfo).port]);
    try {
      const source = prometheusSource({ env: {}, now: () => Date.now() });
      const of = async (errors: string, more: object = {}) => {
        const requests = 'http_requests_total{version="{{version}}"}';
        const settings = { kind: 'prometheus', url: `http://127.0.0.1:${port}`, requests, errors, delay: 0, ...more };
        const query = { environment: 'production', app: 'web', versions: ['new'], settings };
        return (await source.collect(query, null, new AbortController().signal)).versions['new'];
      };
      await until('Prometheus to have scraped', async () => (await of('x')) !== undefined);
      const right = 'http_requests_total{version="{{version}}",code="5xx"}';
      expect(await of(right)).not.toHaveProperty('unknown');
      for (const mistyped of [right.replace('requests', 'reqests'), right.replace('5xx', '5x'), right.replace('code', 'status')]) {
        expect(await of(mistyped), mistyped).toMatchObject({ errors: 0, unknown: ['errors'] });
        expect(await of(mistyped, { errorsMayBeAbsent: true }), mistyped).not.toHaveProperty('unknown');
      }
    } finally {
      prometheus.kill('SIGKILL');
      exporter.closeAllConnections();
      exporter.close();
      rmSync(dir, { recursive: true, force: true, maxRetries: 5 });
    }
  },
);

function startPrometheus(dir: string, port: number, ports: readonly number[]): ChildProcess {
  const targets = ports.map((its) => `"127.0.0.1:${its}"`).join(', ');
  const config = join(dir, 'prometheus.yml');
  writeFileSync(
    config,
    `global: {scrape_interval: 500ms, scrape_timeout: 500ms}\nscrape_configs: [{job_name: harbour, static_configs: [{targets: [${targets}]}]}]\n`,
  );
  const args = [`--config.file=${config}`, `--storage.tsdb.path=${join(dir, 'tsdb')}`, `--web.listen-address=127.0.0.1:${port}`];
  return spawn('prometheus', args, { cwd: dir, stdio: 'ignore' });
}

function hasPrometheus(): boolean {
  try {
    execFileSync('prometheus', ['--version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}
