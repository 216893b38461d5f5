import { spawn } from 'node:child_process';
import { OutsideError, UserError } from '../../core/errors.ts';

/** How git is run, beyond its arguments. */
export interface RunExtra {
  readonly env?: Readonly<Record<string, string>>;
  readonly input?: string;
  /** Exit codes besides 0 that are answers, not failures. */
  readonly accept?: readonly number[];
  readonly signal?: AbortSignal;
}

export interface Ran {
  readonly code: number;
  readonly output: string;
}

export type Run = (args: readonly string[], extra?: RunExtra) => Promise<Ran>;

/** Run git in a folder. @throws UserError, OutsideError as its exit code and messages say. */
export async function git(dir: string, args: readonly string[], extra: RunExtra): Promise<Ran> {
  const gitDir =
    extra.env?.['GIT_WORK_TREE'] === undefined ? {} : { GIT_DIR: (await git(dir, ['rev-parse', '--absolute-git-dir'], {})).output.trim() };
  const env = environmentOfGit({ ...gitDir, ...extra.env });
  const cwd = extra.env?.['GIT_WORK_TREE'] ?? dir;
  const ended = await run('git', args, { cwd, env, input: extra.input ?? '', signal: extra.signal ?? null });
  if (ended.code === 0 || extra.accept?.includes(ended.code) === true) return ended;
  throw explained(dir, args, ended);
}

/** Inherited GIT_* (as inside a hook) would point at some other repository or index. */
export function environmentOfGit(extra: Readonly<Record<string, string>>): NodeJS.ProcessEnv {
  const inherited = Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !name.startsWith('GIT_') || name.startsWith('GIT_CONFIG_')),
  );
  return { ...inherited, LC_ALL: 'C', GIT_TERMINAL_PROMPT: '0', GIT_LITERAL_PATHSPECS: '0', ...extra };
}

interface Ended extends Ran {
  readonly errors: string;
}

function run(
  file: string,
  args: readonly string[],
  options: { cwd: string; env: NodeJS.ProcessEnv; input: string; signal: AbortSignal | null },
): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const child = spawn(file, [...args], {
      cwd: options.cwd,
      env: options.env,
      stdio: ['pipe', 'pipe', 'pipe'],
      ...(options.signal === null ? {} : { signal: options.signal }),
    });
    const output: Buffer[] = [];
    const errors: Buffer[] = [];
    child.stdout.on('data', (chunk: Buffer) => output.push(chunk));
    child.stderr.on('data', (chunk: Buffer) => errors.push(chunk));
    child.stdin.on('error', () => undefined); // it ended before it read everything; its exit code says why
    child.stdin.end(options.input);
    child.on('error', (error: NodeJS.ErrnoException) => {
      reject(error.code === 'ENOENT' ? notStarted(options.cwd, error) : error);
    });
    child.on('close', (code) => {
      const text = (chunks: readonly Buffer[]): string => Buffer.concat(chunks).toString('utf8');
      resolve({ code: code ?? 255, output: text(output), errors: text(errors).trim() });
    });
  });
}

export function notStarted(dir: string, error: Error): UserError {
  return new UserError(
    'GIT_NOT_FOUND',
    `git could not be started in ${dir}.`,
    'Install git 2.31 or newer, and see that the folder exists.',
    error,
  );
}

/** What git's exit code and messages mean. */
export function explained(dir: string, args: readonly string[], ended: { readonly code: number; readonly errors: string }): Error {
  const { errors } = ended;
  if (/not a git repository/i.test(errors)) {
    return new UserError(
      'NOT_A_REPOSITORY',
      `${dir} is not in a git repository.`,
      'Sluice deploys commits: git init && git add . && git commit -m "First commit"',
    );
  }
  if (/dubious ownership/i.test(errors)) {
    return new UserError(
      'REPOSITORY_NOT_TRUSTED',
      `git does not trust ${dir}: it belongs to another user.`,
      `If you trust it: git config --global --add safe.directory ${dir}`,
    );
  }
  if (/No space left on device|Disk quota exceeded/i.test(errors)) {
    return new OutsideError(
      'DISK_FULL',
      `The disk is full (git ${verb(args)} in ${dir}).`,
      'Free some space; the release goes on by itself.',
    );
  }
  return new OutsideError(
    'SOURCE_FAILED',
    `git ${verb(args)} failed with exit code ${ended.code}: ${errors.split('\n').slice(-3).join(' ')}`,
    `Run git status in ${dir}.`,
  );
}

function verb(args: readonly string[]): string {
  return args.find((arg, i) => !arg.startsWith('-') && args[i - 1] !== '-c') ?? '';
}
