import { z } from 'zod';
import { problemOf } from '../../../core/edge/intent.ts';
import { UserError } from '../../../core/errors.ts';
import type { EdgeIntent } from '../../../core/app/traffic.ts';

const endpoint = z.object({ host: z.string().min(1), port: z.int().min(1).max(65_535) });

const sticky = z.union([
  z.object({ by: z.literal('cookie') }),
  z.object({ by: z.literal('header'), header: z.string().min(1) }),
  z.object({ by: z.literal('none') }),
]);

const intentSchema = z.object({
  app: z.string().min(1),
  fence: z.number(),
  routes: z.array(z.object({ host: z.string().nullable(), pathPrefix: z.string().startsWith('/') })),
  versions: z.array(z.object({ id: z.string().min(1), weight: z.number().min(0).max(100), endpoints: z.array(endpoint) })),
  sticky,
});

/** What the keeper was last told, and what it made of it. */
export const stateSchema = z.object({
  /** Port users reach; once chosen by the system it stays the same for good. 0: not chosen yet. */
  port: z.int(),
  /** Number of the newest token. Tokens are never given twice. */
  serial: z.int(),
  /** How many backends HAProxy is configured with. */
  slots: z.int(),
  apps: z.record(
    z.string(),
    z.object({
      /** Highest fence accepted; outlives the app, so that a late caller cannot bring it back. */
      fence: z.number(),
      intent: intentSchema.nullable(),
      /** Version id → token (`b<slot>.<serial>`), the version's name inside HAProxy. */
      tokens: z.record(z.string(), z.string()),
      /** Endpoint host → address it was resolved to. */
      addresses: z.record(z.string(), z.string()),
    }),
  ),
});
export interface KeeperState {
  readonly port: number;
  readonly serial: number;
  readonly slots: number;
  readonly apps: Readonly<Record<string, AppState>>;
}
export interface AppState {
  readonly fence: number;
  readonly intent: EdgeIntent | null;
  readonly tokens: Readonly<Record<string, string>>;
  readonly addresses: Readonly<Record<string, string>>;
}

/** Where to reach the keeper; the token is the only key, hence the file's mode 0600. */
export const keeperSchema = z.object({ pid: z.int(), startTime: z.string(), controlPort: z.int(), token: z.string() });
export type KeeperAddress = z.infer<typeof keeperSchema>;

/** The HAProxy that runs, and what its configuration can do without a reload. */
export const masterSchema = z.object({
  pid: z.int(),
  startTime: z.string(),
  shape: z.object({ template: z.string(), slots: z.int(), headers: z.array(z.string()) }),
});
export type MasterRecord = z.infer<typeof masterSchema>;

export const healthSchema = z.object({ pid: z.int(), protocol: z.int(), options: z.string(), host: z.string(), port: z.int() });

/** Weighted versions of one app that can be told apart in one request. */
export const MAX_SPLIT = 8;

/**
 * An intent that HAProxy can carry out.
 * @throws UserError EDGE_INTENT_INVALID
 */
export function parseIntent(raw: unknown): EdgeIntent {
  const parsed = intentSchema.safeParse(raw);
  if (!parsed.success) throw invalid(parsed.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`).join('; '));
  const problem = problemOf(parsed.data) ?? haproxyProblemOf(parsed.data);
  if (problem !== null) throw invalid(problem);
  return parsed.data;
}

function invalid(problem: string): UserError {
  return new UserError(
    'EDGE_INTENT_INVALID',
    `the edge cannot do what it was asked: ${problem}`,
    'Correct the routes, weights or stickiness of the app and deploy again.',
  );
}

/** What other edges could do and this one cannot. */
function haproxyProblemOf(intent: EdgeIntent): string | null {
  if (intent.versions.filter(({ weight }) => weight > 0).length > MAX_SPLIT) return `more than ${MAX_SPLIT} versions have weight`;
  for (const { host, pathPrefix } of intent.routes) {
    // These would end a word or a command of HAProxy's runtime API; but for `;`, no host has them, nor a path as it is sent.
    const odd = /[^\x21-\x7e]|[;\\#"'<>]/.exec(`${host ?? ''}${pathPrefix}`);
    if (odd !== null) return `the route ${host ?? '*'}${pathPrefix} contains ${JSON.stringify(odd[0])}`;
    if (host !== null && (host === '' || /[*/]/.test(host))) return `${JSON.stringify(host)} is not a host name`;
  }
  if (intent.sticky.by === 'header' && !/^[A-Za-z0-9_-]+$/.test(intent.sticky.header)) {
    return `${JSON.stringify(intent.sticky.header)} is not the name of a header`;
  }
  return null;
}
