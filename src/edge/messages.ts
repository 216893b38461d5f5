import type { RequestHead, ResponseHead } from './http1.ts';

/** The head as the version gets it: as the client sent it, hop-by-hop fields replaced by ours (RFC 9110 section 7.6.1). */
export function forwardedHead(head: RequestHead, client: string): string {
  const lines = [`${head.method} ${head.target} HTTP/1.${head.minor}`, ...head.lines, `x-forwarded-for: ${client}`];
  if (head.header('x-forwarded-proto') === null) lines.push('x-forwarded-proto: http');
  if (head.header('x-forwarded-host') === null && head.host !== '') lines.push(`x-forwarded-host: ${head.host}`);
  if (head.upgrade !== null) lines.push('connection: upgrade', `upgrade: ${head.upgrade}`);
  else if (head.minor === 0) lines.push('connection: close');
  return `${lines.join('\r\n')}\r\n\r\n`;
}

/** The answer's head as the client gets it. */
export function returnedHead(head: ResponseHead, extra: { readonly cookie: string | null; readonly close: boolean }): string {
  let text = `${head.statusLine}\r\n`;
  for (const line of head.lines) text += `${line}\r\n`;
  if (extra.cookie !== null) text += `${extra.cookie}\r\n`;
  if (extra.close) text += 'connection: close\r\n';
  return `${text}\r\n`;
}

const REASONS: Readonly<Record<number, string>> = {
  400: 'Bad Request',
  404: 'Not Found',
  408: 'Request Timeout',
  431: 'Request Header Fields Too Large',
  501: 'Not Implemented',
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
    `content-length: ${Buffer.byteLength(body)}`,
    ...(options.close ? ['connection: close'] : []),
  ];
  return `${head.join('\r\n')}\r\n\r\n${options.withBody ? body : ''}`;
}
