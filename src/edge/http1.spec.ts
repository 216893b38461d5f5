import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { Duplex } from 'node:stream';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { bodyMeter, takeBody } from './body.ts';
import { BadMessage } from './bad-message.ts';
import { CHUNKED, headEnd, parseRequest, parseResponse, UNTIL_CLOSE } from './http1.ts';
import { forwardedHead, returnedHead } from './messages.ts';

const request = (...lines: string[]) => parseRequest(lines.map((line) => `${line}\r\n`).join(''));
const response = (method: string, ...lines: string[]) => parseResponse(lines.map((line) => `${line}\r\n`).join(''), method);
const HOST = 'Host: a.test';
const MAX = 32 * 1024;

describe('a request head', () => {
  test('is passed on as it came, with hop-by-hop fields replaced by ours', () => {
    const head = request(
      'POST /x?y=1 HTTP/1.1',
      HOST,
      'Connection: keep-alive, TE',
      'TE: trailers',
      'Accept: */*',
      'X-Forwarded-For: 1.2.3.4',
      'X-Forwarded-Proto: https',
      'Cookie: a=1',
      'Content-Length: 3',
      'Keep-Alive: 5',
    );
    const expected = (from: string, proto: string) =>
      [
        'POST /x?y=1 HTTP/1.1',
        'host: a.test',
        'Accept: */*',
        'Cookie: a=1',
        'content-length: 3',
        `x-forwarded-for: ${from}`,
        `x-forwarded-proto: ${proto}`,
        'x-forwarded-host: a.test',
        '',
        '',
      ].join('\r\n');
    expect(forwardedHead(head, '9.9.9.9', false)).toBe(expected('9.9.9.9', 'http'));
    expect(forwardedHead(head, '9.9.9.9', true)).toBe(expected('1.2.3.4, 9.9.9.9', 'https'));
    expect(head).toMatchObject({
      method: 'POST',
      target: '/x?y=1',
      host: 'a.test',
      cookie: 'a=1',
      body: 3,
      keepAlive: true,
      upgrade: null,
    });
  });

  test('with chunks is framed by our own word, whatever the letters', () => {
    const head = request('POST / HTTP/1.1', HOST, 'Transfer-Encoding: \t CHUNKED ');
    expect(forwardedHead(head, 'x', false)).toBe(
      'POST / HTTP/1.1\r\nhost: a.test\r\ntransfer-encoding: chunked\r\nx-forwarded-for: x\r\nx-forwarded-proto: http\r\nx-forwarded-host: a.test\r\n\r\n',
    );
  });

  test('has every word of a proxy taken away but from a trusted one', () => {
    const head = request(
      'GET / HTTP/1.1',
      HOST,
      'Forwarded: for=1.1.1.1',
      'X-Real-IP: 1.1.1.1',
      'X-Forwarded-Port: 1',
      'X_Forwarded_For: 1.1.1.1',
    );
    expect(forwardedHead(head, 'x', false)).not.toMatch(/1\.1\.1\.1|port/i);
    expect(forwardedHead(head, 'x', true)).toContain('Forwarded: for=1.1.1.1\r\nX-Real-IP: 1.1.1.1\r\nX-Forwarded-Port: 1\r\n');
    expect(forwardedHead(head, 'x', true)).not.toContain('X_');
  });

  test('may ask for an upgrade, and only then has one', () => {
    expect(request('GET / HTTP/1.1', HOST, 'Connection: keep-alive, Upgrade', 'Upgrade: websocket', 'Sec-WebSocket-Key: x').upgrade).toBe(
      'websocket',
    );
    expect(request('GET / HTTP/1.1', HOST, 'Upgrade: websocket').upgrade).toBeNull();
    expect(forwardedHead(request('GET / HTTP/1.1', HOST, 'Upgrade: h2c'), 'x', false)).not.toMatch(/upgrade/i);
  });

  test('with a whole URL as its target means that host', () => {
    const head = request('GET http://A.test:80/p?q HTTP/1.1', HOST);
    expect(head).toMatchObject({ target: '/p?q', host: 'a.test' });
    expect(forwardedHead(head, 'x', false)).toMatch(/^GET \/p\?q HTTP\/1.1\r\nhost: a.test\r\n/);
    expect(request('GET http://a.test HTTP/1.1', HOST).target).toBe('/');
    expect(request('GET http://a.test?q HTTP/1.1', HOST).target).toBe('/?q');
  });

  test.each<[string, number, string[]]>([
    ['no version', 400, ['GET /', HOST]],
    ['HTTP/2', 505, ['GET / HTTP/2.0', HOST]],
    ['two spaces', 400, ['GET  / HTTP/1.1', HOST]],
    ['a space in the target', 400, ['GET /a b HTTP/1.1', HOST]],
    ['a control character in the target', 400, ['GET /\0 HTTP/1.1', HOST]],
    ['no path', 400, ['GET a.test HTTP/1.1', HOST]],
    ['CONNECT', 405, ['CONNECT a.test:443 HTTP/1.1', HOST]],
    ['connect', 405, ['connect / HTTP/1.1', HOST]],
    ['TRACE', 405, ['TRACE / HTTP/1.1', HOST]],
    ['HTTP/1.2', 505, ['GET / HTTP/1.2', HOST]],
    ['another host in the target', 400, ['GET http://b.test/ HTTP/1.1', HOST]],
    ['a user in the target', 400, ['GET http://a@a.test/ HTTP/1.1', HOST]],
    ['8 bits in the target', 400, ['GET /\xa0 HTTP/1.1', HOST]],
    ['0xA0 around a coding', 400, ['POST / HTTP/1.1', HOST, 'Transfer-Encoding: chunked\xa0']],
    ['0xA0 around a length', 400, ['POST / HTTP/1.1', HOST, 'Content-Length: \xa05']],
    ['zeros before a length', 400, ['POST / HTTP/1.1', HOST, 'Content-Length: 05']],
    ['a websocket without its key', 400, ['GET / HTTP/1.1', HOST, 'Connection: Upgrade', 'Upgrade: websocket']],
    ['a header that Connection names', 400, ['GET / HTTP/1.1', HOST, 'Connection: keep-alive, X-Mine']],
    ['a length that Connection names', 400, ['POST / HTTP/1.1', HOST, 'Connection: content-length', 'Content-Length: 3']],
    ['a body of GET in HTTP/1.0', 413, ['GET / HTTP/1.0', HOST, 'Content-Length: 3']],
    ['no host', 400, ['GET / HTTP/1.1']],
    ['two hosts', 400, ['GET / HTTP/1.1', HOST, 'Host: b.test']],
    ['a space in the host', 400, ['GET / HTTP/1.1', 'Host: a b']],
    ['a space before the colon', 400, ['GET / HTTP/1.1', HOST, 'A : b']],
    ['a folded line', 400, ['GET / HTTP/1.1', HOST, 'A: b', ' c']],
    ['a line without a colon', 400, ['GET / HTTP/1.1', HOST, 'A']],
    ['an empty name', 400, ['GET / HTTP/1.1', HOST, ': a']],
    ['a bare LF', 400, ['GET / HTTP/1.1', HOST, 'A: b\nTransfer-Encoding: chunked']],
    ['a bare LF at the end', 400, ['GET / HTTP/1.1', HOST, 'A: b\n']],
    ['a bare CR', 400, ['GET / HTTP/1.1', HOST, 'A: b\rc']],
    ['NUL', 400, ['GET / HTTP/1.1', HOST, 'A: \0']],
    ['length and coding', 400, ['POST / HTTP/1.1', HOST, 'Content-Length: 3', 'Transfer-Encoding: chunked']],
    ['another coding', 422, ['POST / HTTP/1.1', HOST, 'Transfer-Encoding: gzip, chunked']],
    ['chunked twice', 400, ['POST / HTTP/1.1', HOST, 'Transfer-Encoding: chunked', 'Transfer-Encoding: chunked']],
    ['xchunked', 400, ['POST / HTTP/1.1', HOST, 'Transfer-Encoding: xchunked']],
    ['chunked in HTTP/1.0', 400, ['POST / HTTP/1.0', HOST, 'Transfer-Encoding: chunked']],
    ['two lengths', 400, ['POST / HTTP/1.1', HOST, 'Content-Length: 3', 'Content-Length: 3']],
    ['a list of lengths', 400, ['POST / HTTP/1.1', HOST, 'Content-Length: 3, 3']],
    ['a signed length', 400, ['POST / HTTP/1.1', HOST, 'Content-Length: +3']],
    ['a hexadecimal length', 400, ['POST / HTTP/1.1', HOST, 'Content-Length: 0x3']],
    ['an empty length', 400, ['POST / HTTP/1.1', HOST, 'Content-Length:']],
  ])('is refused with %s', (_, status, lines) => {
    expect(() => request(...lines)).toThrow(expect.objectContaining({ status }) as BadMessage);
  });

  test('is not read for ever', () => {
    expect(headEnd(Buffer.from('GET / HTTP/1.1\r\n'), MAX)).toBe(-1);
    expect(() => headEnd(Buffer.alloc(40_000, 'a'), MAX)).toThrow(expect.objectContaining({ status: 431 }) as BadMessage);
  });
});

describe('an answer head', () => {
  test.each<[string, number, string, string[]]>([
    ['a length', 5, 'GET', ['HTTP/1.1 200 OK', 'Content-Length: 5']],
    ['chunks', CHUNKED, 'GET', ['HTTP/1.1 200 OK', 'Transfer-Encoding: Chunked']],
    ['neither', UNTIL_CLOSE, 'GET', ['HTTP/1.1 200 OK']],
    ['HEAD', 0, 'HEAD', ['HTTP/1.1 200 OK', 'Content-Length: 5']],
    ['204', 0, 'GET', ['HTTP/1.1 204 No Content']],
    ['304', 0, 'GET', ['HTTP/1.1 304 Not Modified', 'Content-Length: 5']],
  ])('with %s tells the length of its body', (_, body, method, lines) => {
    expect(response(method, ...lines).body).toBe(body);
  });

  test('tells whether the connection can be used again', () => {
    expect(response('GET', 'HTTP/1.1 200 OK', 'Content-Length: 0').keepAlive).toBe(true);
    expect(response('GET', 'HTTP/1.1 200 OK', 'Content-Length: 0', 'Connection: close').keepAlive).toBe(false);
    expect(response('GET', 'HTTP/1.0 200 OK', 'Content-Length: 0').keepAlive).toBe(false);
    expect(response('GET', 'HTTP/1.0 200 OK', 'Content-Length: 0', 'Connection: Keep-Alive').keepAlive).toBe(true);
    expect(response('GET', 'HTTP/1.1 200 OK').keepAlive).toBe(false);
  });

  test('goes to the client without hop-by-hop fields and as HTTP/1.1', () => {
    const head = response(
      'GET',
      'HTTP/1.0 200 Fine, thanks',
      'Keep-Alive: timeout=5',
      'Set-Cookie: a',
      'Set-Cookie: b',
      'Content-Length: 0',
    );
    expect(returnedHead(head, 'set-cookie: c', false)).toBe(
      'HTTP/1.1 200 Fine, thanks\r\nSet-Cookie: a\r\nSet-Cookie: b\r\ncontent-length: 0\r\nset-cookie: c\r\n\r\n',
    );
    expect(returnedHead(response('GET', 'HTTP/1.1 200'), null, false)).toBe('HTTP/1.1 200 \r\nconnection: close\r\n\r\n');
  });

  const ambiguous = [
    'HTTP/1.0 200 OK|Transfer-Encoding: chunked',
    'HTTP/1.1 200 OK|Content-Length: 1|Transfer-Encoding: chunked',
    'HTTP/1.1 200 OK|Content-Length: 1|Content-Length: 2',
  ];
  test.each(['HTTP/2 200 OK', '200 OK', 'HTTP/1.1 999 No', 'HTTP/1.1 20 No', ...ambiguous])('that is no HTTP is refused: %s', (lines) => {
    expect(() => response('GET', ...lines.split('|'))).toThrow(BadMessage);
  });
});

describe('a chunked body', () => {
  /** Feed bytes in pieces; how many belong to the body and what goes on for them, or null when it is refused. */
  function measure(bytes: Buffer, cuts: readonly number[]): { taken: number; done: boolean; passed: string } | null {
    const meter = bodyMeter(CHUNKED);
    const edges = [0, ...cuts.map((cut) => cut % (bytes.length + 1)).toSorted((a, b) => a - b), bytes.length];
    let taken = 0;
    let passed = '';
    try {
      for (let i = 1; i < edges.length && !meter.done; i += 1) {
        const one = takeBody(meter, bytes.subarray(edges[i - 1], edges[i]));
        taken += one.bytes;
        passed += one.parts.map((part) => part.toString('latin1')).join('');
      }
    } catch {
      return null;
    }
    return { taken, done: meter.done, passed };
  }

  const noise = fc.record({
    data: fc.array(fc.uint8Array({ minLength: 1, maxLength: 40 }), { maxLength: 6 }),
    zeros: fc.constantFrom('', '0', '000'),
    extension: fc.constantFrom('', ';a=b', ' ; x="\xff"', ';'),
    trailer: fc.constantFrom('', 'A: b\r\n', 'X-Forwarded-For: 6.6.6.6\r\nC:\r\n'),
  });

  test('ends where it ends and goes on in one form, however it is written, cut and followed', () => {
    fc.assert(
      fc.property(noise, fc.uint8Array({ maxLength: 20 }), fc.array(fc.nat()), ({ data, zeros, extension, trailer }, rest, cuts) => {
        const written = (before: string, after: string, end: string) =>
          [
            ...data.map((one) => `${before}${one.length.toString(16)}${after}\r\n${Buffer.from(one).toString('latin1')}\r\n`),
            `${before}0${after}\r\n${end}\r\n`,
          ].join('');
        const body = Buffer.from(written(zeros, extension, trailer), 'latin1');
        expect(measure(Buffer.concat([body, rest]), cuts)).toEqual({ taken: body.length, done: true, passed: written('', '', '') });
      }),
    );
  });

  test.each([
    ['-1\r\n'],
    ['g\r\n'],
    ['\r\n'],
    [' 1\r\na\r\n'],
    ['1\na\r\n0\r\n\r\n'],
    ['1\r\nab\r\n'],
    ['1;a\rb\r\na\r\n'],
    ['0\r\nA b\r\n\r\n'],
    ['0\r\nA: b\rc\r\n\r\n'],
    ['1'.repeat(13) + '\r\n'],
    [`1;${'x'.repeat(2000)}`],
  ])('is refused when malformed: %.20j', (text) => {
    expect(measure(Buffer.from(text), [])).toBeNull();
    expect(
      measure(
        Buffer.from(text),
        Array.from({ length: text.length }, (_, i) => i),
      ),
    ).toBeNull();
  });
});

describe("Node's parser as judge", () => {
  /** Requests that Node sees in these bytes: `METHOD target bodyLength` each, or `error`. */
  function seenByNode(bytes: Buffer): Promise<string[]> {
    return new Promise((resolve) => {
      const seen: string[] = [];
      const take = (message: IncomingMessage, answer: ServerResponse): void => {
        let length = 0;
        message.on('data', (part: Buffer) => (length += part.length));
        message.on('end', () => {
          seen.push(`${message.method} ${message.url} ${length}`);
          answer.end();
        });
      };
      const server = createServer(take);
      server.on('checkExpectation', take);
      const settle = () => setImmediate(() => setImmediate(() => resolve(seen)));
      server.on('clientError', () => seen.push('error'));
      server.on('connect', () => seen.push('connect'));
      const socket = new Duplex({ read() {}, write: (_chunk, _encoding, done) => done() });
      server.emit('connection', socket);
      socket.push(bytes);
      settle();
    });
  }

  const line = fc.oneof(
    {
      weight: 4,
      arbitrary: fc.constantFrom(
        HOST,
        'Content-Length: 3',
        'Content-Length: 0',
        'Transfer-Encoding: chunked',
        'Connection: close',
        'Connection: content-length',
        'Connection: x-a, transfer-encoding',
        'X-A: b',
        'Cookie: a=b',
        'Host: b.test',
      ),
    },
    {
      weight: 1,
      arbitrary: fc
        .tuple(
          fc.constantFrom('Content-Length', 'Transfer-Encoding', 'X', 'Host', 'Connection', 'Expect'),
          fc.constantFrom(':', ' :', ': ', ':\t', ':\v', '\t:'),
          fc.constantFrom('3', 'chunked', ' chunked', 'chunked,', '3\n', '3\r', '\n', 'identity', '0', '00003', '3;', '\x003'),
        )
        .map((parts) => parts.join('')),
    },
    { weight: 1, arbitrary: fc.string({ maxLength: 12, unit: 'binary' }).map((text) => Buffer.from(text).toString('latin1')) },
  );
  const start = fc.constantFrom(
    'GET / HTTP/1.1',
    'POST /x HTTP/1.1',
    'POST /x HTTP/1.0',
    'GET /%00?a=b HTTP/1.1',
    'DELETE http://a.test/y HTTP/1.1',
    'PUT /z  HTTP/1.1',
    'GET / HTTP/1.1\n',
  );
  const body = fc.constantFrom(
    '',
    'abc',
    '3\r\nabc\r\n0\r\n\r\n',
    '0\r\n\r\n',
    'GET /smuggled HTTP/1.1\r\nHost: a.test\r\n\r\n',
    '3\nabc\r\n0\r\n\r\n',
    '3;x=\n\r\nabc\r\n0\r\n\r\n',
  );

  test('whatever we pass on is exactly the one request we took it for', async () => {
    let accepted = 0;
    await fc.assert(
      fc.asyncProperty(start, fc.array(line, { maxLength: 6 }), body, async (first, lines, rest) => {
        const bytes = Buffer.from([first, HOST, ...lines.filter((one) => one !== HOST), '', rest].join('\r\n'), 'latin1');
        const end = headEnd(bytes, MAX);
        let passed: Buffer;
        let expected: string;
        try {
          const head = parseRequest(bytes.toString('latin1', 0, end - 2));
          const meter = bodyMeter(head.body);
          const taken = takeBody(meter, bytes.subarray(end));
          if (!meter.done || head.upgrade !== null) return;
          passed = Buffer.concat([Buffer.from(forwardedHead(head, 'x', false), 'latin1'), ...taken.parts]);
          expected = `${head.method} ${head.target} ${head.body === CHUNKED ? (taken.bytes > 5 ? 3 : 0) : head.body}`;
        } catch (error) {
          expect(error).toBeInstanceOf(BadMessage);
          return;
        }
        accepted += 1;
        expect(await seenByNode(passed)).toEqual([expected]);
      }),
      { numRuns: 3_000 },
    );
    expect(accepted).toBeGreaterThan(200);
  });
});
