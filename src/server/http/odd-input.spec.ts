import { once } from 'node:events';
import { connect } from 'node:net';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type MemoryEngine, memoryEngine } from '../../../test/worlds/memory-engine.ts';
import { memoryPlanner } from '../../../test/worlds/memory-planner.ts';
import { UserError } from '../../core/errors.ts';
import { allRoutes, createServer, type ServerOptions } from './create.ts';
import { listen } from './listen.ts';

const TOKEN = 'sluice_test-token';
const RUNS = 2_000;
let engine: MemoryEngine;
let server: ReturnType<typeof createServer>;
let address: URL;
let routes: readonly { readonly method: string; readonly url: string }[];

/** What PostgreSQL answers to a text that it cannot store: the memory engine would take it. */
function storing(given: MemoryEngine): MemoryEngine {
  const refuse = (value: unknown): void => {
    if (JSON.stringify(value)?.includes(String.raw`\u0000`) === true) throw new Error('invalid byte sequence for encoding "UTF8": 0x00');
  };
  return {
    ...given,
    release: async (id) => (refuse(id), given.release(id)),
    releases: async (query) => (refuse(query), given.releases(query)),
    manifest: async (environment) => (refuse(environment), given.manifest(environment)),
    command: async (id, command) => (refuse([id, command]), given.command(id, command)),
    request: async (plan, options) => (refuse(options), given.request(plan, options)),
  };
}

beforeAll(async () => {
  engine = storing(memoryEngine());
  const options: ServerOptions = {
    engine,
    planner: memoryPlanner({ web: {} }),
    workspace: '/shop',
    version: '0.1.0',
    token: TOKEN,
    hook: {
      expect() {
        throw new UserError('WEBHOOK_UNKNOWN', 'none');
      },
      take: () => Promise.reject(new Error('never')),
    },
    variables: { wanted: async () => [], offer: async () => {}, of: () => [] },
    shutdown() {},
    async *logs() {
      yield { version: 'v', instance: '1', line: 'x' };
    },
  };
  server = createServer(options);
  routes = [...allRoutes(options), { method: 'POST', url: '/hooks/github' }, { method: 'GET', url: '/openapi.json' }].filter(
    // Streams stay open where nothing is wrong.
    ({ url }) => !url.endsWith('/events'),
  );
  address = new URL(await listen(server, {}));
});
afterAll(async () => {
  await server.close();
  await engine.close();
});

/** The answer to bytes, as a client that keeps no rules may send them. */
async function raw(text: string): Promise<{ readonly status: number; readonly body: string }> {
  const socket = connect(Number(address.port), address.hostname);
  const chunks: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => chunks.push(chunk));
  socket.on('error', () => {});
  socket.end(Buffer.from(text, 'latin1'));
  await once(socket, 'close');
  const answer = Buffer.concat(chunks).toString('latin1');
  const [head = '', ...body] = answer.split('\r\n\r\n');
  return { status: Number(/^HTTP\/1\.1 (\d+)/.exec(head)?.[1] ?? 0), body: body.join('\r\n\r\n') };
}

const ask = (method: string, path: string, body: string | null, token: boolean) =>
  raw(
    `${method} ${path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n${token ? `Authorization: Bearer ${TOKEN}\r\n` : ''}${
      body === null ? '' : `Content-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body, 'latin1')}\r\n`
    }\r\n${body ?? ''}`,
  );

const PIECES = [
  '%00',
  '%ff',
  '%c0%ae',
  '%2e%2e',
  '..',
  '.',
  '//',
  '%',
  '%2',
  '%zz',
  '__proto__',
  'constructor',
  ';',
  '\\',
  '*',
  ':id',
  '%ED%A0%80',
  'é',
  'x'.repeat(300),
  '%0d%0a',
  '[',
  '{}',
  '?',
  '#',
  'r1',
];
const piece = fc.oneof(
  fc.constantFrom(...PIECES),
  fc.string({ maxLength: 12 }).map((text) => text.replaceAll(/[\s\u0000-\u0020\u007f-\uffff]/g, '_')),
);
const value: fc.Arbitrary<unknown> = fc.oneof(
  fc.constantFrom(
    '\u0000',
    '\ud800',
    '__proto__',
    '',
    ' ',
    'x'.repeat(5000),
    '9'.repeat(400),
    -1,
    1e308,
    null,
    true,
    [],
    {},
    { length: 1e9 },
  ),
  fc.jsonValue(),
  fc.string({ unit: 'binary' }),
);
const deep = fc.integer({ min: 1, max: 20_000 }).map((depth) => `{"plan":${'['.repeat(depth)}${']'.repeat(depth)}}`);
const body = fc.oneof(
  fc
    .record(
      {
        environment: fc.oneof(fc.constant('staging'), value),
        apps: value,
        by: fc.oneof(fc.constant('ada'), value),
        plan: value,
        values: value,
        reason: value,
        app: value,
        version: value,
        to: value,
        from: value,
        planHash: value,
      },
      { requiredKeys: [] },
    )
    .map((content) => JSON.stringify(content)),
  fc.constantFrom('', '{', 'null', '[]', '"x"', '{"__proto__":{"x":1}}', '{"constructor":{"prototype":{}}}', '\u00ff\u00fe'),
  deep,
);
const request = fc.record({
  route: fc.nat(),
  segment: piece,
  query: fc.option(
    fc.array(fc.tuple(fc.constantFrom('environment', 'app', 'limit', 'after', 'active', 'lines', 'version', 'x'), piece), { maxLength: 4 }),
  ),
  suffix: fc.option(piece),
  content: body,
});

function pathOf(
  url: string,
  { segment, query, suffix }: { segment: string; query: [string, string][] | null; suffix: string | null },
): string {
  const filled = url.replaceAll(/:\w+/g, () => segment);
  const more = suffix === null ? '' : `/${suffix}`;
  return `${filled}${more}${query === null ? '' : `?${query.map(([name, text]) => `${name}=${text}`).join('&')}`}`;
}

describe('odd input', () => {
  test('gets no 5xx from any route, and a problem where it is refused', { timeout: 240_000 }, async () => {
    await fc.assert(
      fc.asyncProperty(request, async (given) => {
        const { method = 'GET', url = '/' } = routes[given.route % routes.length] ?? {};
        const { status, body: said } = await ask(method, pathOf(url, given), method === 'GET' ? null : given.content, true);
        expect(status, said).toBeLessThan(500);
        if (status >= 400 && said !== '') expect(JSON.parse(said)).toMatchObject({ status, code: expect.any(String) });
      }),
      { numRuns: RUNS },
    );
  });

  test('gets no answer but 401 without a token, from any route', { timeout: 240_000 }, async () => {
    await fc.assert(
      fc.asyncProperty(request, async (given) => {
        const { method = 'GET', url = '/' } =
          routes.filter((one) => !one.url.startsWith('/hooks'))[given.route % (routes.length - 1)] ?? {};
        const { status, body: said } = await ask(method, pathOf(url, given), method === 'GET' ? null : given.content, false);
        // What is no HTTP at all never gets as far as a route.
        if (status === 400) expect(said).toContain('no HTTP request');
        else expect(JSON.parse(said)).toMatchObject({ status: 401, code: 'UNAUTHORIZED' });
      }),
      { numRuns: RUNS },
    );
  });

  test.each([
    '/v1/releases/%00',
    '/v1/%ff',
    '/v1/releases/%c0%ae',
    `/v1/releases/${'x'.repeat(5000)}`,
    '/%',
    '//v1/health',
    '/v1/manifest/__proto__',
  ])('%s is a mistake of the caller, after the token', async (path) => {
    expect((await ask('GET', path, null, false)).status).toBe(401);
    const { status, body: said } = await ask('GET', path, null, true);
    expect(status).toBeGreaterThanOrEqual(400);
    expect(status).toBeLessThan(500);
    expect(JSON.parse(said)).toMatchObject({ status, type: expect.stringContaining('urn:sluice:error:') });
  });

  test('a request under another name is refused on every route, known or not', async () => {
    for (const path of [...routes.map(({ url }) => url), '/nothing', '/%ff', '/otlp/v1/metrics']) {
      const answer = await raw(
        `GET ${path} HTTP/1.1\r\nHost: rebound.example\r\nAuthorization: Bearer ${TOKEN}\r\nConnection: close\r\n\r\n`,
      );
      expect([path, answer.status]).toEqual([path, 421]);
    }
    const hook = await raw('POST /hooks/github HTTP/1.1\r\nHost: rebound.example\r\nContent-Length: 0\r\nConnection: close\r\n\r\n');
    expect(hook.status).toBe(421);
  });
});
