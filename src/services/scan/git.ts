import { spawn } from 'node:child_process';
import { UserError } from '../../core/errors.ts';

/**
 * Output of git in a folder. Variables like GIT_INDEX_FILE are handed on: a hook is told with them which index is being committed.
 * @throws UserError `SCAN_GIT_FAILED` | with `accept`, other exit codes are answers.
 */
export async function git(
  dir: string,
  args: readonly string[],
  options: { readonly input?: string; readonly accept?: readonly number[] } = {},
): Promise<Buffer> {
  const child = spawn('git', ['-c', 'core.quotePath=false', ...args], { cwd: dir, stdio: ['pipe', 'pipe', 'pipe'] });
  const [output, problems]: [Buffer[], Buffer[]] = [[], []];
  child.stdout.on('data', (chunk: Buffer) => output.push(chunk));
  child.stderr.on('data', (chunk: Buffer) => problems.push(chunk));
  child.stdin.on('error', () => {});
  child.stdin.end(options.input ?? '');
  const code = await new Promise<number | null>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', resolve);
  });
  if (code === 0 || (code !== null && options.accept?.includes(code) === true)) return Buffer.concat(output);
  const said = Buffer.concat(problems).toString('utf8').trim().split('\n')[0] ?? '';
  throw scanFailed(args[0] ?? '', said);
}

export function scanFailed(command: string, said: string): UserError {
  return new UserError(
    'SCAN_GIT_FAILED',
    `git ${command} failed: ${said}`,
    'Scan inside of a git repository, with commits that are there.',
  );
}

export function pathsOf(output: Buffer): string[] {
  return output
    .toString('utf8')
    .split('\0')
    .filter((path) => path !== '');
}
