/*
 * Raw requests and answers, generated: what clients, attackers and versions write, right, nearly right and wrong.
 */

/** A small generator with a seed: the same seed makes the same messages (mulberry32). */
export function random(seed: number): Draw {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 0x1_0000_0000;
  };
}

export type Draw = () => number;
const pick = <T>(draw: Draw, list: readonly T[]): T => list[Math.floor(draw() * list.length)] as T;

const STARTS = [
  'GET /ID HTTP/1.1',
  'POST /ID HTTP/1.1',
  'PUT /ID HTTP/1.1',
  'HEAD /ID HTTP/1.1',
  'DELETE /ID HTTP/1.1',
  'OPTIONS /ID HTTP/1.1',
  'POST /ID HTTP/1.0',
  'GET /ID HTTP/1.0',
  'GET http://a.test/ID HTTP/1.1',
  'GET http://u@a.test/ID HTTP/1.1',
  'GET http://b.test/ID HTTP/1.1',
  'CONNECT a.test:443 HTTP/1.1',
  'CONNECT /ID HTTP/1.1',
  'TRACE /ID HTTP/1.1',
  'GET  /ID HTTP/1.1',
  'GET /ID  HTTP/1.1',
  'GET /ID HTTP/1.1 ',
  'GET /ID\tHTTP/1.1',
  'GET /ID HTTP/2.0',
  'GET /ID HTTP/1.2',
  'GET /ID',
  'GET /ID#x HTTP/1.1',
  'GET /ID\xa0 HTTP/1.1',
  'get /ID HTTP/1.1',
  'PRI * HTTP/2.0',
];
const FIELDS = [
  'Content-Length: 3',
  'Content-Length: 0',
  'Content-Length: 5',
  'Content-Length: 03',
  'Content-Length: +3',
  'Content-Length: 3,3',
  'Content-Length: 3\xa0',
  'Content-Length : 3',
  'Content-Length:\t3',
  'Content_Length: 3',
  'Content-Length: 0x3',
  'Content-Length: -1',
  'Content-Length: 99999999999999999999',
  'content-length: 3',
  'Transfer-Encoding: chunked',
  'Transfer-Encoding: chunked\xa0',
  'Transfer-Encoding: \xa0chunked',
  'Transfer-Encoding: \x0bchunked',
  'Transfer-Encoding: chunked, identity',
  'Transfer-Encoding: identity',
  'Transfer-Encoding: gzip, chunked',
  'Transfer-Encoding: xchunked',
  'Transfer-Encoding: chunked;q=1',
  'Transfer-Encoding: "chunked"',
  'Transfer-Encoding:\tchunked',
  'Transfer-Encoding : chunked',
  'Transfer_Encoding: chunked',
  'TRANSFER-ENCODING: CHUNKED',
  'Transfer-Encoding: chunked,',
  'Transfer-Encoding:\r\n chunked',
  'Connection: close',
  'Connection: keep-alive',
  'Connection: content-length',
  'Connection: transfer-encoding',
  'Connection: x-forwarded-for',
  'Connection: upgrade\r\nUpgrade: h2c',
  'Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: eA==',
  'Upgrade: h2c',
  'Host: b.test',
  'Host: a.test',
  'X: y',
  'X: y\nZ: w',
  'X: y\rZ: w',
  'X: \0',
  'X: \x7f',
  ' X: y',
  'X : y',
  'X',
  ': y',
  'X-Forwarded-For: 6.6.6.6',
  'X-Real-IP: 6.6.6.6',
  'Forwarded: for=6.6.6.6',
  'Expect: 100-continue',
  'Trailer: X',
  'TE: trailers',
  'Cookie: a=b',
  'X: \xff\xfe',
];
const BODIES = [
  '',
  '',
  '',
  'abc',
  'hello',
  '3\r\nabc\r\n0\r\n\r\n',
  '3;x=y\r\nabc\r\n0\r\n\r\n',
  '0\r\n\r\n',
  '03\r\nabc\r\n0\r\nX: y\r\n\r\n',
  '3\nabc\n0\n\n',
  '3\r\nabcd\r\n0\r\n\r\n',
  '3 \r\nabc\r\n0\r\n\r\n',
  '0x3\r\nabc\r\n0\r\n\r\n',
  '3;\nabc\r\nabc\r\n0\r\n\r\n',
  'ffffffffffffffff1\r\nabc\r\n0\r\n\r\n',
  '-3\r\nabc\r\n0\r\n\r\n',
  '3\r\nabc\r\n0\r\nContent-Length: 9\r\n\r\n',
  '0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a.test\r\n\r\n',
  'GET /smuggled HTTP/1.1\r\nHost: a.test\r\n\r\n',
  '5\r\nhello\r\n00000\r\n\r\n',
];

/** One request as bytes; `ID` in it stands for its number. */
export function requestOf(draw: Draw, id: number): string {
  const count = Math.floor(draw() * 4);
  const fields = ['Host: a.test', ...Array.from({ length: count }, () => pick(draw, FIELDS))];
  if (draw() < 0.1) fields.shift();
  let text = `${draw() < 0.5 ? pick(draw, STARTS.slice(0, 6)) : pick(draw, STARTS)}\r\n${fields.map((field) => `${field}\r\n`).join('')}\r\n${pick(draw, BODIES)}`;
  if (draw() < 0.15) text = mutated(draw, text);
  return text.replaceAll('ID', `q${id}`);
}

function mutated(draw: Draw, text: string): string {
  const at = Math.floor(draw() * text.length);
  const byte = String.fromCharCode(Math.floor(draw() * 256));
  switch (Math.floor(draw() * 3)) {
    case 0:
      return text.slice(0, at) + byte + text.slice(at);
    case 1:
      return text.slice(0, at) + text.slice(at + 1);
    default:
      return text.slice(0, at) + byte + text.slice(at + 1);
  }
}

const ANSWER_STARTS = [
  'HTTP/1.1 200 OK',
  'HTTP/1.1 200 OK',
  'HTTP/1.1 204 No Content',
  'HTTP/1.1 304 Not Modified',
  'HTTP/1.0 200 OK',
  'HTTP/1.1 404 No',
  'HTTP/1.1 101 Switch',
  'HTTP/1.1 200',
  'HTTP/2 200 OK',
  'SSH-2.0',
];
const ANSWER_FIELDS = [
  'Content-Length: LENGTH',
  'Content-Length: LENGTH',
  'Content-Length: LENGTH',
  'Content-Length: 3',
  'Content-Length: 0',
  'Content-Length: LENGTH\xa0',
  'Content-Length: 1,1',
  'Transfer-Encoding: chunked',
  'Transfer-Encoding: chunked\xa0',
  'Transfer-Encoding: identity',
  'Connection: close',
  'Connection: keep-alive',
  'X: \0',
  'X: y\nZ: w',
  ' X: folded',
  'Upgrade: h2c',
  'Trailer: x',
  'X: y',
];

/** An answer as the pieces that a version writes, each with how long after the one before it, ms. `ID` in them stands for its user. */
export function answerOf(draw: Draw): readonly { readonly text: string; readonly afterMs: number }[] {
  const body = pick(draw, ['', 'ID', 'ID-and-more', 'c\r\nID-in-chunk\r\n0\r\n\r\n']);
  const fields = Array.from({ length: Math.floor(draw() * 3) }, () => pick(draw, ANSWER_FIELDS).replace('LENGTH', String(body.length)));
  const head = `${pick(draw, ANSWER_STARTS)}\r\nX-Id: ID\r\n${fields.map((field) => `${field}\r\n`).join('')}\r\n`;
  const late = pick(draw, ['', '', 'ID-late', 'HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nID-evil']);
  return [
    { text: head + (draw() < 0.7 ? body : ''), afterMs: 0 },
    ...(late === '' ? [] : [{ text: late, afterMs: pick(draw, [0, 1, 5, 20, 60]) }]),
  ];
}
