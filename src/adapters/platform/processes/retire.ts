import { readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { OutsideError } from '../../../core/errors.ts';
import type { AppRef } from '../../../core/app/run.ts';
import { writeAtomic } from '../../../lib/atomic-file.ts';
import { removeTree } from '../../../lib/unfinished.ts';
import { withFence } from './app-lock.ts';
import { beginSupervision, type Context, LOOK_MS } from './context.ts';
import { releasePorts } from '../../../supervisor/free-port.ts';
import { versionsOf } from './observe.ts';
import { portsFolder, type VersionPaths, versionPaths } from '../../../supervisor/paths.ts';
import { readState, readWanted, type Wanted } from '../../../supervisor/records.ts';
import { nudgeSupervisor, supervisorAlive, supervisorFailed } from './start-supervisor.ts';

/** Time over the drain until a process that does not go is reported, ms. */
const GRACE_MS = 15_000;
/** Logs are kept of this many retired versions per app. */
const RETIRED_KEPT = 10;

/**
 * The stopping itself is the supervisor's work, so that it goes on when we die; one is started for it where the
 * old one is dead. Afterwards everything of the version is removed but its logs.
 */
export async function retireVersion(context: Context, ref: AppRef, version: string, drainMs: number, fence: number): Promise<void> {
  const paths = versionPaths(context.dir, ref, version);
  const known = await withFence(context.dir, ref, fence, context.wrote, async () => {
    if (!(await isThere(paths))) return false;
    await writeAtomic(paths.wanted, `${JSON.stringify(retired(paths, ref, version, drainMs, fence), null, 2)}\n`, { mode: 0o600 });
    context.wrote('wanted');
    return true;
  });
  if (!known) return;
  await nudgeSupervisor(paths);
  await untilStopped(context, paths, drainMs);
  await withFence(context.dir, ref, fence, context.wrote, async () => {
    // Deployed again meanwhile: it is not ours to clear any more.
    if (readWanted(paths.wanted)?.state === 'retired') await clear(context, paths);
    await forgetOldest(context, ref);
  });
}

/** Whether anything but logs is left of it. */
async function isThere(paths: VersionPaths): Promise<boolean> {
  for (const path of [paths.wanted, paths.state, paths.release]) {
    if (await exists(path)) return true;
  }
  return supervisorAlive(paths);
}

function retired(paths: VersionPaths, ref: AppRef, version: string, drainMs: number, fence: number): Wanted {
  const before = readWanted(paths.wanted);
  const artifact = before?.artifact ?? readState(paths.state)?.artifact ?? '';
  return {
    format: 1,
    state: 'retired',
    fence,
    drainMs,
    environment: ref.environment,
    app: ref.app,
    version,
    artifact,
    run: before?.run ?? null,
  };
}

async function untilStopped(context: Context, paths: VersionPaths, drainMs: number): Promise<void> {
  const until = context.clock.now() + drainMs + GRACE_MS;
  let started = { exitCode: (): number | null => 0 };
  for (;;) {
    if (!(await supervisorAlive(paths))) {
      if (readState(paths.state)?.phase === 'retired' || readWanted(paths.wanted)?.state !== 'retired') return;
      const code = started.exitCode();
      if (code !== null && code !== 0) throw supervisorFailed(paths, `ended with code ${code}`);
      if (code === 0) started = beginSupervision(context, paths, null);
    }
    if (context.clock.now() > until) {
      throw new OutsideError(
        'RETIRE_TIMEOUT',
        `${paths.folder} still has processes ${Math.round(GRACE_MS / 1000)} s after SIGKILL was due`,
        'It is tried again; a process that stays hangs in the kernel (a dead network disk, for example).',
      );
    }
    await context.clock.sleep(LOOK_MS);
  }
}

async function clear(context: Context, paths: VersionPaths): Promise<void> {
  releasePorts(portsFolder(context.dir), `${paths.instances}/`);
  context.wrote('ports given back');
  const kept = new Set(['logs', 'wanted.json']);
  const rest = (await readdir(paths.folder)).filter((name) => !kept.has(name) && !name.includes('.lock.'));
  for (const name of rest) {
    await removeTree(join(paths.folder, name));
    context.wrote(`${name} removed`);
  }
  // Last, since it says that there is something to clear.
  await rm(paths.wanted, { force: true });
  context.wrote('wanted removed');
}

async function forgetOldest(context: Context, ref: AppRef): Promise<void> {
  const gone: { folder: string; at: number }[] = [];
  for (const version of await versionsOf(context.dir, ref)) {
    const paths = versionPaths(context.dir, ref, version);
    if (!(await isThere(paths))) gone.push({ folder: paths.folder, at: (await stat(paths.folder)).mtimeMs });
  }
  for (const { folder } of gone.toSorted((a, b) => b.at - a.at).slice(RETIRED_KEPT)) {
    await removeTree(folder);
    context.wrote('old logs removed');
  }
}

async function exists(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch {
    return false;
  }
}
