import { spawn } from 'node:child_process';
import { PART_OF } from '../../../core/app/part-of.ts';
import { mkdir, open, readFile } from 'node:fs/promises';
import { Agent, request } from 'node:http';
import { extname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { FencedError, OutsideError, SluiceError, UserError } from '../../../core/errors.ts';
import { readJson } from '../../../lib/atomic-file.ts';
import type { EdgeRules } from '../../../core/app/traffic.ts';
import { descriptorLimit } from '../../../lib/descriptor-limit.ts';
import { isAlive, killGroup } from '../../../lib/process-identity.ts';
import { selfCommand } from '../../../lib/spawn-self.ts';
import { haproxyBinary } from './binary.ts';
import { PROTOCOL } from './protocol.ts';
import { healthSchema, type KeeperAddress, keeperSchema, masterSchema } from './schema.ts';

export interface KeeperProcessOptions {
  readonly dir: string;
  readonly host: string;
  readonly port: number;
  readonly slots: number;
  readonly rules: EdgeRules;
  readonly binary: string | undefined;
}

/** The keeper of a folder, seen from outside: found, started or replaced as needed. */
export interface KeeperProcess {
  /** Every call may be repeated, so one that meets a dying keeper is sent again to its successor. */
  call(path: string, body?: unknown): Promise<unknown>;
  /** Where users reach HAProxy; known after the first call. */
  readonly url: string;
  /** Have a keeper that goes by other rules from the next call on. */
  configure(rules: EdgeRules): void;
  stop(): Promise<void>;
  close(): void;
}

const START_MS = 30_000;
/** Until one that left because another keeps is started again. */
const LEFT_MS = 300;
const CALL_MS = 60_000;
const CALL_TRIES = 4;

export function keeperProcess(options: KeeperProcessOptions): KeeperProcess {
  const { dir, host, port, slots } = options;
  let { rules } = options;
  let own = ownOptions(rules);
  const agent = new Agent({ keepAlive: true });
  let known: KeeperAddress | null = null;
  let url = '';
  let finding: Promise<KeeperAddress> | null = null;

  function ownOptions(rules: EdgeRules): string {
    return JSON.stringify({ host, port, slots, rules });
  }

  async function announced(): Promise<KeeperAddress | null> {
    const parsed = keeperSchema.safeParse(await readJson(join(dir, 'keeper.json')));
    return parsed.success && (await isAlive(parsed.data.pid, parsed.data.startTime)) ? parsed.data : null;
  }

  function current(): Promise<KeeperAddress> {
    finding ??= find().finally(() => {
      finding = null;
    });
    return finding;
  }

  /** A keeper that speaks our language and was given our options. */
  async function find(): Promise<KeeperAddress> {
    const found = await announced();
    if (found === null) return start();
    if (found.token === known?.token) return found;
    const health = healthSchema.safeParse(await send(agent, found, '/health'));
    if (health.success && health.data.protocol === PROTOCOL && health.data.options === own) return remember(found, health.data);
    await send(agent, found, '/quit').catch(() => {});
    await gone(found);
    return start();
  }

  function remember(found: KeeperAddress, health: { readonly host: string; readonly port: number }): KeeperAddress {
    known = found;
    url = `http://${health.host.includes(':') ? `[${health.host}]` : health.host}:${health.port}`;
    return found;
  }

  async function start(): Promise<KeeperAddress> {
    const binary = await haproxyBinary(options.binary);
    const descriptors = String(descriptorLimit());
    const flags = { dir, host, port: String(port), binary, slots: String(slots), options: own, rules: JSON.stringify(rules), descriptors };
    let exitCode = await launch(dir, flags);
    for (const until = Date.now() + START_MS; Date.now() < until; await sleep(15)) {
      const found = await announced();
      if (found !== null) return remember(found, healthSchema.parse(await send(agent, found, '/health')));
      const code = exitCode();
      if (code === null) continue;
      if (code !== 0 && (await announced()) === null) break;
      // Of two that start at once one leaves in good order. The other may not have said yet where it is, or be the one that was told to go.
      await sleep(LEFT_MS);
      if ((await announced()) === null) exitCode = await launch(dir, flags);
    }
    const lines = (await readFile(join(dir, 'keeper.log'), 'utf8').catch(() => '')).trim().split('\n');
    const message = `the keeper of HAProxy did not start: ${lines.at(-1) ?? ''}`;
    throw new OutsideError('EDGE_NOT_STARTED', message, `See ${join(dir, 'keeper.log')}.`);
  }

  /** HAProxy runs although nobody keeps it. */
  async function isOrphaned(): Promise<boolean> {
    const master = masterSchema.safeParse(await readJson(join(dir, 'haproxy.json')));
    return master.success && isAlive(master.data.pid, master.data.startTime);
  }

  return {
    get url() {
      return url;
    },
    async call(path, body) {
      for (let tries = 1; ; tries += 1) {
        try {
          return await send(agent, await current(), path, body);
        } catch (error) {
          if (error instanceof SluiceError || !isConnectionError(error)) throw error;
          if (tries === CALL_TRIES) throw unreachable(dir, error);
          await sleep(50 * tries);
        }
      }
    },
    configure(wanted) {
      if (ownOptions(wanted) === own) return;
      rules = wanted;
      own = ownOptions(wanted);
      known = null;
    },
    async stop() {
      // A keeper is needed even when only HAProxy runs: it knows how to end it gently.
      const found = (await announced()) ?? ((await isOrphaned()) ? await start() : null);
      if (found !== null) {
        // One that never got HAProxy to run refuses, and leaves.
        await send(agent, found, '/stop').catch(() => {});
        await gone(found);
      }
      agent.destroy();
    },
    close: () => agent.destroy(),
  };
}

/** Stands for the code of one that a signal has ended, or that never began. */
const FAILED = -1;

/** Start a keeper apart from us. @returns with which code it has ended, whenever asked; null: it has not. */
async function launch(dir: string, flags: Readonly<Record<string, string>>): Promise<() => number | null> {
  await mkdir(dir, { recursive: true, mode: 0o700 });
  const log = await open(join(dir, 'keeper.log'), 'a', 0o600);
  const [program = process.execPath, ...args] = selfCommand(new URL(`keeper-main${extname(import.meta.url)}`, import.meta.url));
  args.push(...Object.entries(flags).flatMap(([name, value]) => [`--${name}`, value]));
  const child = spawn(program, args, {
    detached: true,
    stdio: ['ignore', log.fd, log.fd],
    cwd: dir,
    env: { ...ownEnvironment(), [PART_OF]: dir },
  });
  let exitCode: number | null = null;
  child.on('exit', (code) => (exitCode = code ?? FAILED));
  child.on('error', () => (exitCode = FAILED));
  child.unref();
  await log.close();
  return () => exitCode;
}

/** Neither the keeper nor HAProxy needs our environment, least of all the secrets in it. */
function ownEnvironment(): NodeJS.ProcessEnv {
  const names = ['PATH', 'HOME', 'TMPDIR', 'TZ', 'LANG'];
  return Object.fromEntries(names.flatMap((name) => (process.env[name] === undefined ? [] : [[name, process.env[name]]])));
}

async function gone(found: KeeperAddress): Promise<void> {
  for (const until = Date.now() + 15_000; Date.now() < until && (await isAlive(found.pid, found.startTime));) await sleep(20);
  await killGroup(found.pid, found.startTime, 'SIGKILL');
}

async function send(agent: Agent, to: KeeperAddress, path: string, body: unknown = null): Promise<unknown> {
  const answer = await new Promise<{ status: number; body: unknown }>((resolve, reject) => {
    const headers = { authorization: `Bearer ${to.token}`, 'content-type': 'application/json' };
    const where = { agent, host: '127.0.0.1', port: to.controlPort, method: 'POST', path, headers, timeout: CALL_MS };
    const call = request(where, (response) => {
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

interface Refusal {
  readonly blame?: string;
  readonly code?: string;
  readonly message?: string;
  readonly hint?: string | null;
}

function refused(body: unknown): Error {
  const { blame, code = 'EDGE_REFUSED', message = 'no reason given', hint = null } = (body ?? {}) as Refusal;
  if (blame === 'fenced') return new FencedError(message);
  if (blame === 'user') return new UserError(code, message, hint);
  if (blame === 'outside') return new OutsideError(code, message, hint);
  return new Error(`the keeper of HAProxy failed: ${message}`);
}

function isConnectionError(error: unknown): boolean {
  return error instanceof Error && 'code' in error && /^(ECONNREFUSED|ECONNRESET|EPIPE)$/.test(String(error.code));
}

function unreachable(dir: string, error: unknown): OutsideError {
  return new OutsideError(
    'EDGE_UNREACHABLE',
    `the keeper of HAProxy cannot be reached: ${String(error)}`,
    `See ${join(dir, 'keeper.log')}.`,
    error,
  );
}
