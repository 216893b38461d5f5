import type { ClientRequest, IncomingHttpHeaders, IncomingMessage, OutgoingHttpHeaders } from 'node:http';
import { Agent, request as httpRequest } from 'node:http';

/** One HTTP answer, whole. */
export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  /** Version that answered, by its `x-version` header; null when the edge answered itself. */
  readonly version: string | null;
}

export interface Visit {
  readonly path?: string;
  readonly method?: string;
  readonly headers?: OutgoingHttpHeaders;
  readonly body?: string | Buffer;
}

/** Someone who uses an app through the edge: a host name and kept-alive connections. */
export interface Visitor {
  /** Request and read the answer to its end. Rejects when the connection is cut. */
  get(visit?: Visit): Promise<Answer>;
  /** Start a request and leave body and answer to the caller. */
  open(visit?: Visit): ClientRequest;
  readonly agent: Agent;
}

/** More than any edge lets through, so that the edge decides. */
const MAX_HEAD_BYTES = 128 * 1024;

export function visitor(url: string, host: string, options: { readonly connections?: number } = {}): Visitor {
  const { hostname, port } = new URL(url);
  const agent = new Agent({ keepAlive: true, maxSockets: options.connections ?? 64 });
  const open = (visit: Visit = {}): ClientRequest => {
    // Node sends the body of a DELETE without any length unless it is told one.
    const length = visit.body === undefined ? {} : { 'content-length': Buffer.byteLength(visit.body) };
    const headers = { host, ...length, ...visit.headers };
    const maxHeaderSize = MAX_HEAD_BYTES;
    return httpRequest({ hostname, port, path: visit.path ?? '/', method: visit.method ?? 'GET', headers, agent, maxHeaderSize });
  };
  return { agent, open, get: async (visit = {}) => read(await answered(open(visit), visit.body)) };
}

/** The answer's headers, once they are there. */
export function answered(request: ClientRequest, body?: string | Buffer): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    request.once('error', reject);
    request.once('response', resolve);
    request.end(body);
  });
}

export async function read(response: IncomingMessage): Promise<Answer> {
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk as Buffer);
  const version = response.headers['x-version'];
  return {
    status: response.statusCode ?? 0,
    headers: response.headers,
    text: Buffer.concat(chunks).toString(),
    version: typeof version === 'string' ? version : null,
  };
}

/** Wait until something holds; the last thing seen is in the error when it never does. */
export async function until<T>(look: () => T | Promise<T>, holds: (value: T) => boolean, deadlineMs = 10_000): Promise<T> {
  const end = Date.now() + deadlineMs;
  for (;;) {
    const value = await look();
    if (holds(value)) return value;
    if (Date.now() > end) throw new Error(`not so within ${deadlineMs} ms; last seen: ${JSON.stringify(value)}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
