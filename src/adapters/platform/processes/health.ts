import { join } from 'node:path';
import type { DeployTarget } from '../../../ports/platform.ts';
import type { Health } from '../../../core/app/run.ts';
import { isAlive } from '../../../lib/process-identity.ts';
import type { Context } from './context.ts';
import { crashLine } from './crash-line.ts';
import { withoutSecrets } from './environment.ts';
import { QUICK_ENDS_FAILED } from '../../../supervisor/limits.ts';
import { type VersionPaths, versionPaths } from '../../../supervisor/paths.ts';
import { type InstanceState, readState, readWanted } from '../../../supervisor/records.ts';
import { supervisorAlive } from './start-supervisor.ts';
import { endOfLog } from '../../../supervisor/tail.ts';
import { askedOf, unreadiness } from './readiness.ts';

/** A version that listens but not yet where it should is told so after this long: most only need a moment more, ms. */
const EXPLAIN_AFTER_MS = 1_000;

type Unwell = Exclude<Health, { readonly state: 'healthy' }>;

/** What a shell ends with when it cannot execute a program, or there is none. */
const CANNOT_RUN = /^exit code 12[67]$/;

export async function healthOf(context: Context, target: DeployTarget, signal: AbortSignal): Promise<Health> {
  signal.throwIfAborted();
  const paths = versionPaths(context.dir, target, target.version);
  const wanted = readWanted(paths.wanted);
  const state = readState(paths.state);
  if (wanted?.state === 'retired') return failed('it has been retired');
  if (state === null)
    return wanted === null ? failed('it is not on this machine; it has to be deployed first') : waiting('it is being started');
  const supervised = await supervisorAlive(paths);
  const only = wanted?.only ?? null;
  const asked = state.instances.filter(({ id }) => only === null || only.includes(Number(id)));
  const looks = await Promise.all(asked.map((instance) => look(context, paths, target, instance, supervised, signal)));
  signal.throwIfAborted();
  const bad = looks.filter((seen) => seen !== null);
  const worst = bad.find((seen) => seen.state === 'failed') ?? bad[0];
  if (worst !== undefined) return worst;
  const expected = only?.length ?? target.settings.instances;
  if (looks.length < expected) return waiting(`${looks.length} of ${expected} instances have been started`);
  const restarts = asked.reduce((sum, { starts }) => sum + Math.max(0, starts - 1), 0);
  const { listens } = target.settings;
  return { state: 'healthy', evidence: { asked: listens ? askedOf(target) : 'to stay up', instances: looks.length, restarts } };
}

/** Null when all is well with this instance. */
async function look(
  context: Context,
  paths: VersionPaths,
  target: DeployTarget,
  instance: InstanceState,
  supervised: boolean,
  signal: AbortSignal,
): Promise<Unwell | null> {
  const { process, quickEnds } = instance;
  if (process === null || !(await isAlive(process.pid, process.startTime))) return notRunning(context, paths, target, instance, supervised);
  const upMs = instance.startedAt === null ? 0 : context.clock.now() - instance.startedAt;
  // One that has crashed may crash again after the settle time: it has to last as long as a good run does.
  if (quickEnds > 0 && upMs < context.limits.stableMs) {
    return waiting(
      `instance ${instance.id} ended ${times(quickEnds)} and has run for ${seconds(upMs)} now; ${seconds(context.limits.stableMs)} are asked for${endOf(context, paths, target, instance)}`,
    );
  }
  if (target.settings.listens) {
    if (instance.port === null) return waiting(`instance ${instance.id} has not been given a port yet`);
    const folder = join(paths.instances, instance.id);
    const why = await unreadiness(target, instance.port, process, folder, upMs >= EXPLAIN_AFTER_MS, signal);
    if (why !== null) return waiting(`instance ${instance.id} (port ${instance.port}) ${why}`);
    if (target.health !== null) return null;
  }
  return upMs >= context.limits.settleMs
    ? null
    : waiting(`instance ${instance.id} has run for ${seconds(upMs)}; ${seconds(context.limits.settleMs)} are asked for`);
}

function notRunning(context: Context, paths: VersionPaths, target: DeployTarget, instance: InstanceState, supervised: boolean): Unwell {
  const { id, lastEnd, quickEnds } = instance;
  const end = endOf(context, paths, target, instance);
  if (!supervised) return failed(`instance ${id} is down and nobody restarts it (its supervisor is gone)${end}`);
  if (lastEnd !== null && CANNOT_RUN.test(lastEnd)) return failed(`instance ${id} cannot be run${end}`);
  if (quickEnds >= QUICK_ENDS_FAILED) return failed(`instance ${id} ended ${times(quickEnds)}${end}`);
  return lastEnd === null ? waiting(`instance ${id} is being started`) : waiting(`instance ${id} is being started again${end}`);
}

/** How the last run ended, with the line of its log that says why, and how to see more. */
function endOf(context: Context, paths: VersionPaths, target: DeployTarget, { id, lastEnd }: InstanceState): string {
  if (lastEnd === null) return '';
  const line = crashLine(endOfLog(join(paths.logs, `${id}.log`)));
  const more = `(\`sluice logs ${target.app} -e ${target.environment}\` shows more)`;
  if (line === null) return `: ${lastEnd}; it printed nothing`;
  const text = withoutSecrets(line.text, target.env, context.values(target.environment)).slice(0, 300);
  return `: ${lastEnd}, ${line.kind === 'error' ? 'error' : 'last log line'}: ${text} ${more}`;
}

function waiting(reason: string): Unwell {
  return { state: 'waiting', reason };
}

function failed(reason: string): Unwell {
  return { state: 'failed', reason };
}

function seconds(ms: number): string {
  return `${Math.round(ms / 100) / 10} s`;
}

function times(count: number): string {
  return count === 1 ? 'once' : `${count} times in a row`;
}
