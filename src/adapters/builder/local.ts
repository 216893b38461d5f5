import { mkdir, readdir, realpath, rm, stat, statfs, writeFile } from 'node:fs/promises';
import { join, sep } from 'node:path';
import { OutsideError, SluiceError, UserError } from '../../core/errors.ts';
import type { BuildSpec } from '../../core/release/plan/plan.ts';
import type { ArtifactStore } from '../../ports/artifacts.ts';
import type { Builder, BuildRequest } from '../../ports/builder.ts';
import type { SourceControl } from '../../ports/source.ts';
import { cleanEnvironment } from '../../lib/clean-environment.ts';
import { readJson, writeAtomic } from '../../lib/atomic-file.ts';
import { isDiskFull, removeAbandoned, removeTree, unfinishedName } from '../../lib/unfinished.ts';
import type { GuardedEnd } from './guarded.ts';
import { runGuarded } from './guarded.ts';

export interface LocalBuilderOptions {
  /** Folder for checkouts, logs and the index of what has been built. */
  readonly dir: string;
  readonly source: SourceControl;
  readonly artifacts: ArtifactStore;
}

/** Lines of output that an error shows. */
const LAST_LINES = 20;
/** Logs kept for each app. */
const LOGS_KEPT = 20;
/** Less than this counts as a full disk, bytes. */
const FULL_BELOW = 1024 * 1024;

/** `build.output` of an app that is built and run at the root of the workspace, all of which is its artifact. */
const WORKSPACE = '/';

const AS_COMMITTED: BuildSpec = { command: null, output: '.', env: {} };

/** Builds on this machine: a fresh checkout of the app's folder, its command, its output into the store. */
export function localBuilder({ dir, source, artifacts }: LocalBuilderOptions): Builder {
  return {
    async build(request, signal) {
      signal.throwIfAborted();
      const known = await readIndex(dir, request.fingerprint);
      if (known !== null && (await artifacts.has(known.artifact))) return { ...known, reused: true };
      const work = join(dir, 'work', unfinishedName());
      try {
        await removeAbandoned(join(dir, 'work'));
        const log = await newLog(dir, request);
        const artifact = await buildIn(work, log, request, { source, artifacts }, signal);
        await writeIndex(dir, request.fingerprint, { artifact, log });
        return { artifact, reused: false, log };
      } catch (error) {
        throw isDiskFull(error) ? diskFull(dir, error) : error;
      } finally {
        await removeTree(work);
      }
    },
  };
}

async function buildIn(
  work: string,
  log: string,
  request: BuildRequest,
  { source, artifacts }: Pick<LocalBuilderOptions, 'source' | 'artifacts'>,
  signal: AbortSignal,
): Promise<string> {
  const build = request.build ?? AS_COMMITTED;
  if (request.commit === null)
    throw new UserError('COMMIT_UNKNOWN', `There is no commit to build ${request.app} from.`, 'Deploy again from a commit.');
  const checkout = join(work, 'app');
  await mkdir(checkout, { recursive: true });
  // Packages of a workspace are installed, and refer to each other, from where they lie.
  const isWide = build.output === WORKSPACE;
  const whole = isWide || (build.workspace === true && build.command !== null);
  await source.export(request.commit, whole ? '.' : request.path, checkout, signal);
  const own = whole && !isWide ? join(checkout, request.path) : checkout;
  if (build.command !== null) await runBuild(build.command, own, log, request, signal);
  signal.throwIfAborted();
  return artifacts.put(isWide ? own : await outputFolder(own, build, request, log));
}

async function runBuild(command: readonly string[], cwd: string, log: string, request: BuildRequest, signal: AbortSignal): Promise<void> {
  const last: string[] = [];
  const note = (line: string): void => {
    last.push(line);
    if (last.length > LAST_LINES) last.shift();
    request.onOutput(line);
  };
  const end = await runGuarded({
    argv: command,
    cwd,
    env: { ...cleanEnvironment(process.env), ...request.build?.env },
    log,
    onLine: note,
    timeoutMs: request.timeoutMs,
    signal,
  });
  if (end.kind === 'exited' && end.code === 0) return;
  if (end.kind === 'aborted') throw signal.reason;
  if (end.kind === 'exited' && (await isNearlyFull(cwd))) throw diskFull(cwd, null);
  throw explained(end, command, request, last, log);
}

function explained(
  end: Exclude<GuardedEnd, { kind: 'aborted' }>,
  command: readonly string[],
  request: BuildRequest,
  last: readonly string[],
  log: string,
): SluiceError {
  const said = last.length === 0 ? ' It printed nothing.' : ` Its last lines:\n${last.map((line) => `  ${line}`).join('\n')}`;
  const what = `The build of ${request.app} (${command.join(' ')})`;
  const hint = `The whole output: ${log}`;
  if (end.kind === 'exited') {
    const how = end.signal === null ? `exit code ${end.code}` : `signal ${end.signal}`;
    return new UserError('BUILD_FAILED', `${what} ended with ${how}.${said}`, hint);
  }
  if (end.kind === 'notStarted') {
    const message = `${what} could not be started: ${whyNotStarted(end.error, command, request)}.`;
    return new UserError('BUILD_FAILED', message, 'Install it on the machine of the control plane, or correct build.command.');
  }
  if (end.kind === 'timedOut') {
    const message = `${what} was stopped after ${request.timeoutMs / 1000} s.${said}`;
    return new OutsideError('BUILD_TIMEOUT', message, `Give it more time with deadlines.build, or see what it waits for. ${hint}`);
  }
  return new OutsideError('BUILD_LOST', `${what} was killed from outside.${said}`, `See whether memory ran out. ${hint}`);
}

function whyNotStarted(error: string, command: readonly string[], request: BuildRequest): string {
  if (error === 'ENOENT') return `there is no ${command[0]} on the PATH or in ${request.path}`;
  return error === 'EACCES' ? `${command[0]} may not be executed` : error;
}

/** The folder that is the artifact; a link out of the checkout is not followed. */
async function outputFolder(checkout: string, build: BuildSpec, request: BuildRequest, log: string): Promise<string> {
  const [root, output] = await Promise.all([realpath(checkout), realpath(join(checkout, build.output)).catch(() => null)]);
  const inside = output !== null && (output === root || output.startsWith(root + sep));
  if (inside && (await stat(output)).isDirectory()) return output;
  const there = (await readdir(checkout)).toSorted().slice(0, 20).join(', ');
  throw new UserError(
    'BUILD_OUTPUT_MISSING',
    `The build of ${request.app} made no folder ${build.output}${output !== null && !inside ? ' inside the app' : ''}. There is: ${there || 'nothing'}.`,
    build.command === null
      ? 'Correct build.output, or give the app a build.command that makes it.'
      : `Correct build.output. The whole output of the build: ${log}`,
  );
}

interface Built {
  readonly artifact: string;
  readonly log: string;
}

function indexFile(dir: string, fingerprint: string): string {
  return join(dir, 'index', `${fingerprint.replaceAll(/[^A-Za-z0-9._-]/g, '_')}.json`);
}

/** What was built from these inputs before; null when nothing was, or the entry cannot be read. */
async function readIndex(dir: string, fingerprint: string): Promise<Built | null> {
  const { artifact, log } = (await readJson<Partial<Built>>(indexFile(dir, fingerprint))) ?? {};
  return typeof artifact === 'string' && typeof log === 'string' ? { artifact, log } : null;
}

async function writeIndex(dir: string, fingerprint: string, built: Built): Promise<void> {
  await mkdir(join(dir, 'index'), { recursive: true });
  await writeAtomic(indexFile(dir, fingerprint), JSON.stringify(built));
}

async function newLog(dir: string, request: BuildRequest): Promise<string> {
  const folder = join(dir, 'logs', request.app);
  await mkdir(folder, { recursive: true });
  const old = (await readdir(folder)).toSorted().slice(0, -(LOGS_KEPT - 1));
  for (const name of old) await rm(join(folder, name), { force: true });
  const log = join(folder, `${Date.now()}-${unfinishedName()}.log`);
  await writeFile(log, '');
  return log;
}

async function isNearlyFull(path: string): Promise<boolean> {
  const { bavail, bsize } = await statfs(path);
  return bavail * bsize < FULL_BELOW;
}

function diskFull(dir: string, cause: unknown): OutsideError {
  return new OutsideError(
    'DISK_FULL',
    `The disk is full: the build needs more space in ${dir}.`,
    'Free some space; the release goes on by itself.',
    cause,
  );
}
