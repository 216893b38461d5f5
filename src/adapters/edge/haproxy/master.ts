import { execFile, spawn } from 'node:child_process';
import { open, readFile, rm } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { OutsideError, UserError } from '../../../core/errors.ts';
import { readJson, writeAtomic } from '../../../lib/atomic-file.ts';
import { holderAt } from '../../../lib/sockets.ts';
import { isAlive, killGroup, startTimeOf } from '../../../lib/process-identity.ts';
import { type MasterRecord, masterSchema } from './schema.ts';
import { parseBackends, say } from './runtime.ts';

const run = promisify(execFile);
const READY_MS = 15_000;
const DRAIN_MS = 10_000;
const MASTER_SOCKET = 'master.sock';
const RUNTIME_SOCKET = 'runtime.sock';

export type Shape = MasterRecord['shape'];

/** The process that serves users now, and those that a reload has replaced and that still have something to finish. */
export interface Workers {
  readonly current: number;
  readonly old: readonly number[];
}

/**
 * HAProxy itself, as master and worker, apart from us: it outlives this process. All paths are relative to the
 * edge's folder, in which this process must be.
 */
export interface Master {
  readonly record: MasterRecord | null;
  /** Take over one that runs. */
  adopt(): Promise<boolean>;
  /** Start one. Files must be in place. @throws UserError EDGE_PORT_TAKEN, OutsideError HAPROXY_NOT_STARTED */
  start(shape: Shape): Promise<void>;
  /** Have it read its files again, losing nothing. @throws OutsideError HAPROXY_RELOAD_FAILED with nothing changed. */
  reload(shape: Shape): Promise<Workers>;
  isAlive(): Promise<boolean>;
  workers(): Promise<Workers | null>;
  /** Say something to one worker, old ones too. @returns all that it says to these commands, one after another. */
  tell(worker: number, ...commands: readonly string[]): Promise<string>;
  /** Let requests under way finish for a while, then end it. */
  stop(): Promise<void>;
}

export function createMaster(options: { readonly binary: string; readonly onExit: () => void }): Master {
  let record: MasterRecord | null = null;

  const alive = async (): Promise<boolean> => record !== null && isAlive(record.pid, record.startTime);
  const tell = (worker: number, ...commands: readonly string[]): Promise<string> =>
    say(MASTER_SOCKET, commands.map((command) => `@!${worker} ${command}`).join('; '));

  async function remember(pid: number, shape: Shape): Promise<void> {
    record = { pid, startTime: (await startTimeOf(pid)) ?? '', shape };
    await writeAtomic('haproxy.json', JSON.stringify(record), { mode: 0o600 });
  }

  async function workers(): Promise<Workers | null> {
    const text = await say(MASTER_SOCKET, 'show proc').catch(() => '');
    const rows = parseProcesses(text);
    if (rows.master !== record?.pid || rows.current === null) return null;
    const info = await say(RUNTIME_SOCKET, 'show info').catch(() => '');
    return /^Pid: (\d+)$/m.exec(info)?.[1] === String(rows.current) ? { current: rows.current, old: rows.old } : null;
  }

  /** Ready: the worker that the master names answers on the runtime socket, and it is not `but`. */
  async function ready(but: number | null, hasFailed: () => Promise<boolean>): Promise<Workers | null> {
    for (const until = Date.now() + READY_MS; Date.now() < until; await sleep(10)) {
      const found = await workers();
      if (found !== null && found.current !== but) return found;
      if (await hasFailed()) return null;
    }
    return null;
  }

  async function start(shape: Shape): Promise<void> {
    for (const socket of [MASTER_SOCKET, RUNTIME_SOCKET, 'relay.sock']) await rm(socket, { force: true });
    const log = await open('haproxy.log', 'w', 0o600);
    const child = spawn(options.binary, ['-W', '-S', `unix@${MASTER_SOCKET},mode,600`, '-f', 'haproxy.cfg'], {
      detached: true,
      stdio: ['ignore', log.fd, log.fd],
    });
    let hasExited = false;
    const exited = (): void => {
      hasExited = true;
      options.onExit();
    };
    child.on('exit', exited);
    child.on('error', exited);
    child.unref();
    await log.close();
    if (child.pid !== undefined) await remember(child.pid, shape);
    if ((await ready(null, async () => hasExited)) === null) throw await startError(child.pid);
  }

  async function startError(pid: number | undefined): Promise<Error> {
    if (pid !== undefined && record !== null) await killGroup(pid, record.startTime, 'SIGKILL');
    const log = await readFile('haproxy.log', 'utf8').catch(() => '');
    if (/cannot bind socket \((Address already in use|Permission denied)/i.test(log)) {
      const port = /:(\d+)\]/.exec(lastAlert(log))?.[1];
      const holder = port === undefined ? null : holderAt(Number(port));
      return new UserError(
        'EDGE_PORT_TAKEN',
        `HAProxy cannot listen on its port: ${lastAlert(log)}${holder === null ? '' : `; ${holder} has it`}`,
        'Stop the program that has the port, or set another `edge.port` for the environment.',
      );
    }
    return new OutsideError('HAPROXY_NOT_STARTED', `HAProxy did not start: ${lastAlert(log)}`, `See ${process.cwd()}/haproxy.log.`);
  }

  async function reload(shape: Shape): Promise<Workers> {
    const before = await workers();
    await run(options.binary, ['-c', '-f', 'haproxy.cfg']).catch((error: unknown) => {
      throw new OutsideError(
        'HAPROXY_RELOAD_FAILED',
        `HAProxy refuses its new configuration: ${String(error)}`,
        'What it did before it still does. Please report this as a bug.',
        error,
      );
    });
    if (record === null || !(await alive()))
      throw new OutsideError('HAPROXY_RELOAD_FAILED', 'HAProxy ended while it was to reload', 'Run the command again.');
    process.kill(record.pid, 'SIGUSR2');
    const after = await ready(before?.current ?? null, async () => !(await alive()));
    if (after === null)
      throw new OutsideError(
        'HAPROXY_RELOAD_FAILED',
        'HAProxy did not bring up a new worker',
        `What it did before it still does. See ${process.cwd()}/haproxy.log.`,
      );
    await remember(record.pid, shape);
    return after;
  }

  async function stop(): Promise<void> {
    if (record === null || !(await alive())) return;
    await say(RUNTIME_SOCKET, 'shutdown frontend edge').catch(() => '');
    for (const until = Date.now() + DRAIN_MS; Date.now() < until && (await busy());) await sleep(50);
    await killGroup(record.pid, record.startTime, 'SIGTERM');
    for (const until = Date.now() + 2_000; Date.now() < until && (await alive());) await sleep(20);
    await killGroup(record.pid, record.startTime, 'SIGKILL');
    await rm('haproxy.json', { force: true });
  }

  async function busy(): Promise<boolean> {
    const now = await workers();
    if (now === null) return false;
    for (const worker of [now.current, ...now.old]) {
      const counts = parseBackends(await tell(worker, 'show stat -1 2 -1').catch(() => ''));
      if ([...counts.values()].some(({ inFlight }) => inFlight > 0)) return true;
    }
    return false;
  }

  return {
    get record() {
      return record;
    },
    async adopt() {
      const known = masterSchema.safeParse(await readJson('haproxy.json'));
      if (!known.success || !(await isAlive(known.data.pid, known.data.startTime))) return false;
      record = known.data;
      // One that was just told to reload, or is starting, needs a moment.
      if ((await ready(null, async () => !(await alive()))) !== null) return true;
      await killGroup(record.pid, record.startTime, 'SIGKILL');
      return false;
    },
    start,
    reload,
    isAlive: alive,
    workers,
    tell,
    stop,
  };
}

/** Answer of the master's `show proc`: one row a process, old workers under their own heading. */
export function parseProcesses(text: string): { master: number | null; current: number | null; old: number[] } {
  const found: { master: number | null; current: number | null; old: number[] } = { master: null, current: null, old: [] };
  let isOld = false;
  for (const line of text.split('\n')) {
    if (line.startsWith('#')) isOld = line.startsWith('# old');
    const [pid = '', type = ''] = line.trim().split(/\s+/);
    if (type === 'master') found.master = Number(pid);
    else if (type === 'worker' && isOld) found.old.push(Number(pid));
    else if (type === 'worker') found.current = Number(pid);
  }
  return found;
}

function lastAlert(log: string): string {
  const alerts = log.split('\n').filter((line) => line.startsWith('[ALERT]'));
  return (alerts[0] ?? log.trim().split('\n').at(-1) ?? '').replace(/^\[ALERT\]\s*\(\d+\)\s*:\s*/, '');
}
