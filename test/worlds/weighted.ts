import { setTimeout as sleep } from 'node:timers/promises';
import { FencedError, OutsideError, UserError } from '../../src/core/errors.ts';
import { requireFit } from '../../src/ports/platform-fit.ts';
import type { DeployTarget, LogLine, LogOptions, ObservedVersion, Platform, SettingMistake } from '../../src/ports/platform.ts';
import type { Weights } from '../../src/core/app/traffic.ts';
import type { AppRef, Health, RunSettings } from '../../src/core/app/run.ts';
import { VERSIONS_MAX, type WeightedCloud } from './weighted/cloud.ts';

export { type Behaviour, weightedCloud, type WeightedCloud } from './weighted/cloud.ts';

export interface WeightedOptions {
  /** The control plane's environment, for `{ fromEnv }`. */
  readonly env?: NodeJS.ProcessEnv;
  /** Called after each write to the cloud; what it throws cuts the call off there. */
  readonly onWrite?: () => void;
}

interface Seen {
  readonly versions: readonly { readonly id: string; readonly artifact: string; readonly port: number }[];
  readonly weights: Weights;
}

const FOLLOW_MS = 25;

/** A platform that splits traffic itself, as a client of `weightedCloud`: it keeps nothing in memory. */
export function weightedPlatform(
  cloud: Pick<WeightedCloud, 'api'>,
  { env = process.env, onWrite = () => {} }: WeightedOptions = {},
): Platform {
  const at = (ref: AppRef, rest = ''): string =>
    `${cloud.api}/apps/${encodeURIComponent(ref.environment)}/${encodeURIComponent(ref.app)}${rest}`;
  const look = async (ref: AppRef): Promise<Seen> => (await call(at(ref))) as Seen;
  const write = async (method: string, url: string, body: unknown): Promise<Seen> => {
    const seen = await call(url, { method, body: JSON.stringify(body) });
    onWrite();
    return seen as Seen;
  };
  return {
    ...WEIGHTED,
    async access(signal) {
      const answer = await fetch(`${cloud.api}/apps`, { signal }).catch(() => null);
      return answer?.ok === true
        ? { status: 'ok', message: `${cloud.api} answers`, hint: null }
        : { status: 'fail', message: `${cloud.api} does not answer`, hint: 'Start the cloud.' };
    },
    async ensure(target, signal) {
      signal.throwIfAborted();
      requireFit(WEIGHTED, target);
      requireEnv(target, env);
      await write('PUT', `${cloud.api}/uploads/${encodeURIComponent(target.artifact.digest)}`, {});
      signal.throwIfAborted();
      const body = { artifact: target.artifact.digest, behaviour: target.settings['behaviour'], fence: target.fence };
      const seen = await write('PUT', at(target, `/versions/${encodeURIComponent(target.version)}`), body);
      const version = seen.versions.find(({ id }) => id === target.version);
      if (version === undefined)
        throw new OutsideError('CLOUD_FAILED', `the cloud does not show version ${target.version} it was just given`);
      return observed(version);
    },
    observe: async (ref) => (await look(ref)).versions.map(observed),
    health: (target, signal) => healthOf(look, target, signal),
    async retire(ref, version, _drainMs, fence) {
      await write('DELETE', at(ref, `/versions/${encodeURIComponent(version)}`), { fence });
    },
    async removeAll({ environment, app }, _drainMs, fence) {
      const refs = ((await call(`${cloud.api}/apps`)) as { apps: AppRef[] }).apps;
      for (const ref of refs.filter((one) => (environment ?? one.environment) === one.environment && (app ?? one.app) === one.app))
        for (const { id } of (await look(ref)).versions) await write('DELETE', at(ref, `/versions/${encodeURIComponent(id)}`), { fence });
    },
    logs: (ref, options) => logsOf(async () => (await call(at(ref, '/log'))) as { version: string; line: string }[], options),
    traffic: {
      shift: async (ref, weights, fence) => (await write('PUT', at(ref, '/weights'), { weights, fence })).weights,
      read: async (ref) => (await look(ref)).weights,
    },
  };
}

function observed({ id, artifact, port }: Seen['versions'][number]): ObservedVersion {
  return {
    version: id,
    artifact: { kind: 'bundle', digest: artifact },
    instances: [{ id: '0', state: 'running', detail: null }],
    endpoints: [{ host: '127.0.0.1', port }],
  };
}

const WEIGHTED = {
  name: 'weighted',
  capabilities: {
    traffic: 'weighted',
    routingReadable: true,
    metricsPerVersion: false,
    preview: true,
    maxVersions: VERSIONS_MAX,
    artifacts: ['bundle'],
    isLocal: false,
  },
  check: mistakesIn,
} as const satisfies Pick<Platform, 'name' | 'capabilities' | 'check'>;

function mistakesIn({ behaviour }: RunSettings): SettingMistake[] {
  return typeof behaviour === 'string' ? [] : [{ path: ['behaviour'], message: 'text is needed' }];
}

function requireEnv(target: DeployTarget, env: NodeJS.ProcessEnv): void {
  const missing = Object.values(target.env).flatMap((value) =>
    typeof value !== 'string' && env[value.fromEnv] === undefined ? [value.fromEnv] : [],
  );
  if (missing.length > 0)
    throw new UserError('ENV_MISSING', `${target.app} needs ${missing.join(', ')}`, 'Set it where the control plane is started.');
}

async function healthOf(look: (ref: AppRef) => Promise<Seen>, target: DeployTarget, signal: AbortSignal): Promise<Health> {
  signal.throwIfAborted();
  const version = (await look(target)).versions.find(({ id }) => id === target.version);
  if (version === undefined) return { state: 'failed', reason: `version ${target.version} does not exist` };
  const { status } = await fetch(`http://127.0.0.1:${version.port}${target.health?.path ?? '/'}`, { redirect: 'manual', signal });
  return status < 300
    ? { state: 'healthy', evidence: { asked: 'GET /', instances: 1, restarts: 0 } }
    : { state: 'waiting', reason: `version ${target.version} answers with status ${status}` };
}

async function* logsOf(
  read: () => Promise<{ version: string; line: string }[]>,
  { lines, follow, version: only, signal }: LogOptions,
): AsyncGenerator<LogLine> {
  let from: number | null = null;
  for (;;) {
    const entries = await read();
    const fresh = entries.slice(from ?? 0).filter(({ version }) => only === undefined || version === only);
    const wanted = from === null ? (lines === 0 ? [] : fresh.slice(-lines)) : fresh;
    from = entries.length;
    for (const { version, line } of wanted) yield { version, instance: '0', line };
    if (!follow || signal?.aborted === true) return;
    await sleep(FOLLOW_MS);
  }
}

async function call(url: string, init: RequestInit = {}): Promise<unknown> {
  const answer = await fetch(url, init);
  const body: unknown = await answer.json();
  if (answer.ok) return body;
  const { error } = body as { error: string };
  if (answer.status === 412) throw new FencedError(error);
  if (answer.status === 422) throw new UserError('CLOUD_REFUSED', error, 'Correct the settings of the app.');
  throw new OutsideError(answer.status === 409 ? 'VERSION_LIMIT' : 'CLOUD_FAILED', error, 'Retire a version first.');
}
