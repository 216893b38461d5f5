import { DEFAULT_RULES } from '../../edge/rules.ts';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { ResolvedApp, ResolvedEnvironment } from '../../changes/environment.ts';
import type { KnownApp, KnownManifest, PlanInput } from './make-plan.ts';
import { makePlan } from './make-plan.ts';
import { makeRetryPlan, makeRollbackPlan } from './make-rollback.ts';
import { holdOn, holdSettings } from '../state/holds.ts';
import type { Plan, Strategy, VersionRef } from './plan.ts';
import { isIntact, versionId, withHash } from './plan.ts';

const run = { command: ['node', 'x'], env: {}, instances: 1, listens: true, drainMs: 1000 };

function app(name: string, more: Partial<ResolvedApp> = {}): ResolvedApp {
  return {
    app: name,
    path: `apps/${name}`,
    platform: 'processes',
    dependsOn: [],
    build: { command: null, output: '.', env: {} },
    run,
    health: null,
    smoke: null,
    routes: [],
    sticky: { by: 'cookie' },
    strategy: { kind: 'allAtOnce', soakMs: 0 },
    deadlines: { buildMs: 1, healthyMs: 1, smokeMs: 1, progressMs: 1 },
    concurrency: 'queue',
    ...more,
  };
}

function environment(...apps: ResolvedApp[]): ResolvedEnvironment {
  return {
    workspace: 'shop',
    name: 'production',
    uncommitted: 'ignore',
    deadlines: { queueMs: 1, pauseMs: 1, rollbackMs: 1 },
    edge: { kind: 'embedded', port: 0, sticky: { by: 'cookie' }, rules: DEFAULT_RULES },
    apps,
  };
}

const digest = (letter: string): string => `sha256:${letter.repeat(64)}`;
const version = (letter: string, more: Partial<VersionRef> = {}): VersionRef => ({
  id: versionId(digest(letter), more.run ?? run, null),
  artifact: digest(letter),
  commit: letter.repeat(40),
  run,
  health: null,
  ...more,
});
const past = (letter: string, release: string): KnownApp['history'][number] => ({
  version: version(letter),
  fingerprint: `f-${letter}`,
  release,
  at: 0,
});

function known(name: string, more: Partial<KnownApp> = {}): KnownApp {
  return { app: name, platform: 'processes', stable: version('a'), fingerprint: `f-${name}`, history: [], held: [], ...more };
}
const manifest = (...apps: KnownApp[]): KnownManifest => ({
  environment: 'production',
  apps: Object.fromEntries(apps.map((entry) => [entry.app, entry])),
});
const source = { commit: 'd'.repeat(40), branch: 'main', dirty: false };

function plan(apps: ResolvedApp[], runs: KnownManifest, more: Partial<PlanInput> = {}): Plan {
  return makePlan({
    environment: environment(...apps),
    source,
    fingerprints: new Map(apps.map((entry) => [entry.app, `f-${entry.app}`])),
    manifest: runs,
    ...more,
  });
}
const reasons = (made: Plan): Record<string, string> => Object.fromEntries(made.apps.map((entry) => [entry.app, entry.reason]));
const left = (made: Plan): Record<string, string> => Object.fromEntries(made.unchanged.map((entry) => [entry.app, entry.reason]));

describe('what is in the plan, and why', () => {
  test('what was never stable, and nothing that is as it was', () => {
    const made = plan([app('api'), app('web')], manifest(known('api')));
    expect(reasons(made)).toEqual({ web: 'first deploy' });
    expect(left(made)).toEqual({ api: 'nothing changed' });
    expect(made.apps[0]).toMatchObject({ stable: null, artifact: null, fingerprint: 'f-web' });
    expect(isIntact(made)).toBe(true);
  });

  test('changed sources, with the commit they changed since', () => {
    const old = manifest(known('api', { fingerprint: 'old' }));
    expect(reasons(plan([app('api')], old))).toEqual({ api: 'source changed since aaaaaaa' });
    const because = new Map([['api', 'depends on packages/ui, packages/ui/x.ts changed']]);
    expect(reasons(plan([app('api')], old, { because }))).toEqual({ api: 'depends on packages/ui, packages/ui/x.ts changed' });
  });

  test('what depends on something changed, and says so', () => {
    const runs = manifest(known('api', { fingerprint: 'old' }), known('web', { fingerprint: 'old' }));
    const made = plan([app('api'), app('web', { dependsOn: ['api'] })], runs, {
      because: new Map([
        ['api', 'source changed since aaaaaaa'],
        ['web', 'depends on api'],
      ]),
    });
    expect(reasons(made)).toEqual({ api: 'source changed since aaaaaaa', web: 'depends on api' });
    expect(made.apps.map((entry) => entry.dependsOn)).toEqual([[], ['api']]);
  });

  test('changed settings by name, never their values', () => {
    const changed = app('api', {
      run: { ...run, env: { TOKEN: 'hunter2' }, instances: 3 },
      health: { path: '/up', intervalMs: 1, timeoutMs: 1 },
    });
    const made = plan([changed], manifest(known('api')));
    expect(reasons(made)).toEqual({ api: 'settings changed: health, run.env.TOKEN, run.instances' });
  });

  test('another platform', () => {
    expect(reasons(plan([app('api')], manifest(known('api', { platform: 'containers' }))))).toEqual({
      api: 'platform changed from containers to processes',
    });
  });

  test('only what was asked for, even when nothing changed', () => {
    const apps = [app('api'), app('web'), app('worker')];
    const runs = manifest(known('api'), known('web'), known('worker', { fingerprint: 'old' }));
    const made = plan(apps, runs, { only: ['web'] });
    expect(reasons(made)).toEqual({ web: 'asked for by name' });
    expect(left(made)).toEqual({ api: 'nothing changed', worker: 'not asked for (source changed since aaaaaaa)' });
    expect(reasons(plan(apps, runs, { force: true }))).toEqual({ api: 'forced', web: 'forced', worker: 'source changed since aaaaaaa' });
    expect(() => plan(apps, runs, { only: ['wep'] })).toThrow(
      expect.objectContaining({
        code: 'UNKNOWN_APP',
        message: expect.stringContaining('Did you mean "web"?'),
        hint: 'Apps: api, web, worker.',
      }),
    );
  });

  test('nothing that is held, unless the hold is lifted; something newer goes', () => {
    const held = { version: 'v', fingerprint: 'f-api', reason: 'errors 12 %', release: 'r7', at: Date.UTC(2026, 0, 31, 8, 15) };
    const runs = manifest(known('api', { fingerprint: 'old', held: [held] }));
    expect(left(plan([app('api')], runs))).toEqual({
      api: 'held since 2026-01-31 08:15 UTC by release r7 (errors 12 %); changed sources or settings lift it',
    });
    expect(plan([app('api')], runs, { only: ['api'], force: true }).apps).toEqual([]);
    expect(plan([app('api')], runs, { liftHold: true }).apps).toHaveLength(1);
    expect(plan([app('api')], runs, { fingerprints: new Map([['api', 'newer']]) }).apps).toHaveLength(1);
  });

  test('what was corrected in the configuration alone, and says what', () => {
    const health = { path: '/up', intervalMs: 1, timeoutMs: 1 };
    const bad = app('api', { health, smoke: { command: null, paths: ['/wrong'], timeoutMs: 1 } });
    const held = { version: 'v', fingerprint: 'f-api', settings: holdSettings(bad), reason: 'smoke', release: 'r7', at: 0 };
    const first = manifest(known('api', { stable: null, fingerprint: null, held: [held] }));
    const same = plan([bad], first);
    expect([same.apps, same.unchanged]).toEqual([[], [{ app: 'api', reason: expect.stringContaining('held since'), keptBack: 'held' }]]);
    const corrected = { ...bad, smoke: { command: null, paths: ['/right'], timeoutMs: 1 } };
    expect(reasons(plan([corrected], first))).toEqual({ api: 'first deploy; smoke changed since it was held' });
  });

  test('a hold is lifted by any one part of the configuration, by a value, and by nothing else', () => {
    const token = (identity?: string) => ({ fromEnv: 'TOKEN', ...(identity === undefined ? {} : { identity }) });
    const steps: Strategy = {
      kind: 'canary',
      steps: [{ kind: 'weight', weight: 5 }],
      auto: { harm: 1, longestMs: 1, requestsPerSecond: null },
      analysis: null,
      soakMs: 0,
    };
    const base = app('api', { run: { ...run, env: { TOKEN: token('one'), LEVEL: 'info' } }, strategy: steps });
    const held = [{ version: 'v', fingerprint: 'f-api', settings: holdSettings(base), reason: 'x', release: 'r', at: 0 }];
    const isHeld = (more: Partial<ResolvedApp>): boolean => holdOn(held, { ...base, ...more, fingerprint: 'f-api' }) !== null;
    const changes: readonly Partial<ResolvedApp>[] = [
      { run: { ...base.run, instances: 2 } },
      { run: { ...base.run, command: ['node', 'y'] } },
      { run: { ...base.run, env: { TOKEN: token('two'), LEVEL: 'info' } } },
      { run: { ...base.run, env: { TOKEN: token('one'), LEVEL: 'debug' } } },
      { run: { ...base.run, env: { TOKEN: { fromEnv: 'OTHER', identity: 'one' }, LEVEL: 'info' } } },
      { health: { path: '/', intervalMs: 1, timeoutMs: 1 } },
      { smoke: { command: ['true'], paths: [], timeoutMs: 1 } },
      { routes: [{ host: null, pathPrefix: '/api' }] },
      { sticky: { by: 'header', header: 'x' } },
      { strategy: { kind: 'allAtOnce', soakMs: 0 } },
      { strategy: { ...steps, soakMs: 1 } },
      { deadlines: { ...base.deadlines, healthyMs: 2 } },
    ];
    const others: readonly Partial<ResolvedApp>[] = [
      {},
      { dependsOn: ['db'], concurrency: 'reject', checked: true },
      { strategy: { kind: 'canary', steps: [{ kind: 'weight', weight: 9 }], explained: 'for the traffic', analysis: null, soakMs: 0 } },
    ];
    expect(changes.map(isHeld)).toEqual(changes.map(() => false));
    expect(others.map(isHeld)).toEqual(others.map(() => true));
    fc.assert(
      fc.property(fc.subarray([...changes]), fc.subarray([...others]), (some, irrelevant) => {
        expect(isHeld(Object.assign({}, ...irrelevant.slice(0, 2), ...some))).toBe(some.length === 0);
      }),
    );
  });

  test('a hold of an earlier version of Sluice, which kept no settings, is on the sources', () => {
    const held = [{ version: 'v', fingerprint: 'f-api', reason: 'x', release: 'r', at: 0 }];
    expect(holdOn(held, { ...app('api', { health: { path: '/', intervalMs: 1, timeoutMs: 1 } }), fingerprint: 'f-api' })).not.toBeNull();
  });

  test('a dependent of something held does not wait for it', () => {
    const held = { version: 'v', fingerprint: 'f-api', reason: 'x', release: 'r', at: 0 };
    const made = plan([app('api'), app('web', { dependsOn: ['api'] })], manifest(known('api', { fingerprint: 'old', held: [held] })));
    expect(made.apps.map((entry) => [entry.app, entry.dependsOn])).toEqual([['web', []]]);
  });

  test('what the configuration no longer has is mentioned', () => {
    expect(left(plan([], manifest(known('old'), known('never', { stable: null }))))).toEqual({
      old: 'no longer in the configuration; left running',
    });
  });

  test('dependencies reach through what is left alone', () => {
    const apps = [app('web', { dependsOn: ['api'] }), app('api', { dependsOn: ['db'] }), app('db')];
    const made = plan(apps, manifest(known('api')));
    expect(made.apps.map((entry) => [entry.app, entry.dependsOn])).toEqual([
      ['db', []],
      ['web', ['db']],
    ]);
  });
});

describe('the hash', () => {
  const base = (): Plan => plan([app('api', { dependsOn: ['db'] }), app('db')], manifest(known('api', { fingerprint: 'old' })));

  test('is the same for equal inputs, whatever the order of apps and keys', () => {
    const reversed = <T extends object>(value: T): T => ({ ...Object.fromEntries(Object.entries(value).toReversed()), ...value });
    const apps = [app('a', { dependsOn: ['b', 'c'], run: { ...run, env: { X: '1', Y: '2' } } }), app('b'), app('c')];
    fc.assert(
      fc.property(fc.shuffledSubarray(apps, { minLength: 3 }), (shuffled) => {
        const turned = shuffled.map((entry) => reversed({ ...entry, run: reversed({ ...entry.run, env: reversed(entry.run.env) }) }));
        expect(plan(turned, manifest()).hash).toBe(plan(apps, manifest()).hash);
      }),
      { numRuns: 20 },
    );
  });

  test('changes with every single value of the plan', () => {
    const made = base();
    const changes: unknown[] = [];
    const vary = (value: unknown, put: (changed: unknown) => unknown): void => {
      if (Array.isArray(value)) {
        changes.push(put([...value, 'more']));
        value.forEach((item, i) => vary(item, (changed) => put(value.with(i, changed))));
      } else if (typeof value === 'object' && value !== null) {
        for (const [key, item] of Object.entries(value)) if (key !== 'hash') vary(item, (changed) => put({ ...value, [key]: changed }));
      } else changes.push(put(typeof value === 'number' ? value + 1 : typeof value === 'boolean' ? !value : `${String(value)}x`));
    };
    vary(made, (changed) => changed);
    expect(changes.length).toBeGreaterThan(50);
    expect(new Set([made.hash, ...changes.map((changed) => withHash({ ...made, ...Object(changed) }).hash)]).size).toBe(changes.length + 1);
  });
});

describe('rollback', () => {
  const runs = manifest(
    known('api', {
      stable: version('c'),
      history: [past('c', 'r3'), past('b', 'r2'), past('a', 'r1')],
      held: [{ version: version('b').id, fingerprint: 'f-b', reason: 'x', release: 'r2', at: 0 }],
    }),
    known('web', { stable: version('c'), history: [past('b', 'r2')] }),
    known('new'),
  );
  const apps = [
    app('api', { strategy: { kind: 'canary', steps: [], analysis: null, soakMs: 7 } }),
    app('web', { dependsOn: ['api'], strategy: { kind: 'recreate' } }),
    app('new'),
    app('none'),
  ];
  const rollback = (names: string[], to?: string): Plan =>
    makeRollbackPlan({ environment: environment(...apps), manifest: runs, apps: names, ...(to === undefined ? {} : { to }) });

  test('goes to the newest earlier version that is not held, with its own settings, at once', () => {
    const made = rollback(['api']);
    expect(made).toMatchObject({ kind: 'rollback', source: { commit: 'a'.repeat(40), dirty: false } });
    expect(made.apps).toMatchObject([
      {
        app: 'api',
        artifact: digest('a'),
        fingerprint: 'f-a',
        stable: version('c'),
        build: null,
        run,
        strategy: { kind: 'allAtOnce', soakMs: 7 },
        reason: `back to version ${version('a').id} of release r1`,
      },
    ]);
    expect(isIntact(made)).toBe(true);
  });

  test('goes to the version that was named, held or not', () => {
    expect(rollback(['api'], version('b').id.slice(0, 6)).apps[0]?.artifact).toBe(digest('b'));
  });

  test('puts dependents back first, and keeps recreate', () => {
    const made = rollback(['api', 'web']);
    expect(made.apps.map((entry) => [entry.app, entry.dependsOn, entry.strategy.kind])).toEqual([
      ['web', [], 'recreate'],
      ['api', ['web'], 'allAtOnce'],
    ]);
    expect(made.source.commit).toBeNull();
  });

  test.each<[string, string[], string | undefined, string]>([
    ['no earlier version', ['new'], undefined, 'NOTHING_TO_ROLL_BACK_TO'],
    ['never healthy', ['none'], undefined, 'NOTHING_TO_ROLL_BACK_TO'],
    ['the version that runs', ['api'], version('c').id, 'NOTHING_TO_ROLL_BACK_TO'],
    ['a version that is not known', ['api'], 'zzzz', 'UNKNOWN_VERSION'],
    ['a beginning that fits several', ['api'], '', 'UNKNOWN_VERSION'],
    ['one version for several apps', ['api', 'web'], 'abc', 'UNKNOWN_VERSION'],
    ['an app that is not there', ['ap'], undefined, 'UNKNOWN_APP'],
  ])('refuses %s', (_name, names, to, code) => {
    expect(() => rollback(names, to)).toThrow(expect.objectContaining({ code }));
  });
});

describe('retry', () => {
  const old = plan([app('api'), app('web', { dependsOn: ['api'] })], manifest());

  test('is the same plan on top of what is stable now', () => {
    expect(makeRetryPlan(old, manifest(), environment()).hash).toBe(old.hash);
    const now = manifest(known('web', { fingerprint: 'other' }));
    expect(makeRetryPlan(old, now, environment()).apps.map((entry) => entry.stable)).toEqual([null, version('a')]);
  });

  test('leaves alone what got there meanwhile', () => {
    const made = makeRetryPlan(old, manifest(known('api')), environment());
    expect(made.apps.map((entry) => [entry.app, entry.dependsOn])).toEqual([['web', []]]);
    expect(left(made)).toEqual({ api: 'stable already' });
    expect(() => makeRetryPlan(old, manifest(known('api'), known('web')), environment())).toThrow(
      expect.objectContaining({ code: 'NOTHING_TO_RETRY' }),
    );
  });

  test('does not take other settings for the same', () => {
    const other = { ...run, instances: 9 };
    expect(makeRetryPlan(old, manifest(known('api', { stable: version('a', { run: other }) })), environment()).apps).toHaveLength(2);
  });
});
