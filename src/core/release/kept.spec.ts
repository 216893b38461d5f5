import { expect, test } from 'vitest';
import { planOf, versionOf } from '../../../test/engine/world.ts';
import type { ReleaseEvent } from './state/events.ts';
import { evolve } from './state/evolve.ts';
import { violation } from './runbook/guards.ts';
import { next } from './runbook/next.ts';
import { projectApp, type EnvironmentApp } from './state/readmodels.ts';
import type { ReleaseState } from './state/state.ts';

/**
 * FL#1898: what was kept because nothing else serves is the stable version for the next release. Were it forgotten, the next
 * release would take itself for the first one, and when it failed clear away the only copy that users have.
 */
test('a first deploy that is kept is what the next release starts from, and goes back to', () => {
  const first = story(null, 'one', [
    ...upTo('one'),
    { type: 'WeightsShifted', app: 'web', weights: { [idOf('one')]: 100 }, toProve: false },
    { type: 'RollbackStarted', cause: { kind: 'verdict', app: 'other', code: 'X', message: 'other is bad' } },
    { type: 'StableRestored', app: 'web', kept: true },
  ]);
  expect(first.entry).toMatchObject({ stable: { id: idOf('one') }, weights: { [idOf('one')]: 100 }, fingerprint: 'f-web-one' });

  const second = story(first.entry, 'two', [
    ...upTo('two'),
    { type: 'WeightsShifted', app: 'web', weights: { [idOf('one')]: 0, [idOf('two')]: 100 }, toProve: false },
    { type: 'AbortRequested', by: 'ann', reason: null },
  ]);
  const [back] = next(second.state, 0).effects;
  expect(back).toMatchObject({ kind: 'shift', weights: { [idOf('one')]: 100, [idOf('two')]: 0 } });
  expect(back === undefined ? null : violation(second.state, back)).toBeNull();
});

test('an app that went back to what it had keeps that', () => {
  const first = story(null, 'one', [
    ...upTo('one'),
    { type: 'WeightsShifted', app: 'web', weights: { [idOf('one')]: 100 }, toProve: false },
    { type: 'RolloutFinished', app: 'web', note: null },
  ]);
  const second = story(first.entry, 'two', [
    ...upTo('two'),
    { type: 'AbortRequested', by: 'ann', reason: null },
    { type: 'StableRestored', app: 'web', kept: false },
  ]);
  expect(second.entry).toEqual(first.entry);
});

function story(before: EnvironmentApp | null, source: string, events: readonly ReleaseEvent[]) {
  const requested: ReleaseEvent = {
    type: 'ReleaseRequested',
    release: `r-${source}`,
    plan: planOf(['web'], { source }),
    by: 'ann',
    retryOf: null,
  };
  const acquired: ReleaseEvent = { type: 'ReservationsAcquired', stables: { web: before?.stable ?? null } };
  let state: ReleaseState | null = null;
  let entry = before;
  for (const event of [requested, acquired, ...events]) {
    state = evolve(state, event, 0);
    entry = projectApp(entry, event, state, 0);
  }
  return { state: state as ReleaseState, entry };
}

function upTo(source: string): readonly ReleaseEvent[] {
  const version = versionOf('web', source);
  return [
    { type: 'RolloutStarted', app: 'web' },
    { type: 'ArtifactBuilt', app: 'web', version, reused: false, log: null },
    { type: 'VersionDeployed', app: 'web', version: version.id },
    { type: 'VersionHealthy', app: 'web', version: version.id },
  ];
}

function idOf(source: string): string {
  return versionOf('web', source).id;
}
