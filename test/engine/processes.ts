import { spawn, type ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { until } from './world.ts';

export interface ControlPlane {
  readonly pid: number;
  readonly child: ChildProcess;
  /** The releases it requested. */
  readonly releases: readonly string[];
  /** What it complained of. */
  log(): string;
  /** Ends it with that signal and waits for its end. */
  end(signal: NodeJS.Signals): Promise<void>;
}

/** Start a control plane and wait until it works. */
export async function startControlPlane(settings: {
  readonly databaseUrl: string;
  readonly journal: string;
  readonly takesMs?: number;
  readonly apps?: readonly string[];
}): Promise<ControlPlane> {
  const script = fileURLToPath(new URL('control-plane.ts', import.meta.url));
  const child = spawn(process.execPath, ['--import', 'tsx', script, JSON.stringify({ takesMs: 20, apps: [], ...settings })], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  let errors = '';
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (errors += chunk.toString()));
  const isOver = () => child.exitCode !== null || child.signalCode !== null;
  await until(
    'a control plane',
    () => {
      if (isOver()) throw new Error(`the control plane ended at once: ${errors}`);
      return output.includes('\n');
    },
    30_000,
  );
  return {
    pid: child.pid ?? 0,
    child,
    releases: output.trim().split(' ').slice(1),
    log: () => errors,
    async end(signal) {
      if (!isOver()) child.kill(signal);
      await until('the end of a control plane', isOver);
    },
  };
}
