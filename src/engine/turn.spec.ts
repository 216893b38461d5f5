import { expect, test } from 'vitest';
import type { Effect } from '../core/release/runbook/effects.ts';
import type { ReleaseState } from '../core/release/state/state.ts';
import type { Sql } from './postgres/connection.ts';
import type { Runbook } from './runbook.ts';
import type { States } from './states.ts';
import { takeTurn } from './turn.ts';

const state = { release: 'r1', stage: 'rolling', plan: { apps: [] }, rollouts: {} } as unknown as ReleaseState;
const effectOf = (lane: string, kind: 'record' | 'verify'): Effect =>
  ({ kind, lane, key: `${lane}/${kind}`, ...(kind === 'record' ? { events: [] } : {}) }) as unknown as Effect;

function turn(effects: readonly Effect[], isBusy: (lane: string) => boolean) {
  const sql = {
    query: async (text: string) => ({ rows: text.startsWith('SELECT holder') ? [{ holder: 'me', fence: 1, wakeAt: null }] : [] }),
  } as unknown as Sql;
  const runbook = { evolve: () => state, next: () => ({ effects, wakeAt: null }) } as unknown as Runbook;
  const states = { load: async () => ({ state, version: 3 }) } as unknown as States;
  return takeTurn(
    sql,
    { runbook, states, now: () => 0 },
    { release: 'r1', lane: 'a', holder: 'me', fence: 1, facts: [], isBusy, isLast: () => false },
  );
}

test('a lane that falls idle in the middle of a turn does not have its own work given to a performer', async () => {
  let looks = 0;
  const taken = await turn([effectOf('b', 'record')], () => (looks += 1) === 1);
  expect(taken?.turn.effect).toBeNull();
});

test('what is to be performed is that of the lane, or else of an idle one', async () => {
  const all = [effectOf('b', 'verify'), effectOf('c', 'verify'), effectOf('a', 'verify')];
  expect((await turn(all, () => false))?.turn.effect?.key).toBe('a/verify');
  expect((await turn(all.slice(0, 2), (lane) => lane === 'b'))?.turn.effect?.key).toBe('c/verify');
  expect((await turn(all.slice(0, 2), () => true))?.turn.effect).toBeNull();
});
