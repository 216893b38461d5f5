import { Validator } from '@seriousme/openapi-schema-validator';
import { afterEach, describe, expect, test } from 'vitest';
import { type MemoryEngine, memoryEngine } from '../../../test/worlds/memory-engine.ts';
import { canary, type MemoryPlanner, memoryPlanner } from '../../../test/worlds/memory-planner.ts';
import { createServer, type ServerOptions } from './create.ts';
import { listen } from './listen.ts';

const TOKEN = 'sluice_test-token';
const closers: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

interface World {
  readonly engine: MemoryEngine;
  readonly planner: MemoryPlanner;
  readonly server: ReturnType<typeof createServer>;
  call(method: 'GET' | 'POST', url: string, body?: object): Promise<{ status: number; type: string; body: any }>;
  ended(id: string): Promise<any>;
}

function world(options: Partial<ServerOptions> = {}): World {
  const engine = memoryEngine();
  const planner = memoryPlanner({ api: {}, web: { dependsOn: ['api'] } });
  const server = createServer({
    engine,
    planner,
    workspace: '/shop',
    version: '0.1.0',
    token: TOKEN,
    checkAnswers: true,
    heartbeatMs: 20,
    ...options,
  });
  closers.push(async () => {
    await server.close();
    await engine.close();
  });
  const call: World['call'] = async (method, url, body) => {
    const answer = await server.inject({
      method,
      url,
      headers: { authorization: `Bearer ${TOKEN}` },
      ...(body === undefined ? {} : { payload: body }),
    });
    return { status: answer.statusCode, type: String(answer.headers['content-type']), body: answer.json() };
  };
  const ended: World['ended'] = async (id) => {
    await expect.poll(async () => (await engine.release(id))?.stage, { timeout: 10_000, interval: 5 }).toBe('closed');
    return engine.release(id);
  };
  return { engine, planner, server, call, ended };
}

async function stream(
  url: string,
  headers: Record<string, string> = {},
  options: { readonly until?: (text: string) => boolean } = {},
): Promise<string> {
  const abort = new AbortController();
  const answer = await fetch(url, { headers: { authorization: `Bearer ${TOKEN}`, ...headers }, signal: abort.signal });
  expect(answer.headers.get('content-type')).toContain('text/event-stream');
  let text = '';
  for await (const chunk of answer.body ?? []) {
    text += Buffer.from(chunk).toString();
    if (options.until?.(text) === true) break;
  }
  abort.abort();
  return text;
}

describe('who may ask', () => {
  test.each([undefined, '', 'Bearer', 'Bearer wrong', `Basic ${TOKEN}`, `Bearer ${TOKEN}x`])(
    'refuses %s, on every route',
    async (authorization) => {
      const { server } = world();
      for (const url of ['/v1/health', '/openapi.json', '/nothing', '/v1/releases']) {
        const answer = await server.inject({ url, headers: authorization === undefined ? {} : { authorization } });
        expect(answer.statusCode).toBe(401);
        expect(answer.json()).toMatchObject({ code: 'UNAUTHORIZED', status: 401 });
        expect(answer.body).not.toContain(TOKEN);
      }
    },
  );

  test('an empty token opens nothing', async () => {
    const { server } = world({ token: '' });
    expect((await server.inject({ url: '/v1/health', headers: { authorization: 'Bearer ' } })).statusCode).toBe(401);
  });
});

describe('what is asked', () => {
  test('says all mistakes of a request', async () => {
    const { call } = world();
    const answer = await call('POST', '/v1/releases', { environment: '../etc', force: 'yes', colour: 'red' });
    expect(answer).toMatchObject({
      status: 400,
      type: expect.stringContaining('application/problem+json'),
      body: { code: 'REQUEST_INVALID', type: 'urn:sluice:error:REQUEST_INVALID' },
    });
    for (const part of ['body.environment', 'body.force', 'body.by', 'colour']) expect(answer.body.detail).toContain(part);
  });

  test("broken JSON is the caller's mistake", async () => {
    const { server } = world();
    const answer = await server.inject({
      method: 'POST',
      url: '/v1/plans',
      headers: { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' },
      payload: '{',
    });
    expect(answer.json()).toMatchObject({ status: 400, code: 'REQUEST_INVALID' });
  });

  test('unknown routes, releases and environments are not found', async () => {
    const { call } = world();
    expect(await call('GET', '/v2/x')).toMatchObject({ status: 404, body: { code: 'NO_SUCH_ROUTE' } });
    expect(await call('GET', '/v1/releases/nope')).toMatchObject({ status: 404, body: { code: 'RELEASE_UNKNOWN' } });
    expect(await call('GET', '/v1/releases/nope/events')).toMatchObject({ status: 404, body: { code: 'RELEASE_UNKNOWN' } });
    expect(await call('POST', '/v1/plans', { environment: 'prod' })).toMatchObject({ status: 404, body: { code: 'UNKNOWN_ENVIRONMENT' } });
  });
});

describe('the document', () => {
  test('is valid OpenAPI 3.1 and has every route', async () => {
    const { server, call } = world();
    await server.ready();
    const { body: document } = await call('GET', '/openapi.json');
    const result = await new Validator().validate(document);
    expect(result.errors ?? []).toEqual([]);
    expect(document.openapi).toBe('3.1.0');

    const printed = server.printRoutes({ commonPrefix: false, includeHooks: false });
    const served = routesOf(printed).filter((route) => route !== 'GET /openapi.json');
    const described = Object.entries(document.paths as Record<string, object>).flatMap(([path, operations]) =>
      Object.keys(operations).map((method) => `${method.toUpperCase()} ${path}`),
    );
    expect(served.length).toBeGreaterThan(20);
    expect(described.toSorted()).toEqual(served.toSorted());
  });

  test('names no schema that is not there', async () => {
    const { call } = world();
    const { body: document } = await call('GET', '/openapi.json');
    const refs = [...JSON.stringify(document).matchAll(/"#\/components\/schemas\/(\w+)"/g)].map((match) => match[1] ?? '');
    expect(new Set(refs).size).toBeGreaterThan(8);
    expect([...new Set(refs)].filter((name) => document.components.schemas[name] === undefined)).toEqual([]);
    expect(JSON.stringify(document)).not.toContain('$defs');
  });
});

describe('releases', () => {
  test('plan, deploy that plan, and see it out', async () => {
    const { call, ended } = world();
    const { body: planned } = await call('POST', '/v1/plans', { environment: 'staging' });
    expect(planned.plan.apps.map((app: any) => [app.app, app.reason])).toEqual([
      ['api', 'first deploy'],
      ['web', 'first deploy'],
    ]);
    const { status, body } = await call('POST', '/v1/releases', { environment: 'staging', planHash: planned.plan.hash, by: 'ada' });
    expect([status, body.plan.hash]).toEqual([200, planned.plan.hash]);
    expect(await ended(body.id)).toMatchObject({ outcome: 'Succeeded' });
    expect((await call('GET', `/v1/releases/${body.id}`)).body).toMatchObject({ outcome: 'Succeeded', by: 'ada' });
    expect((await call('GET', '/v1/manifest/staging')).body.apps.web).toMatchObject({
      stable: { id: expect.any(String) },
      release: body.id,
    });
    expect((await call('GET', '/v1/history?environment=staging')).body.releases).toMatchObject([{ id: body.id, outcome: 'Succeeded' }]);
    expect((await call('GET', '/v1/releases?active=true')).body.releases).toEqual([]);
    const again = await call('POST', '/v1/releases', { environment: 'staging', by: 'ada' });
    expect(again.body).toMatchObject({ id: null, message: 'nothing to deploy: nothing changed in staging' });
  });

  test('a plan that is out of date is refused', async () => {
    const { call, planner } = world();
    const { body } = await call('POST', '/v1/plans', { environment: 'staging' });
    planner.sources.set('web', 'two');
    expect(await call('POST', '/v1/releases', { environment: 'staging', planHash: body.plan.hash, by: 'ada' })).toMatchObject({
      status: 409,
      body: { code: 'PLAN_STALE' },
    });
  });

  test('what happens to other apps meanwhile does not matter to a plan', async () => {
    const { call, planner, ended } = world();
    await ended((await call('POST', '/v1/releases', { environment: 'staging', by: 'ada' })).body.id);
    for (const app of ['api', 'web']) planner.sources.set(app, 'two');
    const { body } = await call('POST', '/v1/plans', { environment: 'staging', apps: ['web'] });
    await ended((await call('POST', '/v1/releases', { environment: 'staging', apps: ['api'], by: 'bo' })).body.id);
    const released = await call('POST', '/v1/releases', { environment: 'staging', apps: ['web'], planHash: body.plan.hash, by: 'ada' });
    expect([released.status, released.body.plan?.hash]).toEqual([200, body.plan.hash]);
  });

  test('approve leaves a pause step, and nothing else', async () => {
    const { call, planner, engine, ended } = world();
    await ended((await call('POST', '/v1/releases', { environment: 'production', by: 'ada' })).body.id);
    planner.strategies.set('api', canary({ pause: true }));
    planner.sources.set('api', 'two');
    const { body } = await call('POST', '/v1/releases', { environment: 'production', apps: ['api'], by: 'ada' });
    expect((await call('POST', `/v1/releases/${body.id}/resume`, { by: 'bo' })).status).toBe(409);
    await expect
      .poll(async () => (await engine.release(body.id))?.rollouts['api']?.pause?.reason, { timeout: 5000, interval: 5 })
      .toBe('pauseStep');
    expect(await call('POST', `/v1/releases/${body.id}/retry`, { by: 'bo' })).toMatchObject({
      status: 409,
      body: { code: 'RELEASE_ACTIVE' },
    });
    expect(await call('POST', `/v1/releases/${body.id}/approve`, { by: 'bo' })).toMatchObject({
      status: 200,
      body: { message: 'api goes on' },
    });
    expect(await ended(body.id)).toMatchObject({ outcome: 'Succeeded' });
    expect(await call('POST', `/v1/releases/${body.id}/approve`, { by: 'bo' })).toMatchObject({
      status: 409,
      body: { code: 'NOTHING_TO_APPROVE' },
    });
    expect(await call('POST', `/v1/releases/${body.id}/abort`, { by: 'bo' })).toMatchObject({
      status: 409,
      body: { code: 'RELEASE_ENDED' },
    });
  });

  test('reject needs a reason and aborts with it; retry runs the plan again', async () => {
    const { call, planner, ended } = world();
    planner.strategies.set('api', canary({ bakeMs: 30_000 }));
    await ended((await call('POST', '/v1/releases', { environment: 'production', by: 'ada' })).body.id);
    planner.sources.set('api', 'two');
    const { body } = await call('POST', '/v1/releases', { environment: 'production', by: 'ada' });
    expect((await call('POST', `/v1/releases/${body.id}/reject`, { by: 'bo' })).status).toBe(400);
    expect((await call('POST', `/v1/releases/${body.id}/reject`, { by: 'bo', reason: 'not on a Friday' })).status).toBe(200);
    expect(await ended(body.id)).toMatchObject({ outcome: 'Aborted', reason: 'aborted by bo: rejected: not on a Friday' });
    planner.strategies.set('api', canary());
    const retried = await call('POST', `/v1/releases/${body.id}/retry`, { by: 'ada' });
    expect(await call('GET', `/v1/releases/${retried.body.id}`)).toMatchObject({ body: { retryOf: body.id } });
    await call('POST', `/v1/releases/${retried.body.id}/promote`, { by: 'ada', full: true });
    expect(await ended(retried.body.id)).toMatchObject({ outcome: 'Succeeded' });
  });

  test('rollback aborts what is under way, else goes to the version before', async () => {
    const { call, planner, ended } = world();
    const first = await ended((await call('POST', '/v1/releases', { environment: 'production', by: 'ada' })).body.id);
    expect(await call('POST', '/v1/rollback', { environment: 'production', by: 'bo' })).toMatchObject({
      status: 409,
      body: { code: 'NOTHING_TO_ROLL_BACK_TO' },
    });
    planner.sources.set('api', 'two');
    const second = await ended((await call('POST', '/v1/releases', { environment: 'production', by: 'ada' })).body.id);
    expect(second).toMatchObject({ outcome: 'Succeeded' });

    planner.strategies.set('api', canary({ bakeMs: 30_000 }));
    planner.sources.set('api', 'three');
    const third = (await call('POST', '/v1/releases', { environment: 'production', by: 'ada' })).body.id;
    expect((await call('POST', '/v1/rollback', { environment: 'production', preview: true, by: 'bo' })).body).toMatchObject({
      action: 'preview',
      id: third,
    });
    expect(await call('POST', '/v1/rollback', { environment: 'production', app: 'api', to: 'abcd', by: 'bo' })).toMatchObject({
      status: 409,
      body: { code: 'RELEASE_ACTIVE' },
    });
    expect((await call('POST', '/v1/rollback', { environment: 'production', by: 'bo' })).body).toMatchObject({
      action: 'abort',
      id: third,
    });
    expect(await ended(third)).toMatchObject({ outcome: 'Aborted' });

    const preview = (await call('POST', '/v1/rollback', { environment: 'production', app: 'api', preview: true, by: 'bo' })).body;
    expect(preview).toMatchObject({ action: 'preview', id: null, plan: { kind: 'rollback' } });
    const back = (await call('POST', '/v1/rollback', { environment: 'production', app: 'api', planHash: preview.plan.hash, by: 'bo' }))
      .body;
    expect(back.action).toBe('release');
    await ended(back.id);
    expect((await call('GET', '/v1/manifest/production')).body.apps.api.stable.id).toBe(first.rollouts.api.candidate.id);
  });
});

describe('event streams', () => {
  test('tell everything once, and end with the release', async () => {
    const { call, server, ended } = world();
    const url = await listen(server, {});
    const { id } = (await call('POST', '/v1/releases', { environment: 'staging', by: 'ada' })).body;
    const live = await stream(`${url}/v1/releases/${id}/events?until=end`);
    await ended(id);
    const positions = [...live.matchAll(/^id: (\d+)$/gm)].map((match) => Number(match[1]));
    expect(positions).toEqual([...new Set(positions)].toSorted((a, b) => a - b));
    expect(live).toMatch(/event: ReleaseRequested[^]*event: ReleaseEnded[^]*event: ReservationsReleased/);

    const middle = positions[Math.floor(positions.length / 2)] ?? 0;
    const rest = await stream(`${url}/v1/releases/${id}/events?until=end`, { 'last-event-id': String(middle) });
    expect([...rest.matchAll(/^id: (\d+)$/gm)].map((match) => Number(match[1]))).toEqual(positions.filter((position) => position > middle));
    const nothing = await stream(`${url}/v1/releases/${id}/events?until=end&after=${positions.at(-1)}`);
    expect(nothing).not.toContain('event:');
  });

  test('show that they are alive, and end when the server closes', async () => {
    const { server } = world();
    const url = await listen(server, {});
    const beats = await stream(`${url}/v1/events`, {}, { until: (text) => text.split(': still here').length > 2 });
    expect(beats).toContain(': still here');
    const answer = await fetch(`${url}/v1/events`, { headers: { authorization: `Bearer ${TOKEN}` } });
    await server.close();
    for await (const chunk of answer.body ?? []) expect(Buffer.from(chunk).toString()).not.toContain('event:');
  });

  test('logs go line by line; a mistake while they run comes as an event', async () => {
    const { server } = world({
      async *logs(ref, options) {
        yield { version: 'v1', instance: '1', line: `hello from ${ref.app}` };
        if (options.follow) throw new Error('lost it');
      },
    });
    const url = await listen(server, {});
    expect(await stream(`${url}/v1/logs?environment=staging&app=web`)).toMatch(/event: line\ndata: .*hello from web.*\n\nevent: end/);
    expect(await stream(`${url}/v1/logs?environment=staging&app=web&follow=true`)).toMatch(/event: problem\ndata: .*lost it/);
    const wrong = await fetch(`${url}/v1/logs?environment=staging&app=wep`, { headers: { authorization: `Bearer ${TOKEN}` } });
    expect([wrong.status, await wrong.json()]).toMatchObject([404, { code: 'UNKNOWN_APP' }]);
  });
});

describe('secrets', () => {
  test('appear in no answer, event or log line', async () => {
    const lines: string[] = [];
    const secret = 'hunter2/+"quoted';
    const { server, call } = world({
      secrets: () => [secret],
      log: { level: 'info', write: (line) => lines.push(line) },
      doctor: async () => [
        {
          name: 'database',
          status: 'fail',
          message: `postgres://u:${encodeURIComponent(secret)}@db failed, ${Buffer.from(secret).toString('base64')}`,
          hint: secret,
        },
      ],
      async *logs() {
        yield { version: 'v1', instance: '1', line: `token=${secret}` };
        throw new Error(`bad ${secret}`);
      },
    });
    const url = await listen(server, {});
    const seen = [
      JSON.stringify((await call('GET', '/v1/doctor')).body),
      await stream(`${url}/v1/logs?environment=staging&app=web`),
      JSON.stringify((await call('GET', `/v1/releases/${encodeURIComponent(secret)}`)).body),
      lines.join(''),
    ];
    for (const text of seen) {
      expect(text).toContain('[redacted]');
      for (const form of [
        secret,
        JSON.stringify(secret).slice(1, -1),
        encodeURIComponent(secret),
        Buffer.from(secret).toString('base64'),
        TOKEN,
      ])
        expect(text).not.toContain(form);
    }
  });
});

describe('operations', () => {
  test('environments, holds, audit, control planes, timeline, health, shutdown', async () => {
    const ends: boolean[] = [];
    const { call, engine, planner, ended } = world({
      shutdown: ({ all }) => ends.push(all),
      edgeUrl: async (name) => (name === 'staging' ? 'http://127.0.0.1:1' : null),
    });
    expect((await call('GET', '/v1/environments')).body.environments).toEqual([
      { name: 'development', configured: true, url: null },
      { name: 'staging', configured: true, url: 'http://127.0.0.1:1' },
      { name: 'production', configured: true, url: null },
    ]);
    await ended((await call('POST', '/v1/releases', { environment: 'staging', by: 'ada' })).body.id);
    engine.scripts.set('api', { errorRate: 1 });
    planner.strategies.set('api', canary({ bakeMs: 5000 }));
    planner.sources.set('api', 'two');
    const bad = await ended((await call('POST', '/v1/releases', { environment: 'staging', by: 'ada' })).body.id);
    expect(bad.outcome).toBe('RolledBack');
    expect((await call('POST', '/v1/releases', { environment: 'staging', by: 'ada' })).body.message).toContain('held back');
    const version = bad.rollouts.api.candidate.id;
    expect((await call('POST', '/v1/holds/lift', { environment: 'staging', app: 'api', version: 'nope', by: 'ada' })).status).toBe(404);
    expect(
      (await call('POST', '/v1/holds/lift', { environment: 'staging', app: 'api', version: version.slice(0, 6), by: 'ada' })).status,
    ).toBe(200);
    expect(engine.lifted).toEqual([`staging/api/${version}`]);

    expect((await call('GET', '/v1/audit/verify')).body).toMatchObject({ intact: true });
    expect((await call('GET', '/v1/control-planes')).body.controlPlanes).toHaveLength(1);
    const page = (await call('GET', '/v1/timeline?limit=3')).body;
    expect([page.events.length, page.next]).toEqual([3, 3]);
    expect((await call('GET', '/v1/health')).body).toMatchObject({ status: 'ok', version: '0.1.0', pid: process.pid });
    expect((await call('POST', '/v1/shutdown', { all: true })).status).toBe(200);
    await expect.poll(() => ends).toEqual([true]);
  });
});

test('a port that is taken says by whom', async () => {
  const one = world();
  const url = await listen(one.server, {});
  const two = world();
  await expect(listen(two.server, { port: Number(new URL(url).port) })).rejects.toMatchObject({
    code: 'PORT_IN_USE',
    message: expect.stringContaining('another Sluice control plane'),
  });
});

/** `METHOD /path/{parameter}` of fastify's route tree. */
function routesOf(printed: string): string[] {
  const routes: string[] = [];
  const parents: string[] = [];
  for (const line of printed.split('\n')) {
    const match = /^([│├└─ ]*)(\S+)(?: \((.+)\))?$/.exec(line);
    if (match === null) continue;
    const depth = (match[1] ?? '').length / 4;
    parents.length = depth;
    const path = `${parents.join('')}${match[2]}`;
    parents.push(match[2] ?? '');
    for (const method of (match[3] ?? '').split(', ').filter((name) => name !== '' && name !== 'HEAD'))
      routes.push(`${method} ${path.replaceAll(/:(\w+)/g, '{$1}')}`);
  }
  return routes;
}
