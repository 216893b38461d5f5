#!/usr/bin/env node
import { openSession } from './session/open.ts';
import { createProgram } from './program.ts';
import { processTerminal } from './session/terminal.ts';
import { ownVersion } from './version.ts';

// The program. Every command but `sluice server` is a client of the API; that one loads ../compose/control-plane.ts, and only when it runs.
const { stdin, stdout, stderr, env, argv, execArgv, execPath } = process;

// EPIPE means that the reader (for example `head` in `sluice history | head`) closed the pipe: exit 0.
stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0);
  throw error;
});
stderr.on('error', () => {});

// A function, because scripts/bundle.ts makes CommonJS of it, which has no await outside of one.
async function start(): Promise<void> {
  const version = ownVersion();
  const terminal = processTerminal({ stdin, stdout, stderr, env });
  const surroundings = {
    terminal,
    env,
    cwd: process.cwd(),
    version,
    self: [execPath, ...execArgv, argv[1] ?? ''],
  };
  const program = createProgram(version, terminal, (options) => openSession(surroundings, options));
  const code = await program.run(argv.slice(2));
  // What has been written gets out before the end, also through a slow pipe.
  await Promise.all([stdout, stderr].map((stream) => new Promise<void>((resolve) => void stream.write('', () => resolve()))));
  process.exit(code);
}

void start();
