import { type IncomingMessage, request as requestByHttp } from 'node:http';
import { text } from 'node:stream/consumers';

/** One request: `body` is JSON text. */
export interface Request {
  readonly method: string;
  readonly signal: AbortSignal;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

/**
 * The answer of an address, its content still to be read. It goes through node:http and not fetch, because loading fetch takes longer than
 * all the rest of a short command. It follows no redirect, because the token is for this address alone.
 */
export async function requestTo(
  { url, token }: { readonly url: string; readonly token: string },
  path: string,
  { method, signal, headers, body }: Request,
): Promise<IncomingMessage> {
  const to = new URL(path, url);
  const request = to.protocol === 'https:' ? (await import('node:https')).request : requestByHttp;
  const sent = { method, signal, headers: { ...headers, authorization: `Bearer ${token}` } };
  const answer = await new Promise<IncomingMessage>((resolve, reject) => void request(to, sent, resolve).on('error', reject).end(body));
  if (isRedirect(answer)) throw new Error('it leads elsewhere');
  return answer;
}

function isRedirect({ statusCode = 0 }: IncomingMessage): boolean {
  return statusCode >= 300 && statusCode < 400;
}

/** Whether the status says that it went well. */
export function isOk({ statusCode = 0 }: IncomingMessage): boolean {
  return statusCode >= 200 && statusCode < 300;
}

/** The JSON of an answer; null where it is none, or breaks off. */
export async function contentOf(answer: IncomingMessage): Promise<unknown> {
  try {
    return JSON.parse(await text(answer)) as unknown;
  } catch {
    return null;
  }
}
