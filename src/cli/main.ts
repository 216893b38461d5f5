#!/usr/bin/env node
// The program. Everything but `sluice server` is a client of the API; that one command loads ../app.ts, and only when it runs.
const { stdin, stdout, stderr, env, argv, execArgv, execPath } = process;

// `sluice history | head`: whoever reads has read enough.
stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0);
  throw error;
});
stderr.on('error', () => {});

// The whole program takes a while to load: only what is needed is, and only now.
const [{ openSession, ownVersion }, { createProgram }, { processTerminal }] = await Promise.all([
  import('./_open.ts'),
  import('./_program.ts'),
  import('./_terminal.ts'),
]);
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
