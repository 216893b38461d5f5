import { spawn } from 'node:child_process';
import { mkdir, open, readFile } from 'node:fs/promises';
import { Agent, request } from 'node:http';
import { extname, join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import { z } from 'zod';
import { DEFAULT_RULES } from '../../core/edge/rules.ts';
import { FencedError, OutsideError, SluiceError, UserError } from '../../core/errors.ts';
import type { Edge } from '../../ports/edge.ts';
import type { EdgeObservation, EdgeRules, EdgeStats } from '../../core/app/traffic.ts';
import { PART_OF } from '../../core/app/part-of.ts';
import { readJson } from '../../lib/atomic-file.ts';
import { isAlive, killGroup } from '../../lib/process-identity.ts';
import { holderAt } from '../../lib/sockets.ts';
import { selfCommand } from '../../lib/spawn-self.ts';

export interface EmbeddedEdgeOptions {
  /** Folder of this edge's state, log and address. */
  readonly dir: string;
  readonly port: number;
  readonly host?: string;
  readonly rules?: EdgeRules;
}

export interface ManagedEdge extends Edge {
  /** Start the data path, or adopt it if it runs. Returns its base URL. Repeatable. */
  ensure(): Promise<string>;
  /** Go by other rules from now on. Repeatable; nothing under way is cut. */
  configure(rules: EdgeRules): Promise<void>;
  /** Stop the data path; requests under way may finish. */
  stop(): Promise<void>;
}

export interface EmbeddedEdge extends ManagedEdge {
  /** What is wrong although it serves (its stored state was damaged, for example), for people; null when nothing is. */
  problem(): Promise<string | null>;
}

const recordSchema = z.object({
  protocol: z.int().default(0),
  pid: z.int(),
  startTime: z.string(),
  host: z.string(),
  port: z.int(),
  controlPort: z.int(),
  token: z.string(),
  rules: z.unknown(),
});
const refusal = z.object({
  blame: z.string().optional(),
  code: z.string().optional(),
  message: z.string().optional(),
  hint: z.string().nullable().optional(),
});
const health = z.object({ problem: z.string().nullable() });
type EdgeAddress = z.infer<typeof recordSchema>;

/** As in `edge/control.ts`. An edge of another release of Sluice is exchanged for ours. */
export const PROTOCOL = 2;
/** As in `edge/main.ts`: exit code when the data port is taken. */
const PORT_TAKEN = 98;
const RIVAL_MS = 2_000;
const START_MS = 15_000;
/** A little longer than the edge gives requests under way to finish. */
const STOP_MS = 12_000;
const CALL_MS = 5_000;
const CALL_TRIES = 3;

/** The edge that comes with Sluice: its own Node process, which outlives the process that started it. */
export function embeddedEdge(options: EmbeddedEdgeOptions): EmbeddedEdge {
  const dir = resolve(options.dir);
  const host = options.host ?? '127.0.0.1';
  const agent = new Agent({ keepAlive: true });
  let rules = options.rules ?? DEFAULT_RULES;
  let starting: Promise<EdgeAddress> | null = null;

  async function running(): Promise<EdgeAddress | null> {
    const parsed = recordSchema.safeParse(await readJson(join(dir, 'edge.json')));
    return parsed.success && (await isAlive(parsed.data.pid, parsed.data.startTime)) ? parsed.data : null;
  }

  function record(): Promise<EdgeAddress> {
    starting ??= adopt().finally(() => {
      starting = null;
    });
    return starting;
  }

  async function adopt(): Promise<EdgeAddress> {
    const found = await running();
    if (found?.protocol === PROTOCOL) return ruled(found);
    if (found !== null) await end(found);
    return start();
  }

  /** A running edge goes by our rules. */
  async function ruled(found: EdgeAddress): Promise<EdgeAddress> {
    if (isDeepStrictEqual(found.rules, rules)) return found;
    const { status, body } = await send(found, 'PUT', '/rules', rules);
    if (status !== 200) throw refused(status, body);
    return { ...found, rules };
  }

  /** Requests under way may finish, then it goes. */
  async function end(found: EdgeAddress): Promise<void> {
    await killGroup(found.pid, found.startTime, 'SIGTERM');
    const until = Date.now() + STOP_MS;
    while (Date.now() < until && (await isAlive(found.pid, found.startTime))) await sleep(20);
    await killGroup(found.pid, found.startTime, 'SIGKILL');
  }

  async function start(): Promise<EdgeAddress> {
    await mkdir(dir, { recursive: true, mode: 0o700 });
    const log = await open(join(dir, 'edge.log'), 'a', 0o600);
    const entry = new URL(`../../edge/main${extname(import.meta.url)}`, import.meta.url);
    const [program = process.execPath, ...args] = selfCommand(entry);
    // A port chosen by the system stays the same for good: users know it.
    const known = recordSchema.safeParse(await readJson(join(dir, 'edge.json')));
    const port = options.port === 0 && known.success ? known.data.port : options.port;
    const own = ['--dir', dir, '--host', host, '--port', String(port), '--rules', JSON.stringify(rules)];
    const child = spawn(program, [...args, ...own], {
      detached: true,
      stdio: ['ignore', log.fd, log.fd],
      cwd: dir,
      env: { ...ownEnvironment(), [PART_OF]: dir },
    });
    let exit: number | null = null;
    child.on('exit', (code) => (exit = code ?? 1));
    child.on('error', () => (exit = 1));
    child.unref();
    await log.close();
    const found = await settled(() => exit);
    // Ours, if another was first: it must not come up later, when that one has been stopped.
    if (exit === null && found?.pid !== child.pid) child.kill('SIGKILL');
    if (found === null) throw await startError(exit);
    return found;
  }

  /** The edge that serves once the start is over, started by any process; null when none does. */
  async function settled(exit: () => number | null): Promise<EdgeAddress | null> {
    let until = Date.now() + START_MS;
    while (Date.now() < until) {
      const found = await running();
      if (found !== null && (await answers(found))) return found;
      // Two that start at once: one gets the port, the other finds it taken, and both use the first, which may not
      // have said yet where it is.
      if (exit() === PORT_TAKEN) until = Math.min(until, Date.now() + RIVAL_MS);
      else if (exit() !== null) break;
      await sleep(20);
    }
    return null;
  }

  async function startError(exit: number | null): Promise<Error> {
    const lines = (await readFile(join(dir, 'edge.log'), 'utf8').catch(() => '')).trim().split('\n');
    if (exit === PORT_TAKEN) {
      return new UserError(
        'EDGE_PORT_TAKEN',
        `the edge cannot listen on ${host}:${options.port}: ${holderAt(options.port) ?? 'another program'} has the port`,
        'Stop that program, or set another `edge.port` for the environment.',
      );
    }
    return new OutsideError('EDGE_NOT_STARTED', `the edge did not start: ${lines.at(-1) ?? ''}`, `See ${join(dir, 'edge.log')}.`);
  }

  async function answers(found: EdgeAddress): Promise<boolean> {
    try {
      return (await send(found, 'GET', '/health')).status === 200;
    } catch {
      return false;
    }
  }

  function send(to: EdgeAddress, method: string, path: string, body?: unknown): Promise<{ status: number; body: unknown }> {
    return new Promise((settle, reject) => {
      const headers = { authorization: `Bearer ${to.token}`, 'content-type': 'application/json' };
      const call = request({ agent, host: '127.0.0.1', port: to.controlPort, method, path, headers, timeout: CALL_MS }, (answer) => {
        const chunks: Buffer[] = [];
        answer.on('data', (chunk: Buffer) => chunks.push(chunk));
        answer.on('error', reject);
        answer.on('end', () => settle({ status: answer.statusCode ?? 0, body: parsed(Buffer.concat(chunks).toString()) }));
      });
      call.on('timeout', () => call.destroy(new Error('the edge does not answer')));
      call.on('error', reject);
      call.end(body === undefined ? undefined : JSON.stringify(body));
    });
  }

  /** Every call may be repeated, so one that meets a dying edge is sent again to its successor. */
  async function call(method: string, path: string, body?: unknown): Promise<unknown> {
    const answer = await persist(async () => send(await record(), method, path, body));
    if (answer.status === 200) return answer.body;
    throw refused(answer.status, answer.body);
  }

  async function persist<T>(work: () => Promise<T>): Promise<T> {
    for (let tries = 1; ; tries += 1) {
      try {
        return await work();
      } catch (error) {
        if (error instanceof SluiceError) throw error;
        if (tries === CALL_TRIES) throw unreachable(error);
        await sleep(50);
      }
    }
  }

  function refused(status: number, body: unknown): Error {
    const { blame, code, message = `status ${status}`, hint = null } = refusal.parse(body ?? {});
    if (blame === 'fenced') return new FencedError(message);
    if (blame === 'user' && code !== undefined) return new UserError(code, message, hint);
    if (blame === 'outside' && code !== undefined) return new OutsideError(code, message, hint);
    return new OutsideError('EDGE_REFUSED', `the edge refused the command: ${message}`, `See ${join(dir, 'edge.log')}.`);
  }

  function unreachable(error: unknown): OutsideError {
    return new OutsideError(
      'EDGE_UNREACHABLE',
      `the edge cannot be reached: ${error instanceof Error ? error.message : String(error)}`,
      `See ${join(dir, 'edge.log')}.`,
      error,
    );
  }

  const path = (app: string) => `/apps/${encodeURIComponent(app)}`;

  return {
    name: 'embedded',
    async apply(intent) {
      return (await call('PUT', path(intent.app), intent)) as EdgeObservation;
    },
    async observe(app) {
      return (await call('GET', path(app))) as EdgeObservation | null;
    },
    async stats(app) {
      return (await call('GET', `${path(app)}/stats`)) as EdgeStats;
    },
    async remove(app, fence) {
      await call('DELETE', `${path(app)}?fence=${fence}`);
    },
    async ensure() {
      const { host: at, port } = await record();
      return `http://${at}:${port}`;
    },
    async configure(wanted) {
      rules = wanted;
      await persist(record);
    },
    async problem() {
      return health.parse(await call('GET', '/health')).problem;
    },
    async stop() {
      const found = await running();
      if (found === null) return;
      await end(found);
      agent.destroy();
    },
  };
}

/** The data path needs nothing of our environment, least of all the secrets in it. */
function ownEnvironment(): NodeJS.ProcessEnv {
  const names = ['PATH', 'HOME', 'TMPDIR', 'TZ', 'LANG', 'SystemRoot'];
  return Object.fromEntries(names.flatMap((name) => (process.env[name] === undefined ? [] : [[name, process.env[name]]])));
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
