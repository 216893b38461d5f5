import { appendFileSync, mkdirSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Reading } from '../../core/analysis/reading.ts';
import type { MetricSource } from '../../ports/metric-source.ts';
import { logSource } from './logs.ts';
import { createOtlpIntake } from './otlp-intake.ts';
import { otlpSource } from './otlp.ts';
import { webSource } from './web.ts';
import { prometheusSource } from './prometheus.ts';

const SIGNAL = new AbortController().signal;
const asked = (settings: { kind: string }) => ({ environment: 'production', app: 'web', versions: ['new'], settings });
const look = async (source: MetricSource, settings: { kind: string }, previous: Reading | null = null) =>
  source.collect(asked(settings), previous, SIGNAL);

/** What answers each request with this. */
async function answering(json: (path: string) => unknown, use: (url: string) => Promise<void>): Promise<void> {
  const server = createServer((request, response) => response.end(JSON.stringify(json(request.url ?? '/'))));
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  try {
    await use(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  } finally {
    server.closeAllConnections();
    await new Promise<void>((done) => server.close(() => done()));
  }
}

describe('errors that nothing has ever matched are not known to be none', () => {
  it('otlp: without a point that has the attribute, or a metric of that name', async () => {
    const intake = createOtlpIntake({ now: () => 2000, epoch: 'one' });
    const source = otlpSource({ intake, now: () => 3000 });
    const report = (name: string, attributes: Readonly<Record<string, string>>) =>
      intake.take({
        resourceMetrics: [
          {
            resource: { attributes: [{ key: 'service.version', value: { stringValue: 'new' } }] },
            scopeMetrics: [
              {
                metrics: [
                  {
                    name,
                    sum: {
                      aggregationTemporality: 1,
                      isMonotonic: true,
                      dataPoints: [
                        {
                          attributes: Object.entries(attributes).map(([key, stringValue]) => ({ key, value: { stringValue } })),
                          timeUnixNano: String(2_000_000_000 + Object.keys(attributes).length),
                          asInt: '7',
                        },
                      ],
                    },
                  },
                ],
              },
            ],
          },
        ],
      });
    report('done', { 'http.status_code': '500' });
    const settings = { kind: 'otlp', requests: 'done' };
    expect((await look(source, settings)).versions['new']).toMatchObject({ requests: 7, errors: 0, unknown: ['errors'] });
    expect((await look(source, { ...settings, errors: 'faild' } as never)).versions['new']).toMatchObject({ unknown: ['errors'] });
    expect((await look(source, { ...settings, errorsMayBeAbsent: true } as never)).versions['new']).not.toHaveProperty('unknown');
    expect((await look(source, { ...settings, errorAttribute: 'http.status_code' } as never)).versions['new']).toMatchObject({ errors: 7 });
    expect((await look(source, { ...settings, errorAttribute: 'http.status_code' } as never)).versions['new']).not.toHaveProperty(
      'unknown',
    );
    report('failed', { a: '1', b: '2' });
    expect((await look(source, { ...settings, errors: 'failed' } as never)).versions['new']).not.toHaveProperty('unknown');
  });

  it('logs: without a line that the pattern of errors matches, before or since', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'sluice-logs-'));
    try {
      mkdirSync(join(dir, 'new'));
      const write = (line: string) => appendFileSync(join(dir, 'new', '0.log'), `${line}\n`);
      const source = logSource({ dir, folder: join(dir, '{{version}}'), now: () => 1 });
      const settings = { kind: 'logs', requests: '^request', errors: ' failed$' };
      write('request 1');
      const first = await look(source, settings);
      write('request 2');
      const second = await look(source, settings, first);
      expect(second.versions['new']).toMatchObject({ requests: 1, errors: 0, unknown: ['errors'] });
      write('request 3 failed');
      const third = await look(source, settings, second);
      expect(third.versions['new']).toEqual({ requests: 2, errors: 1, byClass: {}, latency: {} });
      write('request 4');
      expect((await look(source, settings, third)).versions['new']).not.toHaveProperty('unknown');
      // What was there before an analysis began says that the pattern is right, and is not counted.
      expect((await look(source, settings)).versions['new']).toEqual({ requests: 0, errors: 0, byClass: {}, latency: {} });
    } finally {
      await rm(dir, { recursive: true, force: true });
    }
  });

  it('web: a place without a number is no number', async () => {
    await answering(
      () => ({ requests: 7, errors: 0 }),
      async (url) => {
        const source = webSource({ env: {}, now: () => 1 });
        expect((await look(source, { kind: 'web', url } as never)).versions['new']).toMatchObject({ requests: 7, errors: 0 });
        await expect(look(source, { kind: 'web', url, errors: 'erors' } as never)).rejects.toMatchObject({ code: 'METRICS_UNREADABLE' });
      },
    );
  });
});

describe('an answer of Prometheus that may not be whole', () => {
  const whole = { status: 'success', data: { resultType: 'matrix', result: [{ metric: {}, values: [[1, '5']] }] } };
  const ask = (url: string) =>
    look(prometheusSource({ env: {}, now: () => 2000 }), { kind: 'prometheus', url, requests: 'r', errors: 'e', delay: 0 } as never);

  it.each([
    ['has warnings', { warnings: ['remote read: store-2 did not answer'] }, /may not be whole: remote read: store-2/],
    ['says that it is partial', { isPartial: true }, /partial/],
  ])('is an outage, and no numbers: one that %s', async (_, said, reason) => {
    await answering(
      () => ({ ...whole, ...said }),
      async (url) => {
        await expect(ask(url)).rejects.toMatchObject({ code: 'METRICS_UNREADABLE', message: expect.stringMatching(reason) as string });
      },
    );
  });

  it('is believed without them, hints included', async () => {
    await answering(
      () => ({ ...whole, infos: ['PromQL info: metric might not be a counter'], warnings: [], isPartial: false }),
      async (url) => expect((await ask(url)).versions['new']).toMatchObject({ requests: 0 }),
    );
  });

  it.each([
    ['names none', { status: 'success', data: [] }],
    ['is not there', { status: 'error', error: 'no such thing' }],
    ['is another', []],
  ])('vouches for no errors where the list of series %s', async (_, series) => {
    const none = { status: 'success', data: { resultType: 'matrix', result: [] } };
    await answering(
      (path) => (path.includes('/series') ? series : path.includes('query=r') ? whole : none),
      async (url) => expect((await ask(url)).versions['new']).toMatchObject({ unknown: ['errors'] }),
    );
  });
});
