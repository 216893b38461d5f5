import { execFile, spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import type { Manifest, Recorded } from '../../src/engine/face.ts';
import type { Shift } from './chart.ts';
import { paint } from './telling.ts';
import { CLI, type Workspace } from './workspace.ts';

const execute = promisify(execFile);

/** A release that the CLI was asked for. */
export interface Release {
  readonly id: string;
  readonly name: string;
  readonly exit: number;
  /** From the command's start to its end. */
  readonly ms: number;
}

export interface Sluice {
  /** Run a command as a person would, its output shown; answers the exit code. */
  run(args: readonly string[], onLine?: (line: string) => void): Promise<number>;
  /** The same for a command that makes a release and follows it. */
  release(name: string, args: readonly string[], interruption?: { readonly after: RegExp; act(): Promise<void> }): Promise<Release>;
  manifest(environment: string): Promise<Manifest>;
  /** What a command says with --json. */
  ask<T>(args: readonly string[]): Promise<T>;
  /** Every change of weights of a release that is over. */
  shifts(release: Release): Promise<readonly Shift[]>;
  controlPlane(): Promise<{ readonly pid: number }>;
  /** End what runs now, and let nothing but `down` begin. */
  interrupt(): void;
  down(): Promise<number>;
}

export function sluiceIn({ dir, env }: Workspace): Sluice {
  const ending = new AbortController();

  async function json(args: readonly string[]): Promise<string> {
    ending.signal.throwIfAborted();
    const { stdout } = await execute(process.execPath, [CLI, ...args, '--json', '-C', dir], { env, maxBuffer: 64 * 1024 * 1024 });
    return stdout;
  }

  function start(args: readonly string[], onLine: (line: string) => void = () => {}): Promise<number> {
    console.log(`$ sluice ${args.join(' ')}`);
    return new Promise((resolve, reject) => {
      const child = spawn(process.execPath, [CLI, ...args, '-C', dir], { env, stdio: ['ignore', 'pipe', 'pipe'] });
      for (const stream of [child.stdout, child.stderr]) {
        createInterface({ input: stream }).on('line', (line) => {
          console.log(paint('dim', `  │ ${line}`));
          onLine(line);
        });
      }
      const end = (): void => void child.kill('SIGINT');
      if (args[0] !== 'down') ending.signal.addEventListener('abort', end);
      child.on('error', reject);
      child.on('close', (code) => {
        ending.signal.removeEventListener('abort', end);
        resolve(code ?? 1);
      });
    });
  }

  async function run(args: readonly string[], onLine?: (line: string) => void): Promise<number> {
    ending.signal.throwIfAborted();
    return start(args, onLine);
  }

  return {
    run,
    interrupt: () => ending.abort(new Error('interrupted')),
    down: () => start(['down', '--all', '--yes']),
    async release(name, args, interruption) {
      let id = '';
      const interruptions: Promise<void>[] = [];
      const since = Date.now();
      const exit = await run([...args, '--timeout', '90s'], (line) => {
        id = /\brelease (\w+), [\d.]+ (?:ms|s|min)/i.exec(line)?.[1] ?? id;
        if (interruption?.after.test(line) === true && interruptions.length === 0) interruptions.push(interruption.act());
      });
      await Promise.all(interruptions);
      ending.signal.throwIfAborted();
      if (id === '') throw new Error(`\`sluice ${args.join(' ')}\` named no release`);
      return { id, name, exit, ms: Date.now() - since };
    },
    ask: async <T>(args: readonly string[]) => JSON.parse(await json(args)) as T,
    manifest: async (environment) => JSON.parse(await json(['manifest', '-e', environment])) as Manifest,
    async shifts({ id, name }) {
      const lines = (await json(['status', '-w', id, '--events']).catch((error: { stdout?: string }) => error.stdout ?? ''))
        .trim()
        .split('\n');
      const events = lines.slice(0, -1).map((line) => JSON.parse(line) as Recorded);
      const requested = events.map(({ data }) => data).find((data) => data.type === 'ReleaseRequested');
      return events.flatMap(({ at, data }) =>
        data.type === 'WeightsShifted'
          ? [{ at, app: data.app, environment: requested?.plan.environment ?? '', weights: data.weights, release: name }]
          : [],
      );
    },
    async controlPlane() {
      return JSON.parse(await readFile(join(dir, '.sluice/control-plane.json'), 'utf8')) as { pid: number };
    },
  };
}
