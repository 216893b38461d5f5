import { describe, expect, test } from 'vitest';
import type { Health } from '../../core/app/run.ts';
import type { PlannedApp, VersionRef } from '../../core/release/plan/plan.ts';
import type { PerformContext } from '../runbook.ts';
import type { PerformPorts } from './ports.ts';
import { performVerify } from './verify.ts';

const UNTIL = 1_000;

/** What comes of looks at a version of three instances on a platform that says this, by a clock that moves when somebody waits. */
function verified(health: Health): Promise<readonly object[]> {
  let now = 0;
  const ports = {
    platform: () => ({ capabilities: { traffic: 'edge' }, health: () => Promise.resolve(health) }),
    clock: { now: () => now, sleep: async (ms: number) => void (now += ms) },
  } as unknown as PerformPorts;
  const version = { id: 'v1', artifact: 'sha256:1', run: { instances: 3, env: {}, listens: true, drainMs: 0 }, health: null } as unknown;
  const app = { app: 'web', platform: 'any', routes: [{ host: null, pathPrefix: '/' }], deadlines: { healthyMs: UNTIL } } as unknown;
  const effect = {
    kind: 'verify',
    app: app as PlannedApp,
    version: version as VersionRef,
    until: UNTIL,
    key: 'k',
    lane: 'web',
    deadline: 0,
  } as const;
  const context = { environment: 'production', fence: 1, signal: new AbortController().signal } as unknown as PerformContext;
  return performVerify(ports, effect, context);
}
const healthy = (instances: number): Health => ({ state: 'healthy', evidence: { asked: 'GET /up', instances, restarts: 0 } });

describe('a version is healthy', () => {
  test('when every instance was asked', async () => {
    expect(await verified(healthy(3))).toMatchObject([{ type: 'VersionHealthy' }]);
  });

  test.each([0, 2])('not when %i of its instances were asked', async (instances) => {
    const reason = expect.stringContaining(`${instances} of 3 instances were asked`) as string;
    expect(await verified(healthy(instances))).toMatchObject([{ type: 'VersionUnhealthy', reason }]);
  });
});
