import { CHUNKED, UNTIL_CLOSE, type RequestHead, type ResponseHead } from './http1.ts';

/**
 * The head as the version gets it: as the client sent it, with hop-by-hop fields replaced by ours (RFC 9110 section 7.6.1), its framing
 * written anew, and who asked for what. What the other side says about that counts only when it is a proxy that we trust:
 * anybody can invent it.
 */
export function forwardedHead(head: RequestHead, peer: string, isTrusted: boolean): string {
  const proto = isTrusted ? (head.forwardedProto ?? 'http') : 'http';
  const host = isTrusted ? (head.forwardedHost ?? head.host) : head.host;
  const from = isTrusted && head.forwardedFor !== null ? `${head.forwardedFor}, ${peer}` : peer;
  let text = `${head.method} ${head.target} HTTP/1.${head.minor}\r\n`;
  if (head.host !== '') text += `host: ${head.host}\r\n`;
  text += head.fields;
  if (isTrusted) text += head.said;
  text += framingOf(head);
  text += `x-forwarded-for: ${from}\r\nx-forwarded-proto: ${proto}\r\nx-forwarded-host: ${host}\r\n`;
  if (head.upgrade !== null) text += `connection: upgrade\r\nupgrade: ${head.upgrade}\r\n`;
  else if (head.minor === 0) text += 'connection: close\r\n';
  return `${text}\r\n`;
}

function framingOf({ body, hasLength }: RequestHead): string {
  if (body === CHUNKED) return 'transfer-encoding: chunked\r\n';
  return hasLength ? `content-length: ${body}\r\n` : '';
}

/** The answer's head as the client gets it. */
export function returnedHead(head: ResponseHead, cookie: string | null, close: boolean): string {
  let text = `HTTP/1.1 ${head.status} ${head.reason}\r\n${head.fields}`;
  if (head.body === CHUNKED) text += 'transfer-encoding: chunked\r\n';
  if (cookie !== null) text += `${cookie}\r\n`;
  if (close || head.body === UNTIL_CLOSE) text += 'connection: close\r\n';
  return `${text}\r\n`;
}

/** The head of a `101 Switching Protocols`. */
export function upgradedHead(head: ResponseHead, cookie: string | null): string {
  const upgrade = head.upgrade === null ? '' : `upgrade: ${head.upgrade}\r\n`;
  return `HTTP/1.1 101 ${head.reason}\r\n${head.fields}connection: upgrade\r\n${upgrade}${cookie === null ? '' : `${cookie}\r\n`}\r\n`;
}

const REASONS: Readonly<Record<number, string>> = {
  400: 'Bad Request',
  403: 'Forbidden',
  404: 'Not Found',
  405: 'Method Not Allowed',
  408: 'Request Timeout',
  413: 'Content Too Large',
  422: 'Unprocessable Content',
  431: 'Request Header Fields Too Large',
  502: 'Bad Gateway',
  503: 'Service Unavailable',
  504: 'Gateway Timeout',
  505: 'HTTP Version Not Supported',
};

/** An answer of the edge's own, in plain text. */
export function ownAnswer(status: number, message: string, options: { readonly close: boolean; readonly withBody: boolean }): string {
  const body = `${message}\n`;
  const head = [
    `HTTP/1.1 ${status} ${REASONS[status] ?? 'Error'}`,
    'content-type: text/plain; charset=utf-8',
    'cache-control: no-store',
    'server: sluice-edge',
    `content-length: ${Buffer.byteLength(body)}`,
    ...(options.close ? ['connection: close'] : []),
  ];
  return `${head.join('\r\n')}\r\n\r\n${options.withBody ? body : ''}`;
}
