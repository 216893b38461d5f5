import { spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import type { Socket } from 'node:net';
import { startTimeOf } from '../lib/process-identity.ts';
import type { ProcessIdentity } from './records.ts';

export interface Launch {
  /** Absolute path of the program, then its arguments. */
  readonly command: readonly string[];
  readonly folder: string;
  readonly env: Readonly<Record<string, string>>;
  readonly log: string;
}

export interface Launched {
  readonly process: ProcessIdentity;
  /** Let the program begin. Until then only the gate runs, and it ends by itself when we die. */
  go(): void;
  /** End the gate; the program never begins. */
  cancel(): void;
  /** How the run ended, in words. */
  readonly ended: Promise<string>;
}

/**
 * Waits at descriptor 3 for the word, then becomes the program (same pid, same start time). So a process can be
 * recorded before it does anything: a process that dies in between leaves either nothing or a recorded process. The
 * arguments are handed over as they are; the shell does not read them.
 */
const GATE = 'read -r word <&3 && [ "$word" = go ] && exec 3<&- && exec "$@"';

/** @throws Error when the machine cannot start a process, or the folder is gone. */
export async function launch({ command, folder, env, log }: Launch): Promise<Launched> {
  // Appending by the kernel (O_APPEND), straight into the file: the app can write whether or not we live.
  const output = openSync(log, 'a', 0o600);
  try {
    const child = spawn('/bin/sh', ['-c', GATE, 'sh', ...command], {
      cwd: folder,
      env,
      detached: true,
      stdio: ['ignore', output, output, 'pipe'],
    });
    const ended = new Promise<string>((resolve) => {
      child.once('error', (error) => resolve(`could not start: ${error.message}`));
      child.once('exit', (code, signal) => resolve(signal === null ? `exit code ${code}` : `signal ${signal}`));
    });
    const startTime = child.pid === undefined ? null : await startTimeOf(child.pid);
    if (child.pid === undefined || startTime === null) throw new Error(await ended);
    const gate = child.stdio[3] as Socket;
    gate.on('error', () => {});
    return {
      process: { pid: child.pid, startTime },
      go: () => gate.end('go\n'),
      cancel: () => gate.destroy(),
      ended,
    };
  } finally {
    closeSync(output);
  }
}
