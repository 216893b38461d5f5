import { mkdir } from 'node:fs/promises';
import { FencedError } from '../../../core/errors.ts';
import { requireFit } from '../../../ports/platform-fit.ts';
import type { DeployTarget, ObservedVersion } from '../../../ports/platform.ts';
import { writeAtomic } from '../../../lib/atomic-file.ts';
import { withFence } from './app-lock.ts';
import { beginSupervision, type Context, LOOK_MS } from './context.ts';
import type { Program } from '../../../supervisor/crew.ts';
import { appEnvironment } from './environment.ts';
import { observeVersion } from './observe.ts';
import { type VersionPaths, versionPaths } from '../../../supervisor/paths.ts';
import { readState, readWanted, type Wanted } from '../../../supervisor/records.ts';
import { findProgram, isReleaseMade, makeRelease } from './release.ts';
import { processSettings } from './settings.ts';
import { PROCESSES } from './what.ts';
import { supervisorAlive, supervisorFailed, supervisorOf } from './start-supervisor.ts';

/** Time a supervisor may take until it has started its instances once, ms. A busy machine is slow. */
const START_MS = 30_000;
/** Time over the drain that a version being retired gets to be gone. */
const RETIRE_GRACE_MS = 15_000;

export async function ensureVersion(context: Context, target: DeployTarget, signal: AbortSignal): Promise<ObservedVersion> {
  signal.throwIfAborted();
  const paths = versionPaths(context.dir, target, target.version);
  await withFence(context.dir, target, target.fence, context.wrote, async () => {});
  await untilNotRetiring(context, paths, signal);
  if (!(await isSupervised(paths))) {
    // Of a version that shares the load with another only its part is brought back: the other one has the rest.
    const before = readWanted(paths.wanted);
    const only = before?.state === 'running' ? (before.only ?? null) : null;
    const program = await prepare(context, paths, target, signal, only);
    await startAndWait(context, paths, target, program, signal);
  } else {
    await untilStarted(context, paths, target, () => null, signal);
  }
  const observed = await observeVersion(paths);
  if (observed === null) throw supervisorFailed(paths, 'started the version, but it is gone again');
  return observed;
}

export async function isSupervised(paths: VersionPaths): Promise<boolean> {
  return readWanted(paths.wanted)?.state === 'running' && (await supervisorAlive(paths));
}

export async function untilNotRetiring(context: Context, paths: VersionPaths, signal: AbortSignal): Promise<void> {
  const retiring = readWanted(paths.wanted);
  if (retiring?.state !== 'retired') return;
  const until = context.clock.now() + retiring.drainMs + RETIRE_GRACE_MS;
  while (await supervisorAlive(paths)) {
    if (context.clock.now() > until) throw supervisorFailed(paths, 'is still retiring this version');
    await context.clock.sleep(LOOK_MS, signal);
    signal.throwIfAborted();
  }
}

/** Everything that can go wrong by the user's doing goes wrong here, before anything is started. */
export async function prepare(
  context: Context,
  paths: VersionPaths,
  target: DeployTarget,
  signal: AbortSignal,
  only: readonly number[] | null,
): Promise<Program> {
  requireFit(PROCESSES, target);
  const { command } = processSettings(target.settings);
  const env = appEnvironment(target, context.env, context.values(target.environment));
  for (;;) {
    if (!(await isReleaseMade(paths, target.artifact.digest))) {
      const source = await context.artifacts.folder(target.artifact.digest);
      await makeRelease(paths, target.artifact.digest, source, context.wrote);
    }
    signal.throwIfAborted();
    const program = await findProgram(command, paths.files, env);
    const ready = await withFence(context.dir, target, target.fence, context.wrote, async () => {
      // A retire that was cleaning up may have taken the release away; from here on it leaves it.
      if (!(await isReleaseMade(paths, target.artifact.digest))) return false;
      await want(paths, target, only);
      context.wrote('wanted');
      return true;
    });
    if (ready) return { command: [program, ...command.slice(1)], env };
  }
}

export async function want(paths: VersionPaths, target: DeployTarget, only: readonly number[] | null): Promise<void> {
  const { environment, app, version, artifact, settings, env, fence } = target;
  const wanted: Wanted = {
    format: 1,
    state: 'running',
    fence,
    drainMs: settings.drainMs,
    environment,
    app,
    version,
    artifact: artifact.digest,
    run: { ...settings, env },
    ...(only === null ? {} : { only }),
  };
  await mkdir(paths.folder, { recursive: true, mode: 0o700 });
  await writeAtomic(paths.wanted, `${JSON.stringify(wanted, null, 2)}\n`, { mode: 0o600 });
}

async function startAndWait(
  context: Context,
  paths: VersionPaths,
  target: DeployTarget,
  program: Program,
  signal: AbortSignal,
): Promise<void> {
  const started = beginSupervision(context, paths, program);
  await untilStarted(context, paths, target, started.exitCode, signal);
}

/** Until every instance has been started once, or has failed to. */
async function untilStarted(
  context: Context,
  paths: VersionPaths,
  target: DeployTarget,
  exitCode: () => number | null,
  signal: AbortSignal,
): Promise<void> {
  const until = context.clock.now() + START_MS;
  for (;;) {
    if (await hasStarted(paths, target.settings.instances)) return;
    const wanted = readWanted(paths.wanted);
    if (wanted?.state === 'retired')
      throw new FencedError(`${target.environment}/${target.app}: version ${target.version} was retired while it was started`);
    // Code 0 says that another supervisor was quicker: that one's work counts.
    const code = exitCode();
    if (code !== null && code !== 0) throw supervisorFailed(paths, `ended with code ${code}`);
    if (code === 0 && !(await supervisorAlive(paths))) throw supervisorFailed(paths, 'ended');
    if (context.clock.now() > until) throw supervisorFailed(paths, `has started nothing for ${START_MS / 1000} s`);
    await context.clock.sleep(LOOK_MS, signal);
    signal.throwIfAborted();
  }
}

async function hasStarted(paths: VersionPaths, count: number): Promise<boolean> {
  const state = readState(paths.state);
  const supervisor = await supervisorOf(paths);
  if (
    state === null ||
    supervisor === null ||
    state.supervisor.pid !== supervisor.pid ||
    state.supervisor.startTime !== supervisor.startTime
  )
    return false;
  return state.instances.filter(({ pending }) => !pending).length >= count;
}
