import { createServer as createNetServer } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type CommandLineWorld, commandLineWorld, runApart } from '../../test/worlds/command-line.ts';
import { canary } from '../../test/worlds/memory-planner.ts';
import type { Outcome } from '../core/release/state/events.ts';
import { EXIT, exitOfOutcome, exitOfPlan, exitOfPuttingBack } from './session/exit.ts';
import { COMMANDS } from './command-table.ts';

/**
 * What scripts rely on, seen from outside: real processes against a real API. A failed deploy that ends with
 * 0 is the worst thing a command line can do.
 */
let world: CommandLineWorld;
beforeAll(async () => {
  const apps = Object.fromEntries(['good', 'broken', 'sick', 'bad', 'stuck', 'wait', 'hung', 'slow'].map((app) => [app, {}]));
  world = await commandLineWorld({ apps, server: { shutdown: () => {} } });
  await world.run(['deploy', '-e', 'production', '--yes']);
  world.engine.scripts.set('broken', { build: 'broken' });
  world.engine.scripts.set('sick', { unhealthy: 'GET /up answers 500' });
  world.engine.scripts.set('bad', { errorRate: 0.5 });
  world.engine.scripts.set('stuck', { errorRate: 0.5, stuck: true });
  world.engine.scripts.set('hung', { hangs: true });
  world.engine.scripts.set('slow', { hangs: true });
  for (const app of ['bad', 'stuck']) world.planner.strategies.set(app, canary({ bakeMs: 5000 }));
  world.planner.strategies.set('wait', canary({ pause: true }));
  for (const app of Object.keys(apps)) world.planner.sources.set(app, 'two');
}, 60_000);
afterAll(() => world.close());

describe('a deploy, run by a script', () => {
  const cases: readonly [string, string, number, string][] = [
    ['succeeds', 'good', EXIT.ok, 'Succeeded'],
    ['cannot be built', 'broken', EXIT.error, 'BUILD_FAILED'],
    ['never becomes healthy', 'sick', EXIT.failed, 'GET /up answers 500'],
    ['is bad for users', 'bad', EXIT.rolledBack, 'Rolled back'],
    ['cannot be put back', 'stuck', EXIT.rolledBack, '!!! Not everything could be put back'],
    ['waits for approval', 'wait', EXIT.waiting, 'sluice approve'],
  ];
  test.concurrent.each(cases)('%s', { timeout: 60_000 }, async (_what, app, exit, words) => {
    const ran = await world.spawn(['deploy', app, '-e', 'production', '--yes', '--no-input']);
    expect(ran).toMatchObject({ exit });
    expect(ran.out + ran.err).toContain(words);
    expect(ran.out + ran.err).not.toContain('\u001b');
  });
});

describe('whoever runs it stops looking', () => {
  test('--timeout is 124', { timeout: 60_000 }, async () => {
    expect(await world.spawn(['deploy', 'slow', '-e', 'production', '--yes', '--timeout', '300ms'])).toMatchObject({ exit: EXIT.timeout });
  });

  test.concurrent.each(['SIGINT', 'SIGTERM'] as const)('%s is 130, and the release goes on', { timeout: 60_000 }, async (signal) => {
    let isSent = false;
    const ran = await world.spawn(['deploy', 'hung', '-e', signal === 'SIGINT' ? 'staging' : 'development', '--yes'], {
      onStderr(text, kill) {
        if (!isSent && text.includes('hung: builds')) {
          isSent = true;
          kill(signal);
        }
      },
    });
    expect(ran).toMatchObject({ exit: EXIT.interrupted, out: expect.stringContaining('goes on') });
    const release = /Release (\S+) goes on/.exec(ran.out)?.[1] ?? '';
    expect((await world.engine.release(release))?.outcome).toBeNull();
  });
});

describe('what is wrong before anything happens', () => {
  const cases: readonly [string, readonly string[], NodeJS.ProcessEnv, number, string][] = [
    ['an unknown command', ['deplyo'], {}, EXIT.usage, 'Did you mean deploy'],
    ['an unknown option', ['deploy', '--frce'], {}, EXIT.usage, '--force'],
    ['production without --yes', ['deploy', '-e', 'production'], {}, EXIT.usage, 'Add --yes'],
    ['a wrong token', ['status'], { SLUICE_TOKEN: 'wrong' }, EXIT.denied, 'UNAUTHORIZED'],
    ['no token', ['status'], { SLUICE_TOKEN: '' }, EXIT.denied, 'SLUICE_TOKEN'],
    ['a control plane that is not there', ['status'], { SLUICE_URL: 'http://127.0.0.1:1' }, EXIT.error, 'CONTROL_PLANE_UNREACHABLE'],
    ['no workspace', ['status', '-C', '/'], { SLUICE_URL: '' }, EXIT.error, 'CONFIG_NOT_FOUND'],
    ['help', ['help'], {}, EXIT.ok, 'Exit codes: 0 ok'],
    ['nothing at all', [], {}, EXIT.ok, 'Usage: sluice'],
    ['the version', ['-V'], {}, EXIT.ok, '0.1.0'],
  ];
  test.concurrent.each(cases)('%s', { timeout: 60_000 }, async (_what, argv, env, exit, words) => {
    const ran = await world.spawn(argv, { env });
    expect(ran.out + ran.err).toContain(words);
    expect(ran.exit).toBe(exit);
  });

  test('something else at the address', { timeout: 60_000 }, async () => {
    const other = createNetServer((socket) => socket.end('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi'));
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
    const { port } = other.address() as { port: number };
    const ran = await runApart(['status'], { env: { ...world.env, SLUICE_URL: `http://127.0.0.1:${port}` } });
    other.close();
    expect(ran).toMatchObject({ exit: EXIT.error, err: expect.stringContaining('NOT_A_CONTROL_PLANE') });
  });
});

describe('with input that stays open and says nothing', () => {
  const args: Readonly<Record<string, readonly string[]>> = {
    deploy: ['good'],
    // What is run again is whatever other tests left last, which may be one that takes its time.
    retry: ['--timeout', '5s'],
    rollback: ['--timeout', '5s'],
    reject: ['--reason', 'no'],
    logs: ['good'],
    'hold lift': ['good', 'none'],
    server: ['-C', '/'],
    init: ['--dry-run'],
    completion: ['bash'],
  };
  // Which code it is depends on what is under way; that it ends, and with JSON, is what is looked at here.
  test.concurrent.each(COMMANDS.map((command) => command.path.join(' ')))('%s ends', { timeout: 60_000 }, async (name) => {
    const ran = await world.spawn([...name.split(' '), ...(args[name] ?? []), '--json']);
    expect([0, 1, 2, 3, 4, 5, 124]).toContain(ran.exit);
    expect(() => JSON.parse(ran.out.trim().split('\n').at(-1) ?? '') as unknown).not.toThrow();
  });
});

test('every outcome has its code', () => {
  const outcomes: readonly Outcome[] = ['Succeeded', 'Failed', 'Errored', 'Aborted', 'RolledBack', 'RollbackFailed'];
  expect(outcomes.map(exitOfOutcome)).toEqual([0, 3, 1, 1, 5, 5]);
  expect(outcomes.map(exitOfPuttingBack)).toEqual([1, 0, 0, 0, 0, 5]);
  expect([exitOfOutcome(null), exitOfPuttingBack(null)]).toEqual([1, 1]);
});

test('a plan that deploys nothing is a success only where all is there', () => {
  const left = (keptBack?: 'held' | 'unhealthy') => ({ app: 'web', reason: 'x', ...(keptBack === undefined ? {} : { keptBack }) });
  expect(exitOfPlan({ apps: [], unchanged: [left()] })).toBe(EXIT.ok);
  expect(exitOfPlan({ apps: [], unchanged: [left(), left('held')] })).toBe(EXIT.waiting);
  expect(exitOfPlan({ apps: [], unchanged: [left('unhealthy')] })).toBe(EXIT.waiting);
  expect(exitOfPlan({ apps: [], unchanged: [] })).toBe(EXIT.error);
});
