import { unreadable } from './counters.ts';
import { within } from '../../lib/within.ts';

const BYTES_MAX = 16 * 1024 * 1024;

export interface FetchOptions {
  readonly headers: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
  readonly timeoutMs: number;
}

/** JSON of an answer 2xx. @throws OutsideError `METRICS_UNREADABLE` for everything else. */
export async function fetchJson(url: URL, { headers, signal, timeoutMs }: FetchOptions): Promise<unknown> {
  try {
    const limit = within(signal, timeoutMs);
    const answer = await fetch(url, { headers: { accept: 'application/json', ...headers }, signal: limit, redirect: 'error' });
    const text = await answer.text();
    if (text.length > BYTES_MAX) throw new Error(`the answer is longer than ${BYTES_MAX} bytes`);
    if (!answer.ok) throw new Error(`status ${answer.status}: ${text.slice(0, 200)}`);
    return JSON.parse(text) as unknown;
  } catch (error) {
    signal.throwIfAborted();
    const { message, cause, name } = error as Error & { cause?: { code?: string } };
    throw unreadable(
      `${url.origin}${url.pathname}: ${name === 'TimeoutError' ? `no answer within ${timeoutMs} ms` : (cause?.code ?? message)}`,
      error,
    );
  }
}
