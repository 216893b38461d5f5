import { spawn } from 'node:child_process';
import type { Effect } from '../../core/release/runbook/effects.ts';
import type { ReleaseEvent } from '../../core/release/state/events.ts';
import type { SmokeSpec } from '../../core/release/plan/plan.ts';
import type { Endpoint } from '../../core/app/traffic.ts';
import type { PerformContext } from '../runbook.ts';
import type { PerformPorts } from './ports.ts';
import { refOf } from './traffic.ts';
import { askHttp } from '../../lib/ask-http.ts';

const OUTPUT_LINES = 8;

/** Ask the new version, directly and before it has traffic, what the app says must work. Anything but a clear yes is a no. */
export async function performSmoke(
  ports: PerformPorts,
  effect: Extract<Effect, { kind: 'smoke' }>,
  context: PerformContext,
): Promise<ReleaseEvent[]> {
  const { app, version } = effect;
  const spec = app.smoke;
  if (spec === null) return [{ type: 'SmokePassed', app: app.app, version: version.id }];
  const observed = await ports.platform(app.platform).observe(refOf(app, context));
  const endpoint = observed.find((one) => one.version === version.id)?.endpoints[0];
  const url = endpoint === undefined ? null : `http://${endpoint.host}:${endpoint.port}`;
  const reason =
    (await smokePaths(spec, endpoint, context.signal)) ?? (await smokeCommand(ports, spec, version.artifact, url, context.signal));
  context.signal.throwIfAborted();
  if (reason !== null) return [{ type: 'SmokeFailed', app: app.app, version: version.id, reason }];
  return [{ type: 'SmokePassed', app: app.app, version: version.id }];
}

async function smokePaths(spec: SmokeSpec, endpoint: Endpoint | undefined, signal: AbortSignal): Promise<string | null> {
  for (const path of spec.paths) {
    if (endpoint === undefined) return `smoke test of ${path}: the version has no endpoint`;
    const headers = { 'user-agent': 'sluice-smoke', ...(spec.host === undefined ? {} : { host: spec.host }) };
    const answer = await askHttp({ address: endpoint.host, port: endpoint.port, path, headers, timeoutMs: spec.timeoutMs }, signal);
    if (answer.kind === 'silent') return `smoke test of ${path}: no answer within ${spec.timeoutMs} ms`;
    if (answer.kind === 'notHttp') return `smoke test of ${path}: answered with ${answer.what}`;
    if (answer.kind !== 'answer') return `smoke test of ${path}: no answer`;
    if (answer.status < 200 || answer.status >= 400) return `smoke test of ${path}: answered ${answer.status}`;
  }
  return null;
}

/** Exit 0 passes; any other exit, a signal, a time-out or a command that cannot be started fails. */
async function smokeCommand(
  ports: PerformPorts,
  spec: SmokeSpec,
  artifact: string,
  url: string | null,
  signal: AbortSignal,
): Promise<string | null> {
  const [program, ...args] = spec.command ?? [];
  if (program === undefined) return null;
  const cwd = await ports.artifacts.folder(artifact);
  const env = { ...ports.environment, ...(url === null ? {} : { SLUICE_URL_UNDER_TEST: url }) };
  return new Promise((resolve) => {
    const lines: string[] = [];
    const child = spawn(program, args, { cwd, env, detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
    const stop = () => child.pid !== undefined && killGroup(child.pid);
    const timer = setTimeout(() => finish(`smoke test took longer than ${spec.timeoutMs} ms`), spec.timeoutMs);
    const onAbort = () => finish('smoke test was interrupted');
    signal.addEventListener('abort', onAbort, { once: true });
    const keep = (chunk: Buffer) =>
      lines.push(...String(chunk).split('\n').filter(Boolean)) > OUTPUT_LINES && lines.splice(0, lines.length - OUTPUT_LINES);
    child.stdout.on('data', keep);
    child.stderr.on('data', keep);
    child.on('error', (error) => finish(`smoke test could not be started: ${error.message}`));
    child.on('close', (code, killedBy) => {
      if (code === 0) return finish(null);
      const how = killedBy === null ? `exit code ${code}` : `signal ${killedBy}`;
      finish(`smoke test failed (${how})${lines.length === 0 ? '' : `: ${lines.join(' | ')}`}`);
    });
    function finish(reason: string | null): void {
      clearTimeout(timer);
      signal.removeEventListener('abort', onAbort);
      if (reason !== null) stop();
      resolve(reason);
    }
  });
}

function killGroup(pid: number): void {
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // It has ended already.
  }
}
