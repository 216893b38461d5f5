import { spawn } from 'node:child_process';
import { mkdir, open, readFile } from 'node:fs/promises';
import { Agent, request } from 'node:http';
import { extname, join, resolve as resolvePath } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { FencedError, OutsideError, SluiceError, UserError } from '../../../core/errors.ts';
import type { Edge, EdgeObservation, EdgeStats } from '../../../ports/edge.ts';
import { readJson } from '../../_shared/atomic-file.ts';
import { isAlive, killGroup } from '../../_shared/process-identity.ts';
import { selfCommand } from '../../_shared/spawn-self.ts';
import { haproxyBinary } from './binary.ts';
import { PROTOCOL } from './protocol.ts';
import { healthSchema, type KeeperAddress, keeperSchema, masterSchema } from './schema.ts';

export interface HaproxyEdgeOptions {
  /** Folder of this edge's configuration, state, sockets and logs; nobody else may use it. */
  readonly dir: string;
  /** Port users reach. 0: a free one, chosen once and kept. */
  readonly port: number;
  readonly host?: string;
  /** Name or path of the program. */
  readonly binary?: string;
  /** Versions for which there is room at first; more need one reload. */
  readonly slots?: number;
}

export interface HaproxyEdge extends Edge {
  /** Start HAProxy, or adopt it if it runs. Returns its base URL. Repeatable. @throws UserError HAPROXY_MISSING, HAPROXY_TOO_OLD, EDGE_PORT_TAKEN */
  ensure(): Promise<string>;
  /** End HAProxy and its keeper; requests under way may finish. */
  stop(): Promise<void>;
  /** Let go of it; it runs on. */
  close(): Promise<void>;
}

const START_MS = 30_000;
const CALL_MS = 60_000;
const CALL_TRIES = 4;
const SLOTS = 64;

/**
 * HAProxy as the edge: it and a small keeper process outlive whoever started them. Weights, versions and routes
 * change in the running HAProxy; only a new sticky header or running out of slots takes a (lossless) reload.
 */
export function haproxyEdge(options: HaproxyEdgeOptions): HaproxyEdge {
  const dir = resolvePath(options.dir);
  const host = options.host ?? '127.0.0.1';
  const own = JSON.stringify({ host, port: options.port, slots: options.slots ?? SLOTS });
  const agent = new Agent({ keepAlive: true });
  let checked: KeeperAddress | null = null;
  let url = '';
  let starting: Promise<KeeperAddress> | null = null;

  async function announced(): Promise<KeeperAddress | null> {
    const parsed = keeperSchema.safeParse(await readJson(join(dir, 'keeper.json')));
    return parsed.success && (await isAlive(parsed.data.pid, parsed.data.startTime)) ? parsed.data : null;
  }

  /** A keeper that speaks our language and was given our options. */
  function keeper(): Promise<KeeperAddress> {
    starting ??= find().finally(() => {
      starting = null;
    });
    return starting;
  }

  async function find(): Promise<KeeperAddress> {
    const found = await announced();
    if (found !== null && found.token === checked?.token) return found;
    if (found !== null) {
      const health = healthSchema.safeParse(await send(found, '/health'));
      if (health.success && health.data.protocol === PROTOCOL && health.data.options === own) return remember(found, health.data);
      await quit(found);
    }
    return start();
  }

  function remember(found: KeeperAddress, health: { readonly host: string; readonly port: number }): KeeperAddress {
    checked = found;
    url = `http://${health.host.includes(':') ? `[${health.host}]` : health.host}:${health.port}`;
    return found;
  }

  async function quit(found: KeeperAddress): Promise<void> {
    await send(found, '/quit').catch(() => {});
    await gone(found, 5_000);
    await killGroup(found.pid, found.startTime, 'SIGKILL');
  }

  async function gone(found: KeeperAddress, withinMs: number): Promise<void> {
    for (const until = Date.now() + withinMs; Date.now() < until && (await isAlive(found.pid, found.startTime)); ) await sleep(20);
  }

  async function start(): Promise<KeeperAddress> {
    const binary = await haproxyBinary(options.binary);
    await mkdir(dir, { recursive: true, mode: 0o700 });
    const log = await open(join(dir, 'keeper.log'), 'a', 0o600);
    const [program = process.execPath, ...args] = selfCommand(new URL(`keeper-main${extname(import.meta.url)}`, import.meta.url));
    const flags = { dir, host, port: String(options.port), binary, slots: String(options.slots ?? SLOTS), options: own };
    const child = spawn(program, [...args, ...Object.entries(flags).flatMap(([name, value]) => [`--${name}`, value])], { detached: true, stdio: ['ignore', log.fd, log.fd], cwd: dir });
    let hasExited = false;
    child.on('exit', () => (hasExited = true));
    child.on('error', () => (hasExited = true));
    child.unref();
    await log.close();
    for (const until = Date.now() + START_MS; Date.now() < until; await sleep(15)) {
      const found = await announced();
      // Two that start at once: one keeps, the other leaves, and both use the first.
      if (found !== null) return remember(found, healthSchema.parse(await send(found, '/health')));
      if (hasExited && (await announced()) === null) break;
    }
    const lines = (await readFile(join(dir, 'keeper.log'), 'utf8').catch(() => '')).trim().split('\n');
    throw new OutsideError('EDGE_NOT_STARTED', `the keeper of HAProxy did not start: ${lines.at(-1) ?? ''}`, `See ${join(dir, 'keeper.log')}.`);
  }

  async function send(to: KeeperAddress, path: string, body: unknown = null): Promise<unknown> {
    const answer = await new Promise<{ status: number; body: unknown }>((resolve, reject) => {
      const headers = { authorization: `Bearer ${to.token}`, 'content-type': 'application/json' };
      const call = request({ agent, host: '127.0.0.1', port: to.controlPort, method: 'POST', path, headers, timeout: CALL_MS }, (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('error', reject);
        response.on('end', () => resolve({ status: response.statusCode ?? 0, body: JSON.parse(Buffer.concat(chunks).toString() || 'null') }));
      });
      call.on('timeout', () => call.destroy(new Error('the keeper does not answer')));
      call.on('error', reject);
      call.end(JSON.stringify(body));
    });
    if (answer.status === 200) return answer.body;
    throw refused(answer.body);
  }

  function refused(body: unknown): Error {
    const { blame, code = 'EDGE_REFUSED', message = 'no reason given', hint = null } = (body ?? {}) as { blame?: string; code?: string; message?: string; hint?: string | null };
    if (blame === 'fenced') return new FencedError(message);
    if (blame === 'user') return new UserError(code, message, hint);
    if (blame === 'outside') return new OutsideError(code, message, hint);
    return new Error(`the keeper of HAProxy failed: ${message}`);
  }

  /** Every call may be repeated, so one that meets a dying keeper is sent again to its successor. */
  async function call(path: string, body?: unknown): Promise<unknown> {
    for (let tries = 1; ; tries += 1) {
      try {
        return await send(await keeper(), path, body);
      } catch (error) {
        if (error instanceof SluiceError || !isConnectionError(error)) throw error;
        if (tries === CALL_TRIES) throw new OutsideError('EDGE_UNREACHABLE', `the keeper of HAProxy cannot be reached: ${String(error)}`, `See ${join(dir, 'keeper.log')}.`, error);
        await sleep(50 * tries);
      }
    }
  }

  return {
    name: 'haproxy',
    async apply(intent) {
      return (await call('/apply', intent)) as EdgeObservation;
    },
    async observe(app) {
      return (await call('/observe', { app })) as EdgeObservation | null;
    },
    async stats(app) {
      return (await call('/stats', { app })) as EdgeStats;
    },
    async remove(app, fence) {
      await call('/remove', { app, fence });
    },
    async ensure() {
      await call('/ensure');
      return url;
    },
    async stop() {
      // A keeper is needed even when only HAProxy runs: it knows how to end it gently.
      const master = masterSchema.safeParse(await readJson(join(dir, 'haproxy.json')));
      const found = (await announced()) ?? (master.success && (await isAlive(master.data.pid, master.data.startTime)) ? await start() : null);
      if (found !== null) {
        // One that never got HAProxy to run refuses, and leaves.
        await send(found, '/stop').catch(() => {});
        await gone(found, 5_000);
        await killGroup(found.pid, found.startTime, 'SIGKILL');
      }
      agent.destroy();
    },
    async close() {
      agent.destroy();
    },
  };
}

function isConnectionError(error: unknown): boolean {
  return error instanceof Error && 'code' in error && /^(ECONNREFUSED|ECONNRESET|EPIPE)$/.test(String(error.code));
}
