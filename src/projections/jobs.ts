import { type ChildProcess, spawn } from 'node:child_process';
import { FencedError, OutsideError, SluiceError, UserError } from '../core/errors.ts';
import { selfCommand } from '../lib/spawn-self.ts';
import type { Job, JobAnswer, WorkerOrder } from './worker-main.ts';

/*
 * Code of the workspace runs in processes of their own: it may be busy for long, and none of it may reach what the
 * control plane holds. They get nothing of our environment but what finds programs.
 */

const ENTRY = new URL(`./worker-main${import.meta.url.endsWith('.ts') ? '.ts' : '.js'}`, import.meta.url);

function start(order: WorkerOrder, warn: (message: string) => void): ChildProcess {
  const [command = '', ...args] = selfCommand(ENTRY);
  const env = Object.fromEntries(
    ['PATH', 'HOME', 'TZ', 'LANG', 'PGSSLMODE', 'NODE_EXTRA_CA_CERTS'].flatMap((name) =>
      process.env[name] === undefined ? [] : [[name, process.env[name]]],
    ),
  );
  const child = spawn(command, args, { stdio: ['pipe', 'ignore', 'pipe', 'ipc'], env });
  child.stdin?.on('error', () => {});
  child.stdin?.end(JSON.stringify(order));
  child.stderr?.on('data', (text: Buffer) => {
    for (const line of text.toString('utf8').split('\n')) if (line !== '') warn(line);
  });
  return child;
}

/** One piece of work, and what came of it. Errors keep their class and code. */
export function runJob<T>(order: Omit<WorkerOrder, 'job'>, job: Job, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const said: string[] = [];
    const child = start({ ...order, job }, (line) => said.push(line));
    const abort = (): void => void child.kill('SIGKILL');
    signal.addEventListener('abort', abort, { once: true });
    let answer: JobAnswer | null = null;
    child.on('message', (message) => (answer = message as JobAnswer));
    child.on('error', (error) =>
      reject(
        new OutsideError(
          'PROJECTION_PROCESS',
          `no process could be started: ${error.message}`,
          'See whether memory or processes have run out.',
          error,
        ),
      ),
    );
    child.on('close', () => {
      signal.removeEventListener('abort', abort);
      if (answer === null)
        reject(
          signal.aborted
            ? (signal.reason as Error)
            : new OutsideError('PROJECTION_PROCESS', `the process ended without an answer: ${said.slice(-3).join(' ')}`, 'Try again.'),
        );
      else if ('value' in answer) resolve(answer.value as T);
      else reject(errorOf(answer.error));
    });
  });
}

function errorOf({ blame, code, message, hint }: Extract<JobAnswer, { error: unknown }>['error']): SluiceError {
  if (blame === 'fenced') return new FencedError(message);
  return blame === 'user' ? new UserError(code, message, hint) : new OutsideError(code, message, hint);
}

export interface Keeper {
  stop(): Promise<void>;
}

const AGAIN_MS = 1_000;
const STOP_MS = 5_000;

/** Keep a worker at work for as long as we live. */
export function keepWorker(order: WorkerOrder, warn: (message: string) => void): Keeper {
  let child: ChildProcess | null = null;
  let isStopping = false;
  let timer: NodeJS.Timeout | undefined;
  const run = (): void => {
    child = start(order, warn);
    child.on('error', () => {});
    child.on('exit', () => {
      child = null;
      if (!isStopping) timer = setTimeout(run, AGAIN_MS);
    });
  };
  run();
  return {
    stop() {
      isStopping = true;
      clearTimeout(timer);
      const running = child;
      if (running === null) return Promise.resolve();
      return new Promise((resolve) => {
        const late = setTimeout(() => running.kill('SIGKILL'), STOP_MS);
        running.once('exit', () => {
          clearTimeout(late);
          resolve();
        });
        running.kill('SIGTERM');
      });
    },
  };
}
