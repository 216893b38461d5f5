import { spawn } from 'node:child_process';
import { constants, tmpdir } from 'node:os';
import type { RunAs } from './identity.ts';

export interface Finished {
  readonly code: number;
  readonly output: string;
}

/** Run a program to its end as that user; its output is kept for messages. Never rejects on a bad exit code. */
export function run(
  program: string,
  args: readonly string[],
  runAs: RunAs,
  input?: string,
  env: Readonly<Record<string, string>> = {},
): Promise<Finished> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      cwd: tmpdir(),
      env: {
        PATH: process.env['PATH'],
        LC_ALL: 'C',
        TZ: 'UTC',
        ...(process.platform === 'win32' ? { SystemRoot: process.env['SystemRoot'] } : {}),
        ...env,
      },
      stdio: ['pipe', 'pipe', 'pipe'],
      windowsHide: true,
      ...(runAs === null ? {} : { uid: runAs.uid, gid: runAs.gid }),
    });
    let output = '';
    const keep = (chunk: Buffer) => {
      output = (output + chunk.toString('utf8')).slice(-8_000);
    };
    child.stdout.on('data', keep);
    child.stderr.on('data', keep);
    child.on('error', reject);
    // 'exit', not 'close': the server started by pg_ctl may keep the pipes open.
    child.on('exit', (code, signal) => {
      child.stdout.destroy();
      child.stderr.destroy();
      resolve({ code: code ?? 128 + (signal === null ? 0 : constants.signals[signal]), output: output.trim() });
    });
    child.stdin.on('error', () => {});
    child.stdin.end(input ?? '');
  });
}

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
