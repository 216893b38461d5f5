import { UNTIL_CLOSE, type RequestHead, type ResponseHead } from './http1.ts';

/**
 * The head as the version gets it: as the client sent it, with hop-by-hop fields replaced by ours (RFC 9110
 * section 7.6.1) and who asked for what. `X-Forwarded-Proto` and `-Host` are believed only from a trusted proxy
 * in front of the edge.
 */
export function forwardedHead(head: RequestHead, client: string, trustForwarded: boolean): string {
  const proto = trustForwarded ? (head.forwardedProto ?? 'http') : 'http';
  const host = trustForwarded ? (head.forwardedHost ?? head.host) : head.host;
  const from = head.forwardedFor === null ? client : `${head.forwardedFor}, ${client}`;
  const named = head.host === '' ? '' : `host: ${head.host}\r\n`;
  let text = `${head.method} ${head.target} HTTP/1.${head.minor}\r\n${named}${head.fields}x-forwarded-for: ${from}\r\nx-forwarded-proto: ${proto}\r\nx-forwarded-host: ${host}\r\n`;
  if (head.upgrade !== null) text += `connection: upgrade\r\nupgrade: ${head.upgrade}\r\n`;
  else if (head.minor === 0) text += 'connection: close\r\n';
  return `${text}\r\n`;
}

/** The answer's head as the client gets it. */
export function returnedHead(head: ResponseHead, cookie: string | null, close: boolean): string {
  let text = `HTTP/1.1 ${head.status} ${head.reason}\r\n${head.fields}`;
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
  404: 'Not Found',
  408: 'Request Timeout',
  421: 'Misdirected Request',
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
