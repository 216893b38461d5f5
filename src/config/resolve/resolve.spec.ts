import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { SEQUENTIAL_DEFAULTS } from '../../core/analysis/policy.ts';
import type { ResolvedApp, ResolvedEnvironment } from '../../core/changes/environment.ts';
import { resolveEnvironment } from './resolve.ts';
import type { Config } from '../schema/workspace.ts';
import { validate } from '../validate/validate.ts';

function resolve(config: Config, name = 'production'): ResolvedEnvironment {
  const checked = validate(config);
  expect(checked.mistakes).toEqual([]);
  return resolveEnvironment(config, name);
}

function app(settings: Partial<Config['apps'][string]>, environment: NonNullable<Config['environments']>[string] = {}): ResolvedApp {
  const [web] = resolve({
    workspace: 'shop',
    apps: { web: { path: 'web', run: 'node x', ...settings } },
    environments: { production: environment },
  }).apps;
  if (web === undefined) throw new Error('no app');
  return web;
}

test('everything left out has the default that the reference says', () => {
  expect(app({})).toEqual({
    app: 'web',
    path: 'web',
    platform: 'processes',
    dependsOn: [],
    build: { command: null, output: '.', env: {} },
    run: { command: ['node', 'x'], env: {}, instances: 1, listens: false, drainMs: 30_000 },
    health: null,
    smoke: null,
    routes: [],
    sticky: { by: 'cookie' },
    strategy: { kind: 'allAtOnce', soakMs: 30_000 },
    deadlines: { buildMs: 600_000, healthyMs: 30_000, smokeMs: 60_000, progressMs: 600_000 },
    concurrency: 'queue',
  });
  expect(resolve({ workspace: 'shop', apps: {} })).toMatchObject({
    uncommitted: 'ignore',
    deadlines: { queueMs: 3_600_000, pauseMs: 86_400_000, rollbackMs: 300_000 },
    edge: { kind: 'embedded', port: 8080, sticky: { by: 'cookie' } },
  });
});

test('"canary" is 5 % first, half an hour, errors under 1 %, latency within 10 % of the old version', () => {
  const { strategy } = app({ routes: ['/'], strategy: 'canary' });
  expect(strategy).toMatchObject({ kind: 'canary', soakMs: 30_000, analysis: SEQUENTIAL_DEFAULTS });
  expect(strategy.kind === 'canary' && strategy.steps.slice(0, 3)).toEqual([
    { kind: 'weight', weight: 5 },
    { kind: 'bake', forMs: 1_800_000 },
    { kind: 'weight', weight: 25 },
  ]);
});

describe('the judge', () => {
  const analysis = (own: Config['apps'][string]['analysis'], strategy: 'canary' | 'blueGreen' = 'canary'): unknown => {
    const found = app({ routes: ['/'], strategy, ...(own === undefined ? {} : { analysis: own }) }).strategy;
    return found.kind === 'canary' || found.kind === 'blueGreen' ? found.analysis : null;
  };

  test('is the sequential one, with what was said changed', () => {
    expect(analysis('sequential')).toEqual(SEQUENTIAL_DEFAULTS);
    expect(analysis({ latency: false, errors: { limit: 0.05 }, interval: '5s', alphaFail: 0.001 })).toEqual({
      ...SEQUENTIAL_DEFAULTS,
      latency: null,
      errors: { ...SEQUENTIAL_DEFAULTS.errors, limit: 0.05 },
      intervalMs: 5000,
      alphaFail: 0.001,
    });
  });

  test('is the threshold one where metrics are given, and at 100 %', () => {
    const defaults = {
      judge: 'threshold',
      intervalMs: 60_000,
      initialDelayMs: 0,
      noData: 'inconclusive',
      minRequests: 100,
      metrics: [
        {
          name: 'errorRate',
          success: { compare: '<', value: 0.01, of: 'candidate' },
          failure: null,
          failureLimit: 2,
          consecutiveErrorLimit: 4,
          minRequests: 1000,
        },
        { name: 'p95', measure: { kind: 'latency', quantile: 0.95 }, success: { compare: '<=', value: 1.1, of: 'ratio' } },
      ],
    };
    expect(analysis('threshold')).toMatchObject(defaults);
    expect(analysis(undefined, 'blueGreen')).toMatchObject(defaults);
    expect(analysis({ metrics: [{ measure: 'p99', failure: '> 2 s', name: 'tail' }] })).toMatchObject({
      judge: 'threshold',
      metrics: [
        { name: 'tail', success: null, failure: { compare: '>', value: 2000, of: 'candidate' }, failureLimit: 0, minRequests: 100 },
      ],
    });
    expect(analysis(false)).toBeNull();
  });

  test.each(['sequential', 'threshold', 'kayenta'] as const)(
    'compares status classes and routes, unless that is switched off: %s',
    (judge) => {
      for (const what of ['classes', 'routes']) {
        expect(analysis({ judge })).not.toHaveProperty(what);
        expect(analysis({ judge, [what]: true })).toEqual(analysis({ judge }));
        expect(analysis({ judge, [what]: false })).toMatchObject({ judge, [what]: false });
      }
    },
  );
});

test('steps are written out in order', () => {
  const { strategy } = app({
    routes: ['/'],
    analysis: false,
    strategy: { kind: 'canary', steps: [1, { weight: 10, bake: '1m', pause: true }, { pause: 500 }], soak: 0 },
  });
  expect(strategy).toEqual({
    kind: 'canary',
    steps: [
      { kind: 'weight', weight: 1 },
      { kind: 'weight', weight: 10 },
      { kind: 'bake', forMs: 60_000 },
      { kind: 'pause', forMs: null },
      { kind: 'pause', forMs: 500 },
    ],
    analysis: null,
    soakMs: 0,
  });
});

describe('which value counts', () => {
  test('app over environment, app in the environment over both', () => {
    const found = app(
      { env: { A: 'app', B: 'app' }, run: { command: 'x', env: { B: 'run' } }, concurrency: 'reject' },
      { env: { A: 'env', C: 'env', D: 'env' }, concurrency: 'supersede', apps: { web: { env: { D: 'both' } } } },
    );
    expect(found.run.env).toEqual({ A: 'app', B: 'run', C: 'env', D: 'both' });
    expect(found.concurrency).toBe('reject');
    expect(app({}, { concurrency: 'supersede' }).concurrency).toBe('supersede');
  });

  test('objects are merged with short forms, lists and commands replaced', () => {
    const found = app(
      { run: 'node x --old', health: '/up', build: ['make'], smoke: '/a', routes: ['/a', '/b'] },
      {
        apps: {
          web: { run: { instances: 3 }, health: { interval: '2s' }, build: { output: 'dist' }, smoke: { timeout: '1s' }, routes: ['/c'] },
        },
      },
    );
    expect(found.run).toMatchObject({ command: ['node', 'x', '--old'], instances: 3, listens: true });
    expect(found.health).toEqual({ path: '/up', intervalMs: 2000, timeoutMs: 5000 });
    expect(found.build).toMatchObject({ command: ['make'], output: 'dist' });
    expect(found.smoke).toEqual({ command: null, paths: ['/a'], timeoutMs: 1000 });
    expect(found.routes).toEqual([{ host: null, pathPrefix: '/c' }]);
  });

  test('health names its Host header and its statuses; the smoke test takes the same Host unless it has its own', () => {
    const found = app({ health: { host: 'Shop.Example', status: [204, '3xx'] }, smoke: '/' });
    expect(found.health).toMatchObject({
      host: 'shop.example',
      statuses: [
        { from: 204, to: 204 },
        { from: 300, to: 399 },
      ],
    });
    expect(found.smoke).toMatchObject({ host: 'shop.example' });
    expect(app({ health: { host: 'a.example' }, smoke: { paths: ['/'], host: 'b.example:81' } }).smoke).toMatchObject({
      host: 'b.example:81',
    });
    expect(app({ health: '/up', smoke: '/' })).toMatchObject({ health: expect.not.objectContaining({ host: expect.anything() }) });
  });

  test('a variable is replaced as a whole, and false takes a check away', () => {
    const found = app(
      { env: { A: { fromEnv: 'X' }, B: 'text' }, health: '/up', smoke: '/' },
      { apps: { web: { env: { A: 'text', B: { fromEnv: 'Y' } }, health: false, smoke: false } } },
    );
    expect(found.run.env).toEqual({ A: 'text', B: { fromEnv: 'Y' } });
    expect([found.health, found.smoke]).toEqual([null, null]);
  });

  test("an environment's strategy replaces all but recreate and the app's own there", () => {
    const strategies = (own: 'recreate' | 'canary', there?: 'blueGreen'): string =>
      app(
        { routes: ['/'], strategy: own },
        { strategy: 'allAtOnce', ...(there === undefined ? {} : { apps: { web: { strategy: there } } }) },
      ).strategy.kind;
    expect([strategies('canary'), strategies('recreate'), strategies('canary', 'blueGreen'), strategies('recreate', 'blueGreen')]).toEqual([
      'allAtOnce',
      'recreate',
      'blueGreen',
      'blueGreen',
    ]);
  });

  test("sticky: the app's, else the environment's", () => {
    expect(app({}, { edge: { sticky: { header: 'X-User' } } }).sticky).toEqual({ by: 'header', header: 'x-user' });
    expect(app({ sticky: 'none' }, { edge: { sticky: { header: 'X-User' } } }).sticky).toEqual({ by: 'none' });
  });
});

test('an environment that is not there is refused with what was meant', () => {
  expect(() => resolve({ workspace: 'shop', apps: {} }, 'prodution')).toThrow(
    'There is no environment "prodution". Did you mean "production"?',
  );
  expect(resolve({ workspace: 'shop', apps: {} }, 'development').uncommitted).toBe('include');
  expect(() => resolve({ workspace: 'shop', apps: {}, environments: { live: {} } }, 'production')).toThrow(
    expect.objectContaining({ code: 'UNKNOWN_ENVIRONMENT', hint: 'Environments of this workspace: live.' }),
  );
});

test('apps come in dependency order, whatever the order they are written in', () => {
  const dependsOn: Record<string, string[]> = { a: ['d'], b: ['a'], c: [], d: ['c'] };
  fc.assert(
    fc.property(fc.shuffledSubarray(Object.keys(dependsOn), { minLength: 4 }), (names) => {
      const apps = Object.fromEntries(names.map((name) => [name, { path: name, run: 'x', dependsOn: dependsOn[name] ?? [] }]));
      expect(resolve({ workspace: 'shop', apps }).apps.map((entry) => entry.app)).toEqual(['c', 'd', 'a', 'b']);
    }),
    { numRuns: 30 },
  );
});
