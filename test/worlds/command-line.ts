import { spawn } from 'node:child_process';
import { rmSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { openSession } from '../../src/cli/session/open.ts';
import { createProgram } from '../../src/cli/program.ts';
import { processTerminal, type Terminal } from '../../src/cli/session/terminal.ts';
import { createServer, type ServerOptions } from '../../src/server/http/create.ts';
import { listen } from '../../src/server/http/listen.ts';
import { built } from './built.ts';
import { type MemoryEngine, memoryEngine } from './memory-engine.ts';
import { type MemoryPlanner, memoryPlanner } from './memory-planner.ts';

const TOKEN = 'sluice_command-line-test';
const VERSION = '0.1.0';

export interface Ran {
  readonly exit: number;
  readonly out: string;
  readonly err: string;
}

export interface CommandLineWorld {
  readonly engine: MemoryEngine;
  readonly planner: MemoryPlanner;
  readonly url: string;
  readonly env: NodeJS.ProcessEnv;
  /** Run the program in this process, with nobody there to ask unless there are answers. */
  run(argv: readonly string[], options?: RunOptions): Promise<Ran>;
  /** Run it as users do: as a process of its own. Its input stays open and empty. */
  spawn(argv: readonly string[], options?: SpawnOptions): Promise<Ran>;
  close(): Promise<void>;
}

export interface RunOptions {
  readonly env?: NodeJS.ProcessEnv;
  /** Somebody is there and types these, one after another. */
  readonly answers?: readonly string[];
  /** Called with the function that presses Ctrl-C. */
  readonly onReady?: (interrupt: () => void) => void;
}

export interface SpawnOptions {
  readonly env?: NodeJS.ProcessEnv;
  readonly onStderr?: (text: string, kill: (signal: NodeJS.Signals) => void) => void;
}

/** A real API in front of an engine in memory, and the program that talks to it. */
export async function commandLineWorld(
  options: { readonly apps?: Parameters<typeof memoryPlanner>[0]; readonly server?: Partial<ServerOptions> } = {},
): Promise<CommandLineWorld> {
  const engine = memoryEngine();
  const planner = memoryPlanner(options.apps ?? { api: {}, web: { dependsOn: ['api'] } });
  const server = createServer({
    engine,
    planner,
    workspace: '/shop',
    version: VERSION,
    token: TOKEN,
    checkAnswers: true,
    ...options.server,
  });
  const url = await listen(server, {});
  const env = { PATH: process.env['PATH'], HOME: process.env['HOME'], SLUICE_URL: url, SLUICE_TOKEN: TOKEN, SLUICE_BY: 'ada', TZ: 'UTC' };
  return {
    engine,
    planner,
    url,
    env,
    run: (argv, { env: more = {}, ...rest } = {}) => runHere(argv, { env: { ...env, ...more }, ...rest }),
    spawn: (argv, { env: more = {}, ...rest } = {}) => runApart(argv, { env: { ...env, ...more }, ...rest }),
    async close() {
      await server.close();
      await engine.close();
    },
  };
}

let program: Promise<string> | null = null;

/** The program as it is shipped, in JavaScript: it starts several times faster than through tsx. */
async function buildProgram(): Promise<string> {
  const { folder, url } = await built(['src/cli/main.ts']);
  await writeFile(join(folder, 'package.json'), JSON.stringify({ type: 'module', version: VERSION }));
  process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
  return fileURLToPath(url('src/cli/main.ts'));
}

async function runHere(argv: readonly string[], { env = {}, answers, onReady }: RunOptions): Promise<Ran> {
  let out = '';
  let err = '';
  const left = [...(answers ?? [])];
  const streams = { stdin: new PassThrough(), stdout: new PassThrough(), stderr: new PassThrough() };
  streams.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
  streams.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()));
  const plain = processTerminal({ ...streams, env });
  const terminal: Terminal = {
    ...plain,
    out: (text) => (out += text),
    err: (text) => (err += text),
    canAsk: answers !== undefined,
    async ask(question) {
      err += `${question}\n`;
      return left.shift() ?? null;
    },
    onInterrupt(listener) {
      onReady?.(listener);
      return () => {};
    },
  };
  const surroundings = { terminal, env, cwd: '/', version: VERSION, self: [] };
  const exit = await createProgram(VERSION, terminal, (options) => openSession(surroundings, options)).run(argv);
  return { exit, out, err };
}

export async function runApart(
  argv: readonly string[],
  { env = {}, onStderr, cwd = tmpdir() }: SpawnOptions & { readonly cwd?: string },
): Promise<Ran> {
  program ??= buildProgram();
  const child = spawn(process.execPath, [await program, ...argv], { cwd, env, stdio: ['pipe', 'pipe', 'pipe'] });
  let out = '';
  let err = '';
  child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => {
    err += chunk.toString();
    onStderr?.(err, (signal) => child.kill(signal));
  });
  const timer = setTimeout(() => child.kill('SIGKILL'), 50_000);
  const [code, signal] = await new Promise<[number | null, NodeJS.Signals | null]>((resolve) =>
    child.on('close', (...end) => resolve(end)),
  );
  clearTimeout(timer);
  if (code === null) throw new Error(`sluice ${argv.join(' ')} was ended by ${signal}\n${out}\n${err}`);
  return { exit: code, out, err };
}
