import { spawn } from 'node:child_process';
import { z } from 'zod';
import type { MetricSource } from '../../ports/metric-source.ts';
import { unreadable } from './counters.ts';
import { jsonSettings, readingFrom } from './json-counters.ts';
import { duration, settingsOf } from './settings.ts';

export interface JobSourceOptions {
  /** Folder the command runs in: the workspace. */
  readonly dir: string;
  /** What commands inherit. */
  readonly env: NodeJS.ProcessEnv;
  readonly now: () => number;
}

const schema = z.strictObject({
  kind: z.literal('job'),
  command: z.array(z.string()).min(1),
  timeout: duration.default(8000),
  ...jsonSettings,
});
const OUTPUT_MAX = 1024 * 1024;

/** A command that exits with 0 and prints JSON. What it looks at is told in `SLUICE_*` variables, times in ms. */
export function jobSource({ dir, env, now }: JobSourceOptions): MetricSource {
  return {
    kind: 'job',
    check: (settings) => void settingsOf('job', schema, settings),
    async start() {},
    collect(query, previous, signal) {
      const settings = settingsOf('job', schema, query.settings);
      return readingFrom(query, settings, previous, now(), async (version, { from, to }) => {
        const told = {
          SLUICE_APP: query.app,
          SLUICE_ENVIRONMENT: query.environment,
          SLUICE_VERSION: version,
          SLUICE_FROM: String(from),
          SLUICE_TO: String(to),
        };
        const output = await run(settings.command, { cwd: dir, env: { ...env, ...told } }, settings.timeout, signal);
        try {
          return JSON.parse(output) as unknown;
        } catch (error) {
          throw unreadable(`${settings.command[0]} printed no JSON: ${output.slice(0, 200)}`, error);
        }
      });
    },
    async stop() {},
  };
}

function run(
  [command = '', ...args]: readonly string[],
  options: { readonly cwd: string; readonly env: NodeJS.ProcessEnv },
  timeoutMs: number,
  signal: AbortSignal,
): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { ...options, detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
    let [output, errors, why] = ['', '', ''];
    const end = (reason: string) => {
      why = reason;
      // The whole group: what the command has started must not outlive it.
      if (child.pid !== undefined)
        try {
          process.kill(-child.pid, 'SIGKILL');
        } catch {
          child.kill('SIGKILL');
        }
    };
    const stop = () => end('interrupted');
    const timer = setTimeout(() => end(`was not done within ${timeoutMs} ms`), timeoutMs);
    if (signal.aborted) stop();
    signal.addEventListener('abort', stop, { once: true });
    child.stdout.on('data', (chunk: Buffer) => {
      output += chunk.toString();
      if (output.length > OUTPUT_MAX) end(`printed more than ${OUTPUT_MAX} bytes`);
    });
    child.stderr.on('data', (chunk: Buffer) => (errors = (errors + chunk.toString()).slice(-500)));
    const settle = (failure: string | null) => {
      clearTimeout(timer);
      signal.removeEventListener('abort', stop);
      if (signal.aborted) reject(signal.reason as Error);
      else if (failure === null) resolve(output);
      else reject(unreadable(`${command} ${failure}${errors.trim() === '' ? '' : `: ${errors.trim()}`}`));
    };
    child.once('error', (error) => settle(`cannot be started: ${error.message}`));
    child.once('close', (code) => settle(why !== '' ? why : code === 0 ? null : `ended with exit code ${code}`));
  });
}
