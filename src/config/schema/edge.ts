import { isIP } from 'node:net';
import { z } from 'zod';
import { DEFAULT_RULES } from '../../core/edge/rules.ts';
import type { EdgeRules } from '../../core/app/traffic.ts';
import { DEFAULTS } from './defaults.ts';
import { object, positive, whole } from './parts.ts';
import { ms, parseSize, SIZE } from './values.ts';

const D = DEFAULTS.edge;

const ADDRESS_ALLOWED = 'an IP address or a network, such as "10.0.0.7", "10.0.0.0/8" or "2001:db8::/32"';
const addresses = z.array(z.string({ error: ADDRESS_ALLOWED }).refine(isAddress, { error: ADDRESS_ALLOWED }), {
  error: 'a list of IP addresses and networks',
});

function isAddress(text: string): boolean {
  const [address = '', prefix, ...more] = text.split('/');
  const bits = { 0: -1, 4: 32, 6: 128 }[isIP(address)] ?? -1;
  return bits !== -1 && more.length === 0 && (prefix === undefined || (/^\d{1,3}$/.test(prefix) && Number(prefix) <= bits));
}

const SIZE_ALLOWED = 'a size such as "32KiB", "10MiB", or a number of bytes';
const size = z
  .union([z.string().regex(SIZE, { error: SIZE_ALLOWED }), z.number().min(0, { error: SIZE_ALLOWED })], { error: SIZE_ALLOWED })
  .meta({ id: 'Size', description: 'A number of bytes, or a text with the unit: `B`, `KiB`, `MiB` or `GiB`.' });
const headSize = size.refine((value) => (parseSize(value) ?? 0) >= 4_096 && (parseSize(value) ?? 0) <= 1_048_576, {
  error: `${SIZE_ALLOWED}, from 4KiB to 1MiB`,
});

const limits = object({
  head: headSize
    .optional()
    .meta({ description: 'Largest head of a request (431 beyond) and of an answer (502 beyond).', default: D.limits.head }),
  body: size.optional().describe('Largest request body: 413 beyond, 411 for a body that does not say how long it is. Left out: any.'),
  connections: whole(16, 'a whole number from 16')
    .optional()
    .describe('Most connections of users at a time. Left out, and at most: three quarters of the descriptors that the process may have.'),
  connectionsPerAddress: whole(1, 'a whole number from 1').optional().meta({
    description: 'Most connections of one address, but for this machine and trusted proxies.',
    default: D.limits.connectionsPerAddress,
  }),
  bodyRate: size.optional().meta({
    description: 'A request body that comes more slowly, in a second, is given up: 408, or on HAProxy a closed connection.',
    default: D.limits.bodyRate,
  }),
}).meta({ id: 'EdgeLimits', description: 'How much the edge takes of a request.' });

const timeouts = object({
  head: positive
    .optional()
    .meta({ description: 'For the head of a request, and for the first request of a connection.', default: D.timeouts.head }),
  idle: positive.optional().meta({ description: 'For the next request of a connection.', default: D.timeouts.idle }),
  body: positive
    .optional()
    .meta({ description: 'Without a byte of a request body, or with an answer that the user does not take.', default: D.timeouts.body }),
  answer: positive.optional().meta({
    description: 'How long an app may be silent: until its answer begins (504 beyond), and between two pieces of it.',
    default: D.timeouts.answer,
  }),
}).meta({ id: 'EdgeTimeouts', description: 'How long the edge waits.' });

/** What an environment says about its edge besides its kind, port and stickiness: the same words for every kind. */
export const edgeRuleSettings = {
  trustedProxies: addresses
    .optional()
    .describe(
      "Proxies of one's own in front of the edge (a load balancer, Cloudflare, nginx): what they say in `X-Forwarded-For`, `-Proto`, `-Host` and `Forwarded` is passed on. Left out: none; the edge takes away what a client says there.",
    ),
  pinFrom: addresses
    .optional()
    .describe(
      'Addresses of users who may reach a version by the header `Sluice-Version`; others are answered 403. Left out: this machine (`127.0.0.0/8`, `::1`).',
    ),
  limits: limits.optional().describe('How much the edge takes of a request.'),
  timeouts: timeouts.optional().describe('How long the edge waits.'),
};

export interface EdgeRuleConfig {
  readonly trustedProxies?: readonly string[] | undefined;
  readonly pinFrom?: readonly string[] | undefined;
  readonly limits?: z.infer<typeof limits> | undefined;
  readonly timeouts?: z.infer<typeof timeouts> | undefined;
}

/** Every rule of an environment's edge, decided. */
export function edgeRulesOf(config: EdgeRuleConfig = {}): EdgeRules {
  const { head, body, connections, connectionsPerAddress, bodyRate } = config.limits ?? {};
  const bytes = (value: string | number | undefined): number | null => (value === undefined ? null : parseSize(value));
  const time = (name: keyof typeof D.timeouts): number => ms(config.timeouts?.[name] ?? D.timeouts[name]);
  return {
    trustedProxies: config.trustedProxies ?? D.trustedProxies,
    pinFrom: config.pinFrom ?? D.pinFrom,
    limits: {
      headBytes: bytes(head ?? D.limits.head) ?? DEFAULT_RULES.limits.headBytes,
      bodyBytes: bytes(body),
      connections: connections ?? null,
      connectionsPerAddress: connectionsPerAddress ?? D.limits.connectionsPerAddress,
      bodyRate: bytes(bodyRate ?? D.limits.bodyRate) ?? DEFAULT_RULES.limits.bodyRate,
    },
    timeouts: { headMs: time('head'), idleMs: time('idle'), bodyMs: time('body'), answerMs: time('answer') },
  };
}
