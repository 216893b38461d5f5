import { createHash } from 'node:crypto';
import { OutsideError } from '../../core/errors.ts';
import type { Notifier } from '../../ports/notifier.ts';
import type { Occasion } from '../../core/access/notice.ts';
import { FORMATS, type WebhookFormat } from './bodies.ts';
import { within } from '../../lib/within.ts';

export interface WebhookNotifierOptions {
  readonly on: readonly Occasion[] | null;
  readonly url: string;
  readonly format?: WebhookFormat;
  readonly secret?: string | null;
  readonly timeoutMs?: number;
}

const TIMEOUT_MS = 10_000;

/** By POST, as JSON; the receiver knows a repeat by the notice's key. */
export function webhookNotifier({ on, url, format = 'json', secret = null, timeoutMs = TIMEOUT_MS }: WebhookNotifierOptions): Notifier {
  // The address may hold a token: only its hash is ever written down.
  const name = `webhook ${createHash('sha256').update(`${format} ${url}`).digest('hex').slice(0, 12)}`;
  return {
    name,
    on,
    async tell(notice, signal) {
      const { body, headers } = FORMATS[format](notice, secret, Date.now());
      const answer = await fetch(url, {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...headers },
        body,
        // Whatever comes is posted to the address that was configured, or nowhere.
        redirect: 'error',
        signal: within(signal, timeoutMs),
      }).catch((error: unknown) => {
        throw new OutsideError('NOTIFY_FAILED', `${name} does not answer: ${reasonOf(error)}`, 'It is tried again.');
      });
      await answer.body?.cancel();
      if (!answer.ok) throw new OutsideError('NOTIFY_FAILED', `${name} answered ${answer.status}`, 'It is tried again.');
    },
  };
}

/** The kind of trouble, without the address: that may hold a token. */
function reasonOf(error: unknown): string {
  const { name, cause } = error as { name?: string; cause?: { code?: string } };
  return cause?.code ?? (name === 'TimeoutError' ? 'it took too long' : 'no connection');
}
