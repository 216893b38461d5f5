import { createHash, createHmac, randomBytes, timingSafeEqual } from 'node:crypto';

/** A new token: a prefix that scanners can find, and 256 random bits. */
export function newToken(): string {
  return `sluice_${randomBytes(32).toString('base64url')}`;
}

/**
 * The token with which apps report metrics, and can do nothing else. It is made of the one that may do everything
 * (HMAC-SHA-256, RFC 2104), so nobody has to keep it, and it changes with that one.
 */
export function metricsTokenOf(token: string): string {
  return token === '' ? '' : `sluice_metrics_${createHmac('sha256', token).update('metrics').digest('base64url')}`;
}

/** Whether an Authorization header carries the token. Takes equally long whatever is wrong with it. */
export function isAuthorized(header: string | undefined, token: string): boolean {
  const given = /^Bearer +(\S+) *$/i.exec(header ?? '')?.[1] ?? '';
  return timingSafeEqual(digest(given), digest(token)) && token !== '';
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
