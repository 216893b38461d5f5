import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { OutsideError } from '../../core/errors.ts';
import type { Notifier } from '../../ports/notifier.ts';
import type { Occasion } from '../../core/access/notice.ts';
import { within } from '../../lib/within.ts';

export interface CommandNotifierOptions {
  readonly on: readonly Occasion[] | null;
  /** Run as it is, without a shell. */
  readonly argv: readonly string[];
  readonly cwd: string;
  readonly env: NodeJS.ProcessEnv;
  readonly timeoutMs?: number;
}

const TIMEOUT_MS = 30_000;

/** A program that gets the notice as JSON on its standard input and ends with 0. */
export function commandNotifier({ on, argv, cwd, env, timeoutMs = TIMEOUT_MS }: CommandNotifierOptions): Notifier {
  const name = `command ${createHash('sha256').update(JSON.stringify(argv)).digest('hex').slice(0, 12)}`;
  return {
    name,
    on,
    async tell(notice, signal) {
      const [program = '', ...args] = argv;
      const bounded = within(signal, timeoutMs);
      const why = await new Promise<string | null>((resolve) => {
        const child = spawn(program, args, { cwd, env, stdio: ['pipe', 'ignore', 'ignore'], signal: bounded, killSignal: 'SIGKILL' });
        child.on('error', (error) => resolve(bounded.aborted ? 'took too long' : error.message));
        child.on('close', (code, killedBy) => resolve(code === 0 ? null : `ended with ${killedBy ?? `exit code ${code}`}`));
        // A program that does not read what it gets may end well all the same.
        child.stdin.on('error', () => {});
        child.stdin.end(`${JSON.stringify(notice)}\n`);
      });
      if (why !== null) throw new OutsideError('NOTIFY_FAILED', `${name} (${program}): ${why}`);
    },
  };
}
