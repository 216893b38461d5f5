import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { DEFAULT_RULES } from '../src/core/edge/rules.ts';
import type { EdgeRules, EdgeVersion } from '../src/core/app/traffic.ts';
import { freePort } from './free-port.ts';
import { edgeKinds, withEdge } from './worlds/edges.ts';
import { recorder } from './worlds/raw.ts';
import { type Answer, until, type Visit, visitor } from './worlds/visitor.ts';

/*
 * The published inputs `edge-*`, each read as it is and held to the right value that its README says, on both edges.
 */

const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

const text = (name: string, file: string): Promise<string> => readFile(join(import.meta.dirname, 'fixtures/cases', name, file), 'utf8');

/** Run the `app.js` of a case as it is, or as `change` makes it. */
async function appOf(name: string, change: (source: string) => string = (source) => source): Promise<EdgeVersion> {
  const dir = await mkdtemp(join(tmpdir(), 'sluice-case-'));
  const port = await freePort();
  await writeFile(join(dir, 'app.cjs'), change(await text(name, 'app.js')));
  const child: ChildProcess = spawn(process.execPath, ['app.cjs'], { cwd: dir, env: { PORT: String(port) }, stdio: 'ignore' });
  cleanups.push(async () => {
    const ended = once(child, 'exit');
    if (child.exitCode === null && child.kill('SIGKILL')) await ended;
    await rm(dir, { recursive: true });
  });
  await until(
    () => accepts(port),
    (isThere) => isThere,
  );
  return { id: 'v1', weight: 100, endpoints: [{ host: '127.0.0.1', port }] };
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1' });
    socket.on('error', () => resolve(false));
    socket.on('connect', () => socket.destroy() && resolve(true));
  });
}

/** The header that a `try.sh` gives to curl, once its shell has put the text together. */
function headerIn(script: string): Record<string, string> {
  const line = /-H ['"]([^'"]+)/.exec(script)?.[1] ?? '';
  const [name = '', value = ''] = line.split(': ');
  const size = /head -c (\d+)/.exec(script)?.[1];
  return { [name]: size === undefined ? value : `a=${'b'.repeat(Number(size))}` };
}

describe.each(edgeKinds)('a published input, through the edge %s', (kind) => {
  async function asked(rules: Partial<EdgeRules>, version: EdgeVersion, ...visits: readonly Visit[]): Promise<Answer[]> {
    return withEdge(kind, rules, async ({ url, route }) => {
      await route([version]);
      const someone = visitor(url, 'shop.example');
      const answers: Answer[] = [];
      for (const visit of visits) answers.push(await someone.get(visit));
      someone.agent.destroy();
      return answers;
    });
  }

  test('edge-connect-tunnel: CONNECT is refused, and nothing after it reaches the app', async () => {
    const script = await text('edge-connect-tunnel', 'try.py');
    const [opening = '', after = ''] = [...script.matchAll(/sendall\(b'(.*)'\)/g)].map(([, bytes = '']) =>
      bytes.replaceAll('\\r\\n', '\r\n'),
    );
    expect([opening.slice(0, 8), after.slice(0, 9)]).toEqual(['CONNECT ', 'GET /dump']);
    const version = await recorder();
    cleanups.push(version.stop);
    version.answer('HTTP/1.1 200 OK\r\n\r\n');
    await withEdge(kind, {}, async ({ url, route }) => {
      await route([{ id: 'v1', weight: 100, endpoints: [version.endpoint] }]);
      expect(await version.ask(url, opening)).toMatch(/^HTTP\/1\.1 405 /);
      await version.ask(url, opening + after);
      expect(version.got()).not.toContain('CONNECT');
      // What follows is refused with it, or is a request like any other: read by the edge, which says who asks.
      expect(version.got().replace(/^GET \/dump [^]*x-forwarded-for: 127\.0\.0\.1\r\n[^]*/i, '')).toBe('');
      expect(version.got()).not.toContain('6.6.6.6');
    });
  });

  test('edge-forwarded-proto: a trusted proxy says https, and the app no longer redirects to itself', async () => {
    const version = await appOf('edge-forwarded-proto');
    const headers = headerIn(await text('edge-forwarded-proto', 'try.sh'));
    expect(headers).toEqual({ 'X-Forwarded-Proto': 'https' });
    expect((await asked({}, version, { headers }))[0]?.status).toBe(301);
    expect((await asked({ trustedProxies: ['127.0.0.1'] }, version, { headers }))[0]).toMatchObject({ status: 200, text: 'ok' });
  });

  test('edge-head-size: a head of 17,000 bytes passes both ways, a larger one is refused with its size', async () => {
    const version = await appOf('edge-head-size');
    const headers = headerIn(await text('edge-head-size', 'try.sh'));
    expect(headers['Cookie']).toHaveLength(17_002);
    const [cookie, answer, largeAnswer, largeRequest] = await asked(
      {},
      version,
      { headers },
      { path: '/?n=17000' },
      { path: '/?n=40000' },
      { headers: { cookie: `a=${'b'.repeat(40_000)}` } },
    );
    expect(cookie).toMatchObject({ status: 200, text: 'hi' });
    expect(answer?.headers['x-big']).toHaveLength(17_000);
    expect(largeAnswer).toMatchObject({ status: 502, text: expect.stringMatching(/head is larger than 32768 bytes/) });
    expect(largeRequest).toMatchObject({ status: 431, text: expect.stringMatching(/head is larger than 32768 bytes/) });
  });

  test('edge-slow-answer: how long an answer may take is set, and by itself more than 66 s', async () => {
    // A sixtieth of every time: the app's 66 s, the limit as it is by itself, and one of ten seconds.
    const version = await appOf('edge-slow-answer', (source) => {
      expect(source).toContain('66000');
      return source.replace('66000', '1100');
    });
    const within = (answerMs: number): Partial<EdgeRules> => ({
      timeouts: { ...DEFAULT_RULES.timeouts, answerMs: Math.round(answerMs / 60) },
    });
    expect((await asked(within(DEFAULT_RULES.timeouts.answerMs), version, {}))[0]).toMatchObject({ status: 200, text: 'done' });
    expect((await asked(within(10_000), version, {}))[0]).toMatchObject({ status: 504, text: 'The app did not answer in time.\n' });
  });

  test('edge-unknown-version: an unknown version is not found, a version named twice neither', async () => {
    const request = (await text('edge-unknown-version', 'request.txt')).replaceAll(/\r?\n/g, '\r\n');
    expect(request).toMatch(/^GET \/x HTTP\/1\.1\r\n[^]*Sluice-Version: nope\r\n[^]*\r\n\r\n$/);
    const version = await recorder();
    cleanups.push(version.stop);
    await withEdge(kind, {}, async ({ url, route }) => {
      await route([{ id: 'v1', weight: 100, endpoints: [version.endpoint] }]);
      const twice = request.replace('Sluice-Version: nope\r\n', 'Sluice-Version: v1\r\nSluice-Version: v1\r\n');
      for (const one of [request, twice]) {
        expect(await version.ask(url, one)).toMatch(/^HTTP\/1\.1 404 /);
        expect(version.got()).toBe('');
      }
      expect(await version.ask(url, request.replace('nope', 'v1'))).toMatch(/^HTTP\/1\.1 200 /);
    });
  });
});
