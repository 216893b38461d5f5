import { z } from 'zod';
import { UserError } from '../../../core/errors.ts';
import type { EdgeIntent } from '../../../ports/edge.ts';

const endpoint = z.object({ host: z.string().min(1), port: z.int().min(1).max(65_535) });

const sticky = z.union([z.object({ by: z.literal('cookie') }), z.object({ by: z.literal('header'), header: z.string().min(1) }), z.object({ by: z.literal('none') })]);

export const intentSchema = z.object({
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
 * @throws UserError EDGE_BAD_INTENT, with all that is wrong.
 */
export function parseIntent(raw: unknown): EdgeIntent {
  const parsed = intentSchema.safeParse(raw);
  const faults = parsed.success ? faultsOf(parsed.data) : parsed.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`);
  if (!parsed.success || faults.length > 0) {
    throw new UserError('EDGE_BAD_INTENT', `the edge cannot do what it was asked: ${faults.join('; ')}`, 'Correct the routes, versions or stickiness of the app and deploy again.');
  }
  return parsed.data;
}

function faultsOf(intent: EdgeIntent): string[] {
  const faults: string[] = [];
  const { versions, routes } = intent;
  const sum = versions.reduce((total, { weight }) => total + weight, 0);
  if (Math.abs(sum - 100) > 1e-6) faults.push(`the weights sum to ${sum}, not 100`);
  if (new Set(versions.map(({ id }) => id)).size !== versions.length) faults.push('a version is named twice');
  for (const { id, weight, endpoints } of versions) {
    if (weight > 0 && endpoints.length === 0) faults.push(`version ${id} has weight ${weight} and no endpoint`);
    if (Math.abs(weight * 10 - Math.round(weight * 10)) > 1e-6) faults.push(`weight ${weight} has more than one decimal`);
  }
  if (versions.filter(({ weight }) => weight > 0).length > MAX_SPLIT) faults.push(`more than ${MAX_SPLIT} versions have weight`);
  for (const { host, pathPrefix } of routes) {
    // These characters would end a word or a command of HAProxy's runtime API; none is legal in a host or raw in a path, but `;`.
    const odd = /[^\x21-\x7e]|[;\\#"'<>]/.exec(`${host ?? ''}${pathPrefix}`);
    if (odd !== null) faults.push(`route ${host ?? '*'}${pathPrefix} contains ${JSON.stringify(odd[0])}, which HAProxy routes cannot`);
    if (host !== null && (host === '' || host.startsWith('*') || host.includes('/'))) faults.push(`route host ${JSON.stringify(host)} is not a host name`);
  }
  if (intent.sticky.by === 'header' && !/^[A-Za-z0-9_-]+$/.test(intent.sticky.header)) faults.push(`${JSON.stringify(intent.sticky.header)} is not the name of a header`);
  return faults;
}
