import type { ReadContext } from '../../ports/reports.ts';
import { Unreadable } from './damage.ts';
import { within } from '../../lib/within.ts';

/** Longest time one question may take, ms. */
const TIMEOUT_MS = 30_000;
const LARGEST = 64 * 1024 * 1024;

/** JSON of a server. @throws Unreadable `unreachable` for whatever is not an answer; the token is in no message. */
export async function askJson(
  url: URL,
  { signal }: ReadContext,
  init: { headers?: Record<string, string>; body?: unknown } = {},
): Promise<unknown> {
  const where = `${url.origin}${url.pathname}`;
  const limit = within(signal, TIMEOUT_MS);
  try {
    const answer = await fetch(url, {
      method: init.body === undefined ? 'GET' : 'POST',
      headers: { accept: 'application/json', ...(init.body === undefined ? {} : { 'content-type': 'application/json' }), ...init.headers },
      ...(init.body === undefined ? {} : { body: JSON.stringify(init.body) }),
      redirect: 'error',
      signal: limit,
    });
    if (!answer.ok) throw new Unreadable('unreachable', `${where} answered ${answer.status}.`);
    const text = await answer.text();
    if (text.length > LARGEST) throw new Unreadable('unreachable', `${where} answered too much.`);
    return JSON.parse(text);
  } catch (error) {
    if (error instanceof Unreadable) throw error;
    if (signal.aborted) throw signal.reason;
    const cause =
      error instanceof Error && error.cause instanceof Error ? error.cause.message : error instanceof Error ? error.message : '';
    throw new Unreadable('unreachable', `${where} could not be asked: ${cause}.`);
  }
}

/** @throws Unreadable when it is no http(s) address. */
export function addressOf(server: string, path: string): URL {
  const base = URL.canParse(server) ? new URL(server) : null;
  if (base === null || !/^https?:$/.test(base.protocol))
    throw new Unreadable('unreachable', `"${server.slice(0, 80)}" is no address of a server.`);
  return new URL(`${base.pathname.replace(/\/$/, '')}${path}`, base.origin);
}
