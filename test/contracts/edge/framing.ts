import { expect } from 'vitest';
import { recorder } from '../../worlds/raw.ts';
import type { EdgeSuite, EdgeWorld } from '../edge.ts';

const HOST = 'Host: HOST\r\n';
const post = (fields: string, body: string): string => `POST / HTTP/1.1\r\n${HOST}${fields}\r\n${body}`;
const get = (fields: string): string => `GET / HTTP/1.1\r\n${HOST}${fields}\r\n`;
const CHUNKED = 'Transfer-Encoding: chunked\r\n';
const KEY = 'sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==';

/** Requests that both edges refuse, with this status; no byte of them reaches a version. `HOST` stands for the app's host. */
const REFUSED: readonly (readonly [what: string, status: number, request: string])[] = [
  ['a coding with 0xA0 after it', 400, post('Transfer-Encoding: chunked\xa0\r\n', '0\r\n\r\n')],
  ['a coding with 0xA0 before it', 400, post('Transfer-Encoding: \xa0chunked\r\n', '0\r\n\r\n')],
  ['a coding with a vertical tab', 400, post('Transfer-Encoding: \x0bchunked\r\n', '0\r\n\r\n')],
  ['a coding with an empty one after it', 400, post('Transfer-Encoding: chunked,\r\n', '0\r\n\r\n')],
  ['a coding in HTTP/1.0', 400, `POST / HTTP/1.0\r\n${HOST}${CHUNKED}\r\n0\r\n\r\n`],
  ['a coding that is not chunked', 400, post('Transfer-Encoding: identity\r\n', '')],
  ['a coding before chunked', 422, post('Transfer-Encoding: gzip, chunked\r\n', '0\r\n\r\n')],
  ['chunked twice', 400, post(CHUNKED + CHUNKED, '0\r\n\r\n')],
  ['a length with 0xA0', 400, post('Content-Length: 5\xa0\r\n', 'hello')],
  ['a length with zeros before it', 400, post('Content-Length: 005\r\n', 'hello')],
  ['a signed length', 400, post('Content-Length: +5\r\n', 'hello')],
  ['two lengths', 400, post('Content-Length: 5\r\nContent-Length: 6\r\n', 'hello')],
  ['a chunk size in another notation', 400, post(CHUNKED, '0x3\r\nabc\r\n0\r\n\r\n')],
  ['a body of GET in HTTP/1.0', 413, `GET / HTTP/1.0\r\n${HOST}Content-Length: 5\r\n\r\nhello`],
  ['a user in the target', 400, `GET http://a@HOST/ HTTP/1.1\r\n${HOST}\r\n`],
  ['a target of another host', 400, `GET http://other.test/ HTTP/1.1\r\n${HOST}\r\n`],
  ['a target of another scheme', 400, `GET ftp://HOST/ HTTP/1.1\r\n${HOST}\r\n`],
  ['a target that is no path', 400, `GET foo HTTP/1.1\r\n${HOST}\r\n`],
  ['* for another method than OPTIONS', 400, `GET * HTTP/1.1\r\n${HOST}\r\n`],
  ['a fragment in the target', 400, `GET /a#b HTTP/1.1\r\n${HOST}\r\n`],
  ['8 bits in the target', 400, `GET /\xe4 HTTP/1.1\r\n${HOST}\r\n`],
  ['two hosts', 400, get('Host: other.test\r\n')],
  ['no host', 400, 'GET / HTTP/1.1\r\n\r\n'],
  ['an empty host', 400, 'GET / HTTP/1.1\r\nHost:\r\n\r\n'],
  ['a user in the host', 400, 'GET / HTTP/1.1\r\nHost: x@HOST\r\n\r\n'],
  ['a path in the host', 400, 'GET / HTTP/1.1\r\nHost: HOST/x\r\n\r\n'],
  ['a list of hosts', 400, 'GET / HTTP/1.1\r\nHost: HOST, b.test\r\n\r\n'],
  ['a port that is no number', 400, 'GET / HTTP/1.1\r\nHost: HOST:abc\r\n\r\n'],
  ['a bare CR', 400, get('A: b\rC: d\r\n')],
  ['NUL in a value', 400, get('A: b\0c\r\n')],
  ['a control character in a value', 400, get('A: b\x01c\r\n')],
  ['a space before the colon', 400, get('Transfer-Encoding : chunked\r\n')],
  ['HTTP/2.0', 505, `GET / HTTP/2.0\r\n${HOST}\r\n`],
  ['HTTP/1.2', 505, `GET / HTTP/1.2\r\n${HOST}\r\n`],
  ['HTTP/0.9', 400, 'GET /\r\n'],
  ['CONNECT', 405, 'CONNECT HOST:443 HTTP/1.1\r\nHost: HOST:443\r\n\r\n'],
  ['connect in small letters', 405, `connect / HTTP/1.1\r\n${HOST}\r\n`],
  ['TRACE', 405, `TRACE / HTTP/1.1\r\n${HOST}\r\n`],
  ['a websocket without its key', 400, get('Connection: Upgrade\r\nUpgrade: websocket\r\n')],
  ['a header that Connection names', 400, get('Connection: close, X-Mine\r\nX-Mine: 1\r\n')],
  ['X-Forwarded-For named by Connection', 400, get('Connection: X-Forwarded-For\r\n')],
  ['Content-Length named by Connection', 400, post('Connection: Content-Length\r\nContent-Length: 5\r\n', 'hello')],
];

/** Requests that go on, on both edges, as this alone (in small letters); besides it come what every request gets. */
const PASSED: readonly (readonly [what: string, request: string, start: string, fields: readonly string[], body: string])[] = [
  [
    'chunk extensions',
    post(CHUNKED, '3;a="b\\"c"\r\nabc\r\n0;x\r\n\r\n'),
    'POST / HTTP/1.1',
    ['transfer-encoding: chunked'],
    '3\r\nabc\r\n0\r\n\r\n',
  ],
  [
    'zeros before a chunk size',
    post(CHUNKED, '0003\r\nabc\r\n00\r\n\r\n'),
    'POST / HTTP/1.1',
    ['transfer-encoding: chunked'],
    '3\r\nabc\r\n0\r\n\r\n',
  ],
  ['a whole address as the target', `GET http://HOST/x?y HTTP/1.1\r\n${HOST}\r\n`, 'GET /x?y HTTP/1.1', [], ''],
  ['an address without a path', `GET http://HOST HTTP/1.1\r\n${HOST}\r\n`, 'GET / HTTP/1.1', [], ''],
  [
    'h2c',
    get('Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n'),
    'GET / HTTP/1.1',
    [],
    '',
  ],
  ['h2c among others', get(`Connection: Upgrade\r\nUpgrade: websocket, H2C\r\n${KEY}\r\n`), 'GET / HTTP/1.1', [KEY], ''],
  [
    'websocket',
    get(`Connection: Upgrade\r\nUpgrade: websocket\r\n${KEY}\r\n`),
    'GET / HTTP/1.1',
    [KEY, 'connection: upgrade', 'upgrade: websocket'],
    '',
  ],
  ['an upgrade that Connection does not name', get('Upgrade: websocket\r\n'), 'GET / HTTP/1.1', [], ''],
  [
    'an upgrade with a body',
    post('Connection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 3\r\n', 'abc'),
    'POST / HTTP/1.1',
    ['content-length: 3'],
    'abc',
  ],
  ['hop-by-hop headers', get('Keep-Alive: 5\r\nTE: trailers\r\nTrailer: x\r\nProxy-Connection: x\r\n'), 'GET / HTTP/1.1', [], ''],
  [
    'what a client says about itself as a proxy would',
    get(
      [
        'X-Real-IP',
        'Forwarded',
        'X-Forwarded-For',
        'X-Forwarded-Proto',
        'X-Forwarded-Host',
        'X-Forwarded-Port',
        'X-Forwarded-Prefix',
        'True-Client-IP',
        'CF-Connecting-IP',
      ]
        .map((name) => `${name}: 6.6.6.6\r\n`)
        .join(''),
    ),
    'GET / HTTP/1.1',
    [],
    '',
  ],
  ['the same with underscores', get('X_Forwarded_For: 6.6.6.6\r\nX-Real_IP: 6.6.6.6\r\nContent_Length: 7\r\n'), 'GET / HTTP/1.1', [], ''],
  ['an empty line before the request', `\r\n${get('')}`, 'GET / HTTP/1.1', [], ''],
];

/** Requests that one edge refuses and the other mends: whoever reads what goes on reads the same. */
const MENDED: readonly (readonly [what: string, request: string, start: string, fields: readonly string[], body: string])[] = [
  ['the same length twice', post('Content-Length: 5\r\nContent-Length: 5\r\n', 'hello'), 'POST / HTTP/1.1', ['content-length: 5'], 'hello'],
  ['a list of the same length', post('Content-Length: 5, 5\r\n', 'hello'), 'POST / HTTP/1.1', ['content-length: 5'], 'hello'],
  [
    'length and coding',
    post(`Content-Length: 5\r\n${CHUNKED}`, '0\r\n\r\n'),
    'POST / HTTP/1.1',
    ['transfer-encoding: chunked'],
    '0\r\n\r\n',
  ],
  [
    'a chunk line with a bare LF',
    post(CHUNKED, '3\nabc\n0\n\n'),
    'POST / HTTP/1.1',
    ['transfer-encoding: chunked'],
    '3\r\nabc\r\n0\r\n\r\n',
  ],
  [
    'a space after a chunk size',
    post(CHUNKED, '3 \r\nabc\r\n0\r\n\r\n'),
    'POST / HTTP/1.1',
    ['transfer-encoding: chunked'],
    '3\r\nabc\r\n0\r\n\r\n',
  ],
  ['the same host twice', get(HOST), 'GET / HTTP/1.1', [], ''],
  ['a folded line', get('A: b\r\n c\r\n'), 'GET / HTTP/1.1', ['a: b   c'], ''],
  ['a bare LF', get('A: b\nC: d\r\n'), 'GET / HTTP/1.1', ['a: b', 'c: d'], ''],
  ['bare LFs alone', 'GET / HTTP/1.1\nHost: HOST\n\n', 'GET / HTTP/1.1', [], ''],
  ['two spaces in the request line', `GET  / HTTP/1.1\r\n${HOST}\r\n`, 'GET / HTTP/1.1', [], ''],
];

export const framing: EdgeSuite = (check) => {
  for (const [what, status, request] of REFUSED) {
    check(`refuses ${what} with ${status}`, (world) =>
      recorded(world, async ({ ask, got }) => {
        const answer = await ask(request);
        expect([what, answer.slice(0, 12)]).toEqual([what, `HTTP/1.1 ${status}`]);
        expect(got()).toBe('');
      }),
    );
  }

  for (const [what, request, start, fields, body] of PASSED) {
    check(`passes on in one form: ${what}`, (world) =>
      recorded(world, async ({ ask, got, host }) => {
        expect((await ask(request)).slice(0, 12)).toBe('HTTP/1.1 200');
        expect(formOf(got())).toEqual(formOf(expected(host, start, fields, body)));
      }),
    );
  }

  for (const [what, request, start, fields, body] of MENDED) {
    check(`refuses or mends ${what}, so that there is one reading of it`, (world) =>
      recorded(world, async ({ ask, got, host }) => {
        const status = (await ask(request)).slice(9, 12);
        expect(['200', '400']).toContain(status);
        if (status === '400') expect(got()).toBe('');
        else expect(formOf(got())).toEqual(formOf(expected(host, start, fields, body)));
      }),
    );
  }

  check('answers without a body have no coding, and no length but that of what HEAD and 304 stand for', (world) =>
    recorded(world, async ({ ask, answer }) => {
      answer('HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n');
      expect(await ask(get(''))).not.toMatch(/transfer-encoding|content-length/i);
      answer('HTTP/1.1 204 No Content\r\nContent-Length: 3\r\n\r\n');
      expect(await ask(get(''))).not.toMatch(/content-length/i);
      answer('HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\n\r\n');
      expect(await ask(get(''))).not.toMatch(/transfer-encoding/i);
      answer('HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n');
      expect(await ask(get(''))).toMatch(/content-length: 5/i);
    }),
  );

  check('an answer that can be read in two ways is a 502', (world) =>
    recorded(world, async ({ ask, answer }) => {
      for (const bad of [
        'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\xa0\r\n\r\n0\r\n\r\n',
        'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nabc',
        'HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
        'HTTP/1.1 200 OK\r\nA: b\0\r\nContent-Length: 0\r\n\r\n',
        'SSH-2.0-OpenSSH\r\n\r\n',
      ]) {
        answer(bad);
        expect([bad, (await ask(get(''))).slice(0, 12)]).toEqual([bad, 'HTTP/1.1 502']);
      }
    }),
  );
};

interface Recorded {
  readonly host: string;
  /** Send bytes, and return all that comes back until it has been quiet for a while or the edge has closed. */
  ask(request: string): Promise<string>;
  /** What the version got since the last `ask` began. */
  got(): string;
  /** What the version answers from now on. */
  answer(text: string): void;
}

async function recorded(world: EdgeWorld, run: (recorded: Recorded) => Promise<void>): Promise<void> {
  const app = world.app();
  const version = await recorder();
  try {
    await app.apply([{ id: 'v1', weight: 100, endpoints: [version.endpoint] }]);
    await run({
      host: app.host,
      ask: (request) => version.ask(world.url, request.replaceAll('HOST', app.host)),
      got: version.got,
      answer: version.answer,
    });
  } finally {
    await version.stop();
  }
}

function expected(host: string, start: string, fields: readonly string[], body: string): string {
  const all = [`host: ${host}`, ...fields, 'x-forwarded-for: 127.0.0.1', 'x-forwarded-proto: http', `x-forwarded-host: ${host}`];
  return `${start}\r\n${all.map((field) => `${field}\r\n`).join('')}\r\n${body}`;
}

/** A message as its reader takes it: the start, the fields in any order and with names in any case, the body. */
function formOf(text: string): { start: string; fields: string[]; body: string } {
  const end = text.indexOf('\r\n\r\n');
  const [start = '', ...lines] = text.slice(0, end).split('\r\n');
  const fields = lines.map((line) => `${line.slice(0, line.indexOf(':')).toLowerCase()}${line.slice(line.indexOf(':'))}`);
  return { start, fields: fields.toSorted(), body: text.slice(end + 4) };
}
