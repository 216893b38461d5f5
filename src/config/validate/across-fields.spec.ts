import { describe, expect, test } from 'vitest';
import { formatPath } from './problems.ts';
import type { AppConfig, Config } from '../schema/workspace.ts';
import { validate } from './validate.ts';

type Apps = Record<string, Partial<AppConfig>>;

function mistakes(apps: Apps, more: Partial<Config> = {}): string[] {
  const whole = Object.fromEntries(Object.entries(apps).map(([name, app]) => [name, { path: name, run: 'x', ...app }]));
  return validate({ workspace: 'shop', apps: whole, ...more }).mistakes.map((mistake) => `${formatPath(mistake.path)}: ${mistake.message}`);
}

const one = (found: string[]): string => {
  expect(found).toHaveLength(1);
  return found[0] ?? '';
};

describe('dependencies', () => {
  test('on an app that is not there', () => {
    const { mistakes: found } = validate({
      workspace: 'shop',
      apps: { api: { path: 'a', run: 'x' }, web: { path: 'w', run: 'x', dependsOn: ['apy'] } },
    });
    expect(found).toMatchObject([{ path: ['apps', 'web', 'dependsOn', 0], suggestion: 'api' }]);
  });

  test('in a circle, which is shown, once', () => {
    expect(one(mistakes({ c: { dependsOn: ['a'] }, a: { dependsOn: ['b'] }, b: { dependsOn: ['c'] }, d: { dependsOn: ['a'] } }))).toContain(
      'apps.a.dependsOn: these apps wait for each other: a → b → c → a',
    );
    expect(one(mistakes({ a: { dependsOn: ['a'] } }))).toContain('a → a');
  });

  test('are checked although the app is wrong elsewhere', () => {
    expect(mistakes({ a: { dependsOn: ['b'], path: '' } })).toHaveLength(2);
  });
});

describe('routes', () => {
  test('of two apps that are the same', () => {
    expect(one(mistakes({ a: { routes: ['shop.example.com/x'] }, b: { routes: ['/', { host: 'SHOP.example.com', path: '/x/' }] } }))).toBe(
      'apps.b.routes[1]: shop.example.com /x is a route of a already; give one of them another host or path.',
    );
  });

  test('that clash in one environment only are said there', () => {
    const environments = { development: {}, production: { apps: { b: { routes: ['/'] } } } };
    expect(one(mistakes({ a: { routes: ['/'] }, b: { routes: ['/b'] } }, { environments }))).toContain(
      'environments.production.apps.b.routes[0]: any host / is a route of a',
    );
  });

  test('that differ by host or prefix are fine', () => {
    expect(mistakes({ a: { routes: ['/'] }, b: { routes: ['/b', 'b.example.com'] } })).toEqual([]);
  });

  test('need an app that listens', () => {
    expect(one(mistakes({ a: { routes: ['/'], run: { command: 'x', listens: false } } }))).toContain(
      'apps.a.run.listens: found false, but the app has routes',
    );
    expect(one(mistakes({ a: { health: '/up', run: { command: 'x', listens: false } } }))).toContain('a health path');
  });
});

describe('strategies', () => {
  test.each(['canary', 'blueGreen'] as const)('%s without routes is refused, and says what to use', (strategy) => {
    expect(one(mistakes({ worker: { strategy } }))).toMatch(/apps\.worker\.strategy: .*no routes.*allAtOnce.*recreate/);
  });

  test("an environment's strategy that does not fit all apps is said there, once", () => {
    const environments = { production: { strategy: 'canary' as const } };
    expect(one(mistakes({ web: { routes: ['/'] }, worker: {}, other: {} }, { environments }))).toContain(
      'environments.production.strategy: canary shifts traffic, but one of the apps here has no routes',
    );
    expect(mistakes({ web: { routes: ['/'] }, worker: { strategy: 'recreate' } }, { environments })).toEqual([]);
  });

  const canary = (...steps: Exclude<Extract<AppConfig['strategy'], { kind: 'canary' }>['steps'], 'auto' | undefined>): Apps => ({
    web: { routes: ['/'], strategy: { kind: 'canary', steps } },
  });
  test.each<[string, Apps, string]>([
    [
      'weights that fall',
      canary({ weight: 20, bake: '2m' }, 10),
      'apps.web.strategy.steps[1]: found 10; weights only grow, and the one before is 20.',
    ],
    ['weights that stay', canary({ weight: 20, bake: '2m' }, { weight: 20 }), 'apps.web.strategy.steps[1].weight: found 20;'],
    [
      'weights too fine',
      canary({ weight: 0.25, bake: '2m' }),
      'apps.web.strategy.steps[0].weight: found 0.25; allowed: at most one decimal.',
    ],
    [
      'a bake before any weight',
      canary({ bake: '2m' }, { weight: 20, bake: '2m' }),
      'apps.web.strategy.steps[0].bake: there is no traffic',
    ],
    ['no weight', canary({ pause: true }, { pause: true }), 'apps.web.strategy.steps: no step has a weight'],
    [
      'a bake that ends before anything is judged',
      canary({ weight: 20, bake: '1m' }),
      'apps.web.strategy.steps[0].bake: found "1m"; the first 60 s of a bake are not judged',
    ],
    ['no bake', canary(5, { pause: true }), 'apps.web.strategy.steps: no step has a bake'],
  ])('%s', (_name, apps, expected) => {
    expect(mistakes(apps).join('\n')).toContain(expected);
  });

  test('steps of one decimal, and without a bake when nothing is analysed', () => {
    expect(mistakes(canary({ weight: 0.1, bake: '2m' }, 0.3, 12.5))).toEqual([]);
    expect(mistakes({ web: { routes: ['/'], analysis: false, strategy: { kind: 'canary', steps: [5, { pause: '1m' }] } } })).toEqual([]);
  });
});

describe('analysis', () => {
  type Metrics = NonNullable<Exclude<AppConfig['analysis'], false | string | undefined>['metrics']>;
  const metrics = (...list: Metrics): Apps => ({ web: { analysis: { metrics: list } } });
  test.each<[string, Apps, string]>([
    ['neither success nor failure', metrics({ measure: 'p95' }), 'apps.web.analysis.metrics[0]: has neither success nor failure'],
    ['an error rate in ms', metrics({ measure: 'errorRate', success: '< 5 ms' }), 'metrics[0].success: found "< 5 ms"'],
    ['a latency in %', metrics({ measure: 'p95', failure: '> 5 %' }), 'metrics[0].failure: found "> 5 %"'],
    [
      'two of one name',
      metrics({ measure: 'p95', success: '< 5 ms' }, { measure: 'p95', failure: '> 9 ms' }),
      'metrics[1].measure: "p95" is the name of an earlier metric',
    ],
    ['nothing that counts', metrics({ measure: 'p95', success: '< 5 ms', dryRun: true }), 'metrics: all metrics are dryRun'],
  ])('%s', (_name, apps, expected) => {
    expect(one(mistakes(apps))).toContain(expected);
  });
});

test.each<[string, Partial<AppConfig>, string]>([
  [
    'metrics for the sequential judge',
    { analysis: { judge: 'sequential', metrics: [{ measure: 'p95', success: '< 5 ms' }] } },
    'apps.web.analysis.metrics: metrics is for another judge than sequential.',
  ],
  [
    'margins for the threshold judge',
    { analysis: { metrics: [{ measure: 'p95', success: '< 5 ms' }], latency: false } },
    'apps.web.analysis.latency: latency is for another judge than threshold, which this one is.',
  ],
  [
    'the sequential judge at 100 %',
    { routes: ['/'], strategy: 'blueGreen', analysis: 'sequential' },
    'apps.web.analysis.judge: found "sequential", which compares',
  ],
])('%s', (_name, app, expected) => {
  expect(one(mistakes({ web: app }))).toContain(expected);
});

describe('commands and the rest', () => {
  test('shell syntax in a command that no shell reads', () => {
    expect(one(mistakes({ a: { build: 'npm ci && npm run build' } }))).toContain('apps.a.build: "&&" is for a shell');
    expect(mistakes({ a: { run: ['sh', '-c', 'a && b'] } })).toEqual([]);
  });

  test('no command to run, unless every environment has one', () => {
    const environments = { production: { apps: { a: { run: 'x' } } } };
    const apps = { a: { path: 'a' } };
    expect(validate({ workspace: 's', apps, environments }).mistakes).toEqual([]);
    expect(validate({ workspace: 's', apps, environments: { ...environments, staging: {} } }).mistakes).toMatchObject([
      { path: ['apps', 'a', 'run'], message: expect.stringContaining('is missing') },
    ]);
  });

  test('a smoke test that tests nothing, an output outside, an override of no app', () => {
    expect(one(mistakes({ a: { smoke: {} } }))).toContain('apps.a.smoke: tests nothing');
    expect(one(mistakes({ a: { build: { output: '../x' } } }))).toContain('apps.a.build.output: "../x" leads outside the app');
    expect(one(mistakes({ a: {} }, { environments: { production: { apps: { b: {} } } } }))).toContain(
      'environments.production.apps.b: there is no app "b"',
    );
  });

  test('two apps may share a folder', () => {
    expect(mistakes({ web: { path: 'app' }, worker: { path: 'app' } })).toEqual([]);
  });
});
