#!/usr/bin/env node
// What is installed as `sluice`: `make build` makes CommonJS of it and of what it needs (scripts/bundle.ts), which Node starts
// 5 ms sooner than ES modules. That matters to the one command that is over before the program would be loaded.
const { argv } = process;

async function start(): Promise<void> {
  const quick = argv[2] === 'affected' ? await affected() : null;
  if (quick === null) await import('./main.ts');
  else process.stdout.write(`${quick.text}\n`, () => process.exit(0));
}

async function affected(): Promise<{ readonly text: string } | null> {
  const { quickAnswer } = await import('./quick-affected.ts');
  const answer = quickAnswer(argv.slice(3), process.cwd());
  // Touching process.stdout loads slowly, so do it while git runs. EPIPE means that the reader (for example `head`) closed the pipe: exit 0.
  setImmediate(() => process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1)));
  return answer;
}

void start();
