import { createHmac, timingSafeEqual } from 'node:crypto';
import { UserError } from '../../../core/errors.ts';
import type { HostEvent } from '../../../ports/source-control.ts';
import * as schema from './schema.ts';

export interface Delivery {
  /** Header names in lower case. */
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  /** The body byte for byte: what was parsed and written again has another signature. */
  readonly body: Uint8Array;
}

/** Whether GitHub signed this body with the secret. Takes equally long whatever is wrong. */
export function isSigned(secret: string, body: Uint8Array, signature: string | undefined): boolean {
  const wanted = createHmac('sha256', secret).update(body).digest();
  const given = Buffer.from(/^sha256=([0-9a-f]{64})$/i.exec(signature ?? '')?.[1] ?? '', 'hex');
  return secret !== '' && given.length === wanted.length && timingSafeEqual(given, wanted);
}

export function unsigned(): UserError {
  return new UserError(
    'WEBHOOK_UNSIGNED',
    'the delivery is not signed with the secret of this webhook',
    'Set the same secret at GitHub and in the variable that github.webhookSecrets names.',
  );
}

/**
 * What a delivery tells us. Several secrets are taken while one replaces another.
 * @throws UserError `WEBHOOK_UNSIGNED`, `WEBHOOK_INVALID`.
 */
export function githubEvent({ headers, body }: Delivery, secrets: readonly string[]): HostEvent {
  const header = (name: string): string => {
    const value = headers[name];
    return typeof value === 'string' ? value : '';
  };
  if (!secrets.some((secret) => isSigned(secret, body, header('x-hub-signature-256')))) throw unsigned();
  const delivery = header('x-github-delivery');
  const name = header('x-github-event');
  try {
    return eventOf(name, delivery, JSON.parse(Buffer.from(body).toString('utf8')));
  } catch (error) {
    throw new UserError(
      'WEBHOOK_INVALID',
      `the delivery ${delivery} (${name}) cannot be read`,
      'Set the content type of the webhook to application/json.',
      error,
    );
  }
}

function eventOf(name: string, delivery: string, data: unknown): HostEvent {
  switch (name) {
    case 'push': {
      const { ref, after, pusher } = schema.pushEvent.parse(data);
      return { kind: 'push', delivery, ref, commit: after, by: pusher.name };
    }
    case 'pull_request': {
      const { action, number, pull_request: change, repository } = schema.pullRequestEvent.parse(data);
      return {
        kind: 'change',
        delivery,
        action,
        number,
        commit: change.head.sha,
        isFork: change.head.repo?.full_name !== repository.full_name,
      };
    }
    case 'deployment_protection_rule': {
      const { environment, deployment_callback_url: callback, deployment } = schema.protectionEvent.parse(data);
      const run = /\/actions\/runs\/(\d+)\//.exec(callback)?.[1];
      if (run === undefined) throw new Error('no run in the address to call back');
      return { kind: 'protection', delivery, run: Number(run), environment, commit: deployment?.sha ?? null };
    }
    default:
      return { kind: 'other', delivery, name };
  }
}
