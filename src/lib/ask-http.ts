import { request } from 'node:http';
import { within } from './within.ts';

/** One question over HTTP/1.1 on a connection of its own. */
export interface HttpQuestion {
  /** Address to connect to. */
  readonly address: string;
  readonly port: number;
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Longest time until the head of the answer is there, ms. */
  readonly timeoutMs: number;
}

export type HttpAnswer =
  /** `text`: the first characters of the body, as far as they came with the head or soon after. */
  | { readonly kind: 'answer'; readonly status: number; readonly text: string }
  /** No connection: no process listens there (`ECONNREFUSED`), or there is no way. */
  | { readonly kind: 'refused'; readonly code: string }
  | { readonly kind: 'silent' }
  /** Connected, and closed again without an answer. */
  | { readonly kind: 'closed' }
  /** Something else than HTTP/1.1 came back. `what`: for people, where it is known. */
  | { readonly kind: 'notHttp'; readonly what: string };

const TEXT_MAX = 512;
/** The beginning of a body may come a moment after its head, ms. */
const TEXT_MS = 200;

/**
 * Ask once. A redirect is an answer and is not followed, because it may lead to another version. Every way in which it can
 * go wrong is an answer, too.
 * @throws the signal's reason, when it fires.
 */
export async function askHttp({ address, port, path, headers, timeoutMs }: HttpQuestion, signal: AbortSignal): Promise<HttpAnswer> {
  signal.throwIfAborted();
  const limit = within(signal, timeoutMs);
  const answer = await new Promise<HttpAnswer>((resolve) => {
    let isConnected = false;
    const asked = request({ host: address, port, path, agent: false, headers: { connection: 'close', ...headers }, signal: limit });
    asked.once('socket', (socket) => socket.once('connect', () => (isConnected = true)));
    asked.once('upgrade', (head, socket) => {
      socket.destroy();
      resolve({ kind: 'answer', status: head.statusCode ?? 101, text: '' });
    });
    asked.once('response', (head) => {
      const finish = (): void => {
        clearTimeout(timer);
        head.destroy();
        resolve({ kind: 'answer', status: head.statusCode ?? 0, text });
      };
      let text = '';
      const timer = setTimeout(finish, TEXT_MS);
      head.setEncoding('utf8');
      head.on('data', (chunk: string) => {
        text = (text + chunk).slice(0, TEXT_MAX);
        if (text.length === TEXT_MAX) finish();
      });
      head.once('end', finish);
      head.once('error', finish);
    });
    asked.on('error', (error: NodeJS.ErrnoException & { rawPacket?: Buffer }) => {
      if (limit.aborted) resolve({ kind: 'silent' });
      else if (error.code?.startsWith('HPE_') === true) resolve({ kind: 'notHttp', what: protocolOf(error.rawPacket) });
      else resolve(isConnected ? { kind: 'closed' } : { kind: 'refused', code: error.code ?? error.message });
    });
    asked.end();
  });
  signal.throwIfAborted();
  return answer;
}

/** What the first bytes of an answer look like. */
function protocolOf(bytes: Buffer | undefined): string {
  if (bytes === undefined || bytes.length === 0) return 'something that is not HTTP';
  // A TLS server answers a plain request with an alert record (RFC 8446 section 5.1: content type 21, version 3.x).
  if (bytes[0] === 21 && bytes[1] === 3) return 'TLS, not plain HTTP';
  // An HTTP/2 server begins with a SETTINGS frame (RFC 9113 section 6.5: type 4 on stream 0).
  if (bytes.length >= 9 && bytes[3] === 4 && bytes.readUInt32BE(5) === 0) return 'HTTP/2 only, and the edge speaks HTTP/1.1';
  return 'something that is not HTTP';
}
