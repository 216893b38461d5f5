import { createServer } from 'node:http';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { UNSTOPPED, until, untilHealth, untilHealthy } from '../../../../test/contracts/platform.ts';
import { processesWorld, type ProcessesWorld } from '../../../../test/worlds/processes.ts';
import type { DeployTarget, Platform } from '../../../ports/platform.ts';
import type { AppRef, Health, HealthSpec } from '../../../core/app/run.ts';

/** What has to be so before an instance that listens is called healthy, with real processes. */

let world: ProcessesWorld;
let platform: Platform;
let apps = 0;

beforeAll(async () => {
  world = await processesWorld();
  platform = world.platform({ limits: { backoffMs: 40, backoffMsMax: 200, stableMs: 1_500, settleMs: 200 } });
});
afterAll(() => world?.stop());

function newApp(): AppRef {
  apps += 1;
  return { environment: 'test', app: `ready-${apps}` };
}

const LOOK: HealthSpec = { path: '/up', intervalMs: 100, timeoutMs: 400 };

/** An app without a health path; `routed`: users reach it through routes. */
function pathless(behaviour: readonly string[], routed: boolean): DeployTarget {
  return { ...world.behaving(newApp(), 'v1', behaviour), health: null, routed };
}

async function portOf(ref: AppRef): Promise<number> {
  return (await platform.observe(ref))[0]?.endpoints[0]?.port ?? 0;
}

/** The reason that is given once there has been time to see more than that it does not listen yet. */
async function complaint(target: DeployTarget, enough: RegExp): Promise<string> {
  await platform.ensure(target, UNSTOPPED);
  const seen = await untilHealth(platform, target, (health) => health.state === 'healthy' || enough.test(health.reason), 20_000);
  return reasonOf(seen);
}

function reasonOf(health: Health): string {
  return health.state === 'healthy' ? `healthy: ${JSON.stringify(health.evidence)}` : health.reason;
}

describe('an app without a health path', () => {
  test.each([true, false])('that listens on another port is not healthy, and where it listens is said (routes: %s)', async (routed) => {
    const target = pathless(['other-port', '0'], routed);
    const reason = await complaint(target, /listens on/);
    expect(reason).toMatch(new RegExp(`does not listen yet; it listens on \\d+, was given ${await portOf(target)} \\(in PORT\\)$`));
  });

  test.each([
    ['a loopback address that is not 127.0.0.1', '127.0.0.2', /it listens on 127\.0\.0\.2:\d+, which does not reach 127\.0\.0\.1/],
    ['IPv6 alone', '::1', /it listens on \[::1\]:\d+, which does not reach 127\.0\.0\.1/],
  ])('that listens on %s is not healthy', async (_what, address, said) => {
    expect(await complaint(pathless(['other-address', address], true), /listens on/)).toMatch(said);
  });

  test('that listens nowhere is not healthy', async () => {
    expect(await complaint(pathless(['nowhere'], false), /listens on no/)).toMatch(/it listens on no TCP port/);
  });

  test.each([
    ['mute', /has not answered \/ within 5 s/],
    ['hangs-up', /closed the connection and did not answer \//],
    ['greets', /answers with something that is not HTTP/],
    ['tls', /answers with TLS, not plain HTTP/],
    ['http2', /answers with HTTP\/2 only/],
  ])('that has routes and is %s at its port is not healthy', async (behaviour, said) => {
    expect(await complaint(pathless([behaviour], true), said)).toMatch(said);
  });

  test('that has no routes may speak what it likes at its port', async () => {
    const target = pathless(['greets'], false);
    await platform.ensure(target, UNSTOPPED);
    await untilHealthy(platform, target);
    expect(await platform.health(target, UNSTOPPED)).toEqual({
      state: 'healthy',
      evidence: { asked: 'a connection', instances: 1, restarts: 0 },
    });
  });

  test('that has routes is healthy by any answer over HTTP, also one of its child', async () => {
    for (const behaviour of [['status', '404'], ['child']]) {
      const target = pathless(behaviour, true);
      await platform.ensure(target, UNSTOPPED);
      await untilHealthy(platform, target);
    }
  });

  test('that crashes just after the settle time is seen', async () => {
    const target = pathless(['crash-later', '700'], true);
    await platform.ensure(target, UNSTOPPED);
    await untilHealth(platform, target, ({ state }) => state === 'healthy');
    const seen = await untilHealth(platform, target, ({ state }) => state === 'failed');
    expect(seen).toMatchObject({ state: 'failed', reason: expect.stringMatching(/ended 3 times in a row: exit code 4/) });
  });

  test('that has crashed once is healthy again only after as long as a good run lasts', async () => {
    const target = pathless(['good'], true);
    await platform.ensure(target, UNSTOPPED);
    await untilHealthy(platform, target);
    process.kill((await world.pids(target, 'v1'))[0] ?? 0, 'SIGKILL');
    const said = await untilHealth(platform, target, (health) => health.state !== 'healthy' && /has run for/.test(health.reason));
    expect(reasonOf(said)).toMatch(/ended once and has run for .* now; 1\.5 s are asked for: signal SIGKILL/);
    await untilHealthy(platform, target);
    expect(await platform.health(target, UNSTOPPED)).toMatchObject({ evidence: { restarts: 1 } });
  });
});

describe('an answer of somebody else', () => {
  test.each([
    ['no health path', null],
    ['a health path', LOOK],
  ])('at the port does not stand for the app, with %s', async (_what, health) => {
    const target = { ...pathless(['nowhere'], true), health };
    await platform.ensure(target, UNSTOPPED);
    const port = await until(
      () => portOf(target),
      (seen) => seen > 0,
    );
    const stranger = createServer((_, response) => response.end('all is well'));
    await new Promise<void>((resolve) => stranger.listen(port, '127.0.0.1', resolve));
    try {
      const seen = await untilHealth(platform, target, (one) => one.state === 'healthy' || /answered by/.test(one.reason), 10_000);
      expect(reasonOf(seen)).toMatch(new RegExp(`port ${port} is answered by \\S+ \\(pid ${process.pid}\\), which is not part of it`));
    } finally {
      stranger.close();
    }
  });
});

describe('a health path', () => {
  const caseOf = (name: string, health: Partial<HealthSpec>): { readonly target: DeployTarget; readonly of: Platform } => {
    const folder = join(import.meta.dirname, '../../../../test/fixtures/cases', name);
    const target = world.behaving(newApp(), 'v1', [], { command: ['node', 'app.js'] });
    return {
      of: world.platform({ artifacts: { folder: async () => folder } }),
      target: { ...target, routed: true, health: { ...LOOK, ...health } },
    };
  };
  const settled = async ({ of, target }: ReturnType<typeof caseOf>): Promise<string> => {
    await of.ensure(target, UNSTOPPED);
    const isSaid = (health: Health): boolean => health.state === 'healthy' || /status/.test(health.reason);
    return reasonOf(await untilHealth(of, target, isSaid));
  };

  test('that redirects is not healthy, unless the settings say that such an answer is', async () => {
    expect(await settled(caseOf('health-redirect-is-healthy', {}))).toMatch(/answers \/up with status 301 \(a redirect does not count/);
    expect(await settled(caseOf('health-redirect-is-healthy', { statuses: [{ from: 200, to: 399 }] }))).toMatch(/^healthy/);
    expect(await settled(caseOf('health-redirect-is-healthy', { statuses: [{ from: 301, to: 301 }] }))).toMatch(/^healthy/);
  });

  test('is asked with the Host header that the settings name', async () => {
    expect(await settled(caseOf('health-host-header', {}))).toMatch(/answers \/up with status 400/);
    expect(await settled(caseOf('health-host-header', { host: 'shop.example' }))).toMatch(/^healthy/);
  });
});
