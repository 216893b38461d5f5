import { request } from 'node:http';
import { join } from 'node:path';
import type { DeployTarget, Health, HealthSpec } from '../../../ports/platform.ts';
import { isAlive } from '../../_shared/process-identity.ts';
import type { Context } from './context.ts';
import { withoutSecrets } from './environment.ts';
import { QUICK_ENDS_FAILED } from './limits.ts';
import { type VersionPaths, versionPaths } from './paths.ts';
import { type InstanceState, readState, readWanted } from './records.ts';
import { supervisorAlive } from './start-supervisor.ts';
import { lastLineOf } from './tail.ts';
import { within } from '../../_shared/within.ts';

const HEALTHY: Health = { state: 'healthy' };
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
  const worst = looks.find((seen) => seen.state === 'failed') ?? looks.find((seen) => seen.state === 'waiting');
  if (worst !== undefined) return worst;
  const expected = only?.length ?? target.run.instances;
  return looks.length < expected ? waiting(`${looks.length} of ${expected} instances have been started`) : HEALTHY;
}

async function look(
  context: Context,
  paths: VersionPaths,
  target: DeployTarget,
  instance: InstanceState,
  supervised: boolean,
  signal: AbortSignal,
): Promise<Health> {
  const { process, quickEnds } = instance;
  if (process === null || !(await isAlive(process.pid, process.startTime))) return notRunning(context, paths, target, instance, supervised);
  const upMs = instance.startedAt === null ? 0 : context.clock.now() - instance.startedAt;
  if (quickEnds >= QUICK_ENDS_FAILED && upMs < context.limits.stableMs) {
    return waiting(
      `instance ${instance.id} ended ${quickEnds} times in a row and has run for ${seconds(upMs)} now${endOf(context, paths, target, instance)}`,
    );
  }
  if (target.health !== null && instance.port !== null) return ask(target.health, instance.id, instance.port, signal);
  return upMs >= context.limits.settleMs
    ? HEALTHY
    : waiting(`instance ${instance.id} has run for ${seconds(upMs)}; ${seconds(context.limits.settleMs)} are asked for`);
}

function notRunning(context: Context, paths: VersionPaths, target: DeployTarget, instance: InstanceState, supervised: boolean): Health {
  const { id, lastEnd, quickEnds } = instance;
  const end = endOf(context, paths, target, instance);
  if (!supervised) return failed(`instance ${id} is down and nobody restarts it (its supervisor is gone)${end}`);
  if (lastEnd !== null && CANNOT_RUN.test(lastEnd)) return failed(`instance ${id} cannot be run${end}`);
  if (quickEnds >= QUICK_ENDS_FAILED) return failed(`instance ${id} ended ${quickEnds} times in a row${end}`);
  return lastEnd === null ? waiting(`instance ${id} is being started`) : waiting(`instance ${id} is being started again${end}`);
}

/** How the last run ended, with the last thing it said. */
function endOf(context: Context, paths: VersionPaths, target: DeployTarget, { id, lastEnd }: InstanceState): string {
  if (lastEnd === null) return '';
  const line = withoutSecrets(lastLineOf(join(paths.logs, `${id}.log`)), target.run.env, context.env);
  return line === '' ? `: ${lastEnd}` : `: ${lastEnd}, last log line: ${line.slice(-300)}`;
}

/** One question on loopback. A redirect is an answer; it is not followed, since it may lead to another version. */
function ask(health: HealthSpec, id: string, port: number, signal: AbortSignal): Promise<Health> {
  const where = `instance ${id} (port ${port})`;
  return new Promise((resolve) => {
    const limit = within(signal, health.timeoutMs);
    const asked = request({
      host: '127.0.0.1',
      port,
      path: health.path,
      agent: false,
      headers: { 'user-agent': 'sluice-health' },
      signal: limit,
    });
    asked.once('response', (answer) => {
      const status = answer.statusCode ?? 0;
      answer.destroy();
      resolve(status >= 200 && status < 400 ? HEALTHY : waiting(`${where} answers ${health.path} with status ${status}`));
    });
    asked.once('error', (error: NodeJS.ErrnoException) => {
      if (limit.aborted && !signal.aborted)
        return resolve(waiting(`${where} has not answered ${health.path} within ${seconds(health.timeoutMs)}`));
      resolve(
        waiting(
          error.code === 'ECONNREFUSED'
            ? `${where} does not listen yet`
            : `${where} did not answer ${health.path}: ${error.code ?? error.message}`,
        ),
      );
    });
    asked.end();
  });
}

function waiting(reason: string): Health {
  return { state: 'waiting', reason };
}

function failed(reason: string): Health {
  return { state: 'failed', reason };
}

function seconds(ms: number): string {
  return `${Math.round(ms / 100) / 10} s`;
}
