import { describe, expect, test } from 'vitest';
import { planOf, versionOf } from '../../../../test/engine/world.ts';
import type { ReleaseEvent } from './events.ts';
import { evolve } from './evolve.ts';
import { withHash } from '../plan/plan.ts';
import { holdOn } from './holds.ts';
import { liftHold, projectApp, projectRelease, type EnvironmentApp } from './readmodels.ts';
import type { ReleaseState } from './state.ts';

/** Fold one release of `web` into the app's entry. */
function after(
  entry: EnvironmentApp | null,
  source: string,
  events: readonly ReleaseEvent[],
  options: { readonly at?: number; readonly rollback?: boolean } = {},
): EnvironmentApp | null {
  const { at = 0, rollback = false } = options;
  const { hash: _hash, ...plan } = planOf(['web'], { source });
  const first: ReleaseEvent = {
    type: 'ReleaseRequested',
    release: `r-${source}`,
    plan: withHash({ ...plan, kind: rollback ? 'rollback' : 'deploy' }),
    by: 'ann',
    retryOf: null,
  };
  const acquired: ReleaseEvent = { type: 'ReservationsAcquired', stables: { web: entry?.stable ?? null } };
  let state: ReleaseState | null = null;
  let result = entry;
  for (const event of [first, acquired, ...events]) {
    state = evolve(state, event, at);
    result = projectApp(result, event, state, at);
  }
  return result;
}

const built = (source: string): ReleaseEvent => ({
  type: 'ArtifactBuilt',
  app: 'web',
  version: versionOf('web', source),
  reused: false,
  log: null,
});
const shifted = (weights: Record<string, number>): ReleaseEvent => ({ type: 'WeightsShifted', app: 'web', weights, toProve: false });
const finished: ReleaseEvent = { type: 'RolloutFinished', app: 'web', note: null };
const started: ReleaseEvent = { type: 'RolloutStarted', app: 'web' };
const id = (source: string) => versionOf('web', source).id;
const released = (entry: EnvironmentApp | null, source: string, options: { readonly at?: number; readonly rollback?: boolean } = {}) =>
  after(
    entry,
    source,
    [started, built(source), shifted({ ...(entry?.stable == null ? {} : { [entry.stable.id]: 0 }), [id(source)]: 100 }), finished],
    options,
  );
const failed = (kind: 'verdict' | 'technical' | 'person'): ReleaseEvent => ({
  type: 'RolloutFailed',
  app: 'web',
  cause: { kind, app: 'web', code: 'X', message: 'too many errors' },
});

describe('what runs of an app', () => {
  test('a first version becomes stable when its rollout finishes, not before', () => {
    expect(after(null, 'one', [started, built('one'), shifted({ [id('one')]: 100 })])).toMatchObject({
      stable: null,
      weights: { [id('one')]: 100 },
    });
    expect(released(null, 'one', { at: 5 })).toMatchObject({
      stable: { id: id('one') },
      fingerprint: 'f-web-one',
      release: 'r-one',
      since: 5,
      history: [],
    });
  });

  test('the one before goes into the history, newest first, at most ten and each once', () => {
    let entry = released(null, 's0');
    for (let index = 1; index <= 12; index += 1) entry = released(entry, `s${index}`, { at: index });
    expect(entry?.weights).toEqual({ [id('s12')]: 100 });
    expect(entry?.history.map(({ version }) => version.commit)).toEqual(['s11', 's10', 's9', 's8', 's7', 's6', 's5', 's4', 's3', 's2']);
    const again = released(entry, 's11', { at: 13 });
    expect(again?.history.map(({ version }) => version.commit)).toEqual(['s12', 's10', 's9', 's8', 's7', 's6', 's5', 's4', 's3', 's2']);
  });

  test.each(['verdict', 'person'] as const)('a version that failed by %s is held; a technical failure holds nothing', (kind) => {
    const entry = released(null, 'one');
    const bad = after(
      entry,
      'two',
      [
        started,
        built('two'),
        failed(kind),
        { type: 'RollbackStarted', cause: { kind, app: 'web', code: 'X', message: 'too many errors' } },
      ],
      { at: 9 },
    );
    expect(bad?.held).toEqual([
      { version: id('two'), fingerprint: 'f-web-two', settings: expect.any(Object), reason: 'too many errors', release: 'r-two', at: 9 },
    ]);
    const [app] = planOf(['web'], { source: 'two' }).apps;
    if (app === undefined) throw new Error('no app');
    expect(holdOn(bad?.held ?? [], app)?.version).toBe(id('two'));
    expect(holdOn(bad?.held ?? [], { ...app, fingerprint: 'f-web-three' })).toBeNull();
    expect(holdOn(bad?.held ?? [], { ...app, health: { path: '/other', intervalMs: 1, timeoutMs: 1 } })).toBeNull();
    expect(bad === null ? null : liftHold(bad, id('two')).held).toEqual([]);
    expect(after(entry, 'two', [started, built('two'), failed('technical')])?.held).toEqual([]);
  });

  test('a release that a person aborts as a whole holds nothing', () => {
    const entry = released(null, 'one');
    expect(after(entry, 'two', [started, built('two'), { type: 'AbortRequested', by: 'bob', reason: null }])?.held).toEqual([]);
  });

  test('rolling back rejects what ran, and makes what was rejected before welcome again', () => {
    const two = released(released(null, 'one'), 'two');
    const back = released(two, 'one', { rollback: true, at: 7 });
    expect(back).toMatchObject({ stable: { commit: 'one' }, held: [{ version: id('two'), reason: 'rolled back by ann' }] });
    expect(released(back, 'two')).toMatchObject({ stable: { commit: 'two' }, held: [] });
  });

  test('sources that build what runs already count as deployed', () => {
    const entry = released(null, 'one');
    const { hash: _hash, ...plan } = planOf(['web'], { source: 'renamed' });
    const events: ReleaseEvent[] = [
      { type: 'ReleaseRequested', release: 'r2', plan: withHash(plan), by: 'ann', retryOf: null },
      { type: 'ReservationsAcquired', stables: { web: versionOf('web', 'one') } },
      started,
      built('one'),
      { type: 'RolloutSkipped', app: 'web', reason: 'the same' },
    ];
    let state: ReleaseState | null = null;
    let result = entry;
    for (const event of events) {
      state = evolve(state, event, 1);
      result = projectApp(result, event, state, 1);
    }
    expect(result).toMatchObject({ fingerprint: 'f-web-renamed', stable: { commit: 'one' }, release: 'r-one' });
  });
});

test('the list of releases says how each ended', () => {
  const requested: ReleaseEvent = { type: 'ReleaseRequested', release: 'r1', plan: planOf(['web', 'api']), by: 'ann', retryOf: null };
  const ended: ReleaseEvent = { type: 'ReleaseEnded', outcome: 'Errored', reason: 'disk full' };
  const state = evolve(null, requested, 1);
  const row = projectRelease(null, requested, state, 1);
  expect(row).toMatchObject({ id: 'r1', apps: ['web', 'api'], requestedAt: 1, endedAt: null, outcome: null });
  expect(projectRelease(row, ended, evolve(state, ended, 2), 2)).toMatchObject({
    id: 'r1',
    endedAt: 2,
    outcome: 'Errored',
    reason: 'disk full',
  });
});
