import { createHmac } from 'node:crypto';
import type { Notice } from '../../core/access/notice.ts';

/** What a webhook is sent. `secret` signs `json`, and is the routing key of `pagerduty`. */
export type WebhookFormat = 'json' | 'slack' | 'pagerduty';

export interface Message {
  readonly body: string;
  readonly headers: Readonly<Record<string, string>>;
}

type Write = (notice: Notice, secret: string | null, now: number) => Message;

/** Every format there is. */
export const FORMATS: Readonly<Record<WebhookFormat, Write>> = {
  json(notice, secret, now) {
    const body = JSON.stringify({ text: textOf(notice), ...notice });
    return { body, headers: { 'idempotency-key': notice.key, ...(secret === null ? {} : signature(notice.key, body, secret, now)) } };
  },
  slack: (notice) => ({ body: JSON.stringify({ text: textOf(notice) }), headers: {} }),
  pagerduty(notice, secret) {
    const { key, environment, title, occasion } = notice;
    const severity = occasion === 'approval' ? 'info' : 'critical';
    const payload = {
      summary: title.slice(0, 1_024),
      source: `sluice/${environment}`,
      severity,
      custom_details: { ...notice },
    };
    return { body: JSON.stringify({ routing_key: secret, event_action: 'trigger', dedup_key: key, payload }), headers: {} };
  },
};

/** One line for people. */
export function textOf({ title, action }: Notice): string {
  return `${title}. ${action}`;
}

/** As Standard Webhooks has it: `whsec_…` is base64, anything else is taken as it is. */
function signature(id: string, body: string, secret: string, now: number): Readonly<Record<string, string>> {
  const seconds = String(Math.floor(now / 1_000));
  const key = secret.startsWith('whsec_') ? Buffer.from(secret.slice('whsec_'.length), 'base64') : Buffer.from(secret);
  const signed = createHmac('sha256', key).update(`${id}.${seconds}.${body}`).digest('base64');
  return { 'webhook-id': id, 'webhook-timestamp': seconds, 'webhook-signature': `v1,${signed}` };
}
