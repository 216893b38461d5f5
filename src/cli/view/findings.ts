import { execFile } from 'node:child_process';
import { statfs } from 'node:fs/promises';

/** One thing looked at, how it is, and what to do about it. */
export interface Finding {
  readonly name: string;
  readonly status: 'ok' | 'warn' | 'fail';
  readonly message: string;
  readonly hint: string | null;
}

const GIGABYTE = 1_000_000_000;

/** What this machine has of what Sluice uses. */
export async function machineChecks(env: NodeJS.ProcessEnv, dir: string): Promise<Finding[]> {
  const found = await Promise.all([
    tool(env, 'git', ['--version'], 'fail', 'Sluice builds what is committed', 'Install git.'),
    tool(env, 'python3', ['--version'], 'warn', 'only needed for Python apps', 'Install python3 if an app needs it.'),
    tool(
      env,
      'haproxy',
      ['-v'],
      'warn',
      'only needed where an environment has edge.kind haproxy',
      'Install haproxy, or keep the embedded edge.',
    ),
    tool(
      env,
      'docker',
      ['version', '--format', '{{.Server.Version}}'],
      'warn',
      'only needed for containers',
      'Install and start docker if an app needs it.',
    ),
    disk(dir),
  ]);
  return [node(process.versions.node), ...found];
}

function node(version: string): Finding {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  const isNew = major > 20 || (major === 20 && minor >= 19);
  return { name: 'node', status: isNew ? 'ok' : 'fail', message: version, hint: isNew ? null : 'Sluice needs Node 20.19 or newer.' };
}

async function tool(
  env: NodeJS.ProcessEnv,
  name: string,
  args: readonly string[],
  missing: 'warn' | 'fail',
  why: string,
  hint: string,
): Promise<Finding> {
  const answer = await new Promise<{ found: boolean; text: string }>((resolve) => {
    execFile(name, [...args], { env, timeout: 10_000 }, (error, stdout, stderr) => {
      const first = (stdout.trim() || stderr.trim()).split('\n')[0] ?? '';
      const isMissing = error !== null && 'code' in error && error.code === 'ENOENT';
      resolve({ found: error === null, text: isMissing ? 'not installed' : first || (error?.message.split('\n')[0] ?? '') });
    });
  });
  if (answer.found) return { name, status: 'ok', message: answer.text, hint: null };
  return { name, status: missing, message: `${answer.text} (${why})`, hint };
}

async function disk(dir: string): Promise<Finding> {
  try {
    const { bavail, bsize } = await statfs(dir);
    const free = bavail * bsize;
    const message = `${(free / GIGABYTE).toFixed(1)} GB free`;
    if (free < GIGABYTE / 5) return { name: 'disk', status: 'fail', message, hint: 'Builds and the database will fail soon: make room.' };
    return free < 2 * GIGABYTE
      ? { name: 'disk', status: 'warn', message, hint: 'Make room: builds and old artifacts need some.' }
      : { name: 'disk', status: 'ok', message, hint: null };
  } catch (error) {
    return { name: 'disk', status: 'warn', message: `could not be looked at: ${(error as Error).message}`, hint: null };
  }
}

/** How far the control plane's clock is from ours, its answer having taken `tookMs`. */
export function clockCheck(ours: number, theirs: number, tookMs: number): Finding {
  const off = Math.max(0, Math.abs(theirs - (ours - tookMs / 2)) - tookMs / 2);
  if (off < 2000) return { name: 'clock', status: 'ok', message: 'agrees with the control plane', hint: null };
  return {
    name: 'clock',
    status: off < 30_000 ? 'warn' : 'fail',
    message: `${Math.round(off / 1000)} s apart from the control plane`,
    hint: 'Synchronise both clocks (NTP): deadlines and the order of samples rest on them.',
  };
}
