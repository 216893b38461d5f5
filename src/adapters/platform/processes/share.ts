import type { DeployTarget, ObservedVersion } from '../../../ports/platform.ts';
import { withFence } from './app-lock.ts';
import { beginSupervision, type Context, LOOK_MS } from './context.ts';
import { isSupervised, prepare, untilNotRetiring, want } from './ensure.ts';
import { observeVersion } from './observe.ts';
import { type VersionPaths, versionPaths } from '../../../supervisor/paths.ts';
import { readState } from '../../../supervisor/records.ts';
import { nudgeSupervisor, supervisorFailed, supervisorOf } from './start-supervisor.ts';

/** Time over the drain until instances that do not begin or end are reported, ms. */
const GRACE_MS = 30_000;

/** Let exactly these instances of a version run. */
export async function shareVersion(
  context: Context,
  target: DeployTarget,
  instances: readonly number[],
  signal: AbortSignal,
): Promise<ObservedVersion> {
  signal.throwIfAborted();
  const paths = versionPaths(context.dir, target, target.version);
  const isAll = instances.length === target.settings.instances;
  const only = isAll ? null : instances.toSorted((a, b) => a - b);
  await withFence(context.dir, target, target.fence, context.wrote, async () => {});
  await untilNotRetiring(context, paths, signal);
  if (await isSupervised(paths)) {
    await withFence(context.dir, target, target.fence, context.wrote, async () => {
      await want(paths, target, only);
      context.wrote('wanted');
    });
    await nudgeSupervisor(paths);
  } else {
    const program = await prepare(context, paths, target, signal, only);
    beginSupervision(context, paths, program);
  }
  const until = context.clock.now() + target.settings.drainMs + GRACE_MS;
  while (!(await isShared(paths, new Set(instances)))) {
    if (context.clock.now() > until) throw supervisorFailed(paths, `has not let instances ${instances.join(', ')} alone run`);
    await context.clock.sleep(LOOK_MS, signal);
    signal.throwIfAborted();
  }
  const observed = await observeVersion(paths);
  if (observed === null) throw supervisorFailed(paths, 'started the version, but it is gone again');
  return observed;
}

/** Those asked for have been started, and of the others nothing runs. */
async function isShared(paths: VersionPaths, asked: ReadonlySet<number>): Promise<boolean> {
  const [state, supervisor] = [readState(paths.state), await supervisorOf(paths)];
  if (state === null || supervisor === null || state.supervisor.pid !== supervisor.pid) return false;
  if (state.supervisor.startTime !== supervisor.startTime) return false;
  const started = state.instances.filter(({ id, pending, state: seen }) => asked.has(Number(id)) && !pending && seen !== 'stopped');
  const rest = state.instances.filter(({ id }) => !asked.has(Number(id)));
  return started.length === asked.size && rest.every(({ process, state: seen }) => process === null && seen === 'stopped');
}
