import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { changedSettings } from './differences.ts';
import { didYouMean, editDistance, suggestion } from '../text/did-you-mean.ts';
import { fingerprints } from './fingerprint.ts';
import { closure, cycles, inDependencyOrder } from './order.ts';

describe('did you mean', () => {
  const words = ['strategy', 'steps', 'canary', 'blueGreen', 'run', 'env', 'production'];
  test.each([
    ['strateggy', 'strategy'],
    ['canry', 'canary'],
    ['cnaary', 'canary'],
    ['bluegreen', 'blueGreen'],
    ['prod', 'production'],
    ['rnu', 'run'],
    ['xyz', null],
    ['environment', 'env'],
    ['', null],
  ])('%s → %s', (written, meant) => {
    expect(didYouMean(written, words)).toBe(meant);
  });

  test('as words', () => {
    expect(suggestion('canry', words)).toBe(' Did you mean "canary"?');
    expect(suggestion('xyz', words)).toBe('');
  });

  test('the distance is symmetric, and 0 only for equal texts', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 8 }), fc.string({ maxLength: 8 }), (a, b) => {
        expect(editDistance(a, b)).toBe(editDistance(b, a));
        expect(editDistance(a, b) === 0).toBe(a === b);
      }),
    );
  });
});

describe('dependency order', () => {
  const nodes = (graph: Record<string, string[]>) => Object.entries(graph).map(([name, dependsOn]) => ({ name, dependsOn }));

  test('each after what it needs, otherwise by name', () => {
    expect(inDependencyOrder(nodes({ web: ['api', 'unknown'], api: ['db'], db: [], a: ['web'] }))).toEqual(['db', 'api', 'web', 'a']);
    expect(inDependencyOrder(nodes({ c: [], a: [], b: [] }))).toEqual(['a', 'b', 'c']);
  });

  test('cycles are shown, each once', () => {
    expect(cycles(nodes({ a: ['b'], b: ['c', 'x'], c: ['a'], d: ['d'], x: ['y'], y: [] }))).toEqual([
      ['a', 'b', 'c', 'a'],
      ['d', 'd'],
    ]);
    expect(cycles(nodes({ a: ['b', 'c'], b: ['d'], c: ['d'], d: [] }))).toEqual([]);
  });

  test('a graph without cycles is ordered in full; one with cycles is not', () => {
    const graph = fc
      .uniqueArray(fc.constantFrom('a', 'b', 'c', 'd', 'e'), { minLength: 1 })
      .chain((names) => fc.record(Object.fromEntries(names.map((name) => [name, fc.subarray(names)]))));
    fc.assert(
      fc.property(graph, (dependencies) => {
        const order = inDependencyOrder(nodes(dependencies));
        expect(order.length === Object.keys(dependencies).length).toBe(cycles(nodes(dependencies)).length === 0);
        order.forEach((name, i) => expect(dependencies[name]?.every((other) => order.indexOf(other) < i)).toBe(true));
      }),
    );
  });

  test('all that something needs, near or far', () => {
    expect([...closure('a', nodes({ a: ['b'], b: ['c'], c: ['b'], d: [] }))].toSorted()).toEqual(['b', 'c']);
  });
});

describe('fingerprints', () => {
  const build = { command: ['make'], output: 'dist', env: { A: '1' } };
  const of = (graph: Record<string, { tree?: string; dependsOn?: string[]; build?: typeof build }>) =>
    fingerprints(
      Object.entries(graph).map(([app, { tree = 't', dependsOn = [], build: own = build }]) => ({ app, tree, dependsOn, build: own })),
    );

  test('change with the sources, the build settings, and those of what the app needs, near or far', () => {
    const before = of({ a: { dependsOn: ['b'] }, b: { dependsOn: ['c'] }, c: {}, d: {} });
    const changed = (after: ReadonlyMap<string, string>): string[] =>
      [...after]
        .filter(([app, value]) => before.get(app) !== value)
        .map(([app]) => app)
        .toSorted();
    expect(changed(of({ a: { dependsOn: ['b'] }, b: { dependsOn: ['c'] }, c: { tree: 'u' }, d: {} }))).toEqual(['a', 'b', 'c']);
    expect(changed(of({ a: { dependsOn: ['b'] }, b: { dependsOn: ['c'], build: { ...build, env: { A: '2' } } }, c: {}, d: {} }))).toEqual([
      'a',
      'b',
    ]);
    expect(changed(of({ a: { dependsOn: ['b'] }, b: { dependsOn: ['c'] }, c: {}, d: { build: { ...build, output: '.' } } }))).toEqual([
      'd',
    ]);
    expect(changed(of({ a: { dependsOn: ['b', 'd'] }, b: { dependsOn: ['c'] }, c: {}, d: {} }))).toEqual(['a']);
  });

  test('do not depend on any order of writing', () => {
    const one = of({ a: { dependsOn: ['b', 'c'] }, b: {}, c: { tree: 'u' } });
    const other = of({ c: { tree: 'u' }, b: {}, a: { dependsOn: ['c', 'b', 'c'] } });
    expect(other.get('a')).toBe(one.get('a'));
  });

  test('stay the same from one version of Sluice to the next (a change here rebuilds everything everywhere)', () => {
    expect(of({ a: {} }).get('a')).toBe('c44dc26db53551a106f4e2e96f78dc30ee02f58e5c350980b1866f3fb2d0d7f0');
  });
});

describe('settings that differ', () => {
  const run = { command: ['node'], env: { A: '1', B: { fromEnv: 'X' } }, instances: 1, listens: true, drainMs: 1 };
  const health = { path: '/up', intervalMs: 1, timeoutMs: 1 };
  test('are named, never shown', () => {
    const after = { run: { ...run, env: { A: 'secret', B: { fromEnv: 'Y' }, C: 'new' }, instances: 2, command: ['deno'] }, health: null };
    expect(changedSettings({ run, health }, after)).toEqual([
      'health',
      'run.command',
      'run.env.A',
      'run.env.B',
      'run.env.C',
      'run.instances',
    ]);
    expect(changedSettings({ run, health }, { run, health: { ...health, path: '/' } })).toEqual(['health.path']);
    expect(changedSettings({ run, health }, { run: { ...run, env: { B: { fromEnv: 'X' }, A: '1' } }, health: { ...health } })).toEqual([]);
  });
});
