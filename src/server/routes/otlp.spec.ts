import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterEach, describe, expect, it } from 'vitest';
import { memoryEngine } from '../../../test/worlds/memory-engine.ts';
import { memoryPlanner } from '../../../test/worlds/memory-planner.ts';
import { createOtlpIntake } from '../../adapters/metrics/otlp-intake.ts';
import { metricsTokenOf } from '../auth/tokens.ts';
import { createServer } from '../http/create.ts';

const TOKEN = 'sluice_test-token';
const { cumulative } = JSON.parse(readFileSync(join(import.meta.dirname, '../../../test/fixtures/otlp/sdk.json'), 'utf8')) as {
  cumulative: { protobuf: string; json: object };
};
const protobuf = Buffer.from(cumulative.protobuf, 'base64');
const json = Buffer.from(JSON.stringify(cumulative.json));
const closers: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

function world() {
  const intake = createOtlpIntake({ now: () => Date.parse('2026-01-01'), epoch: 'one' });
  const engine = memoryEngine();
  const server = createServer({
    engine,
    planner: memoryPlanner({ web: {} }),
    workspace: '/shop',
    version: '0.1.0',
    token: TOKEN,
    checkAnswers: true,
    metrics: intake,
  });
  closers.push(async () => {
    await server.close();
    await engine.close();
  });
  const post = (payload: Buffer, headers: Record<string, string>, url = '/otlp/v1/metrics') =>
    server.inject({ method: 'POST', url, headers: { authorization: `Bearer ${TOKEN}`, ...headers }, payload });
  const total = () => intake.streams('orders').reduce((sum, stream) => sum + stream.total, 0);
  const get = (url: string, headers: Record<string, string>) => server.inject({ method: 'GET', url, headers });
  return { post, get, total };
}

describe('what OpenTelemetry SDKs send', () => {
  it.each([
    ['JSON', json, { 'content-type': 'application/json' }],
    ['JSON, compressed', gzipSync(json), { 'content-type': 'application/json', 'content-encoding': 'gzip' }],
    ['protobuf', protobuf, { 'content-type': 'application/x-protobuf' }],
    ['protobuf, compressed', gzipSync(protobuf), { 'content-type': 'application/x-protobuf', 'content-encoding': 'gzip' }],
  ] as const)('is taken as %s, and answered in kind', async (_, payload, headers) => {
    const { post, total } = world();
    const taken = await post(payload, headers);
    expect(taken.statusCode).toBe(200);
    expect(taken.headers['content-type']).toContain(headers['content-type']);
    expect(taken.body).toBe(headers['content-type'] === 'application/json' ? '{}' : '');
    expect(total()).toBe(203);
    // The same once more is refused point by point, which is no failure of the request.
    const again = await post(payload, headers);
    expect(again.statusCode).toBe(200);
    expect(again.body).toContain('taken already');
    expect(total()).toBe(203);
  });

  it('may come with a token that opens nothing else', async () => {
    const { post, get, total } = world();
    const authorization = `Bearer ${metricsTokenOf(TOKEN)}`;
    expect((await post(protobuf, { 'content-type': 'application/x-protobuf', authorization })).statusCode).toBe(200);
    expect(total()).toBe(203);
    for (const url of ['/v1/health', '/v1/environments', '/openapi.json', '/otlp/v1/traces', '/otlp/v1/metrics?x=../../v1/health'])
      expect((await get(url, { authorization })).statusCode, url).toBe(401);
    for (const url of ['/v1/releases', '/otlp/v1/metrics/../../v1/releases', '//otlp/v1/metrics'])
      expect((await post(json, { 'content-type': 'application/json', authorization }, url)).statusCode, url).toBe(401);
    for (const wrong of ['', 'Bearer ', `Bearer ${metricsTokenOf('another')}`, `Bearer ${metricsTokenOf('')}`])
      expect((await post(json, { 'content-type': 'application/json', authorization: wrong })).statusCode).toBe(401);
  });

  it('is refused with what is wrong where it cannot be read', async () => {
    const { post } = world();
    expect((await post(protobuf.subarray(0, 100), { 'content-type': 'application/x-protobuf' })).json()).toMatchObject({
      status: 422,
      code: 'OTLP_INVALID',
    });
    const compressed = { 'content-type': 'application/x-protobuf', 'content-encoding': 'gzip' };
    expect((await post(protobuf, compressed)).statusCode).toBe(400);
    const bomb = gzipSync(Buffer.alloc(20_000_000));
    expect((await post(bomb, compressed)).statusCode).toBe(413);
  });
});
