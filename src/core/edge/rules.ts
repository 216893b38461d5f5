import type { EdgeRules } from '../app/traffic.ts';

/** Addresses of this machine. */
export const LOOPBACK: readonly string[] = ['127.0.0.0/8', '::1'];

/** Where nothing else is said. `config/defaults.ts` says the same in the notation of the configuration; a test compares the two. */
export const DEFAULT_RULES: EdgeRules = {
  trustedProxies: [],
  pinFrom: LOOPBACK,
  limits: { headBytes: 32 * 1024, bodyBytes: null, connections: null, connectionsPerAddress: 1_000, bodyRate: 100 },
  timeouts: { headMs: 15_000, idleMs: 75_000, bodyMs: 60_000, answerMs: 300_000 },
};

/** Request headers by which a proxy shows that it passes on what somebody else asked. */
export const PROXY_MARKS: readonly string[] = ['x-forwarded-for', 'forwarded', 'via', 'x-real-ip'];

/**
 * Address of the user: of the connection, or behind trusted proxies the last one in `X-Forwarded-For` that is none of them.
 * @returns null when a trusted proxy does not say for whom it asks.
 */
export function userAddress(peer: string, forwardedFor: string | null, isTrusted: (address: string) => boolean): string | null {
  if (!isTrusted(peer)) return peer;
  const hops = (forwardedFor ?? '').split(',').map((hop) => hop.trim());
  const last = hops.findLast((hop) => !isTrusted(hop));
  return last === undefined || last === '' ? null : last;
}
