import { describe, expect, it } from 'vitest';
import { refusal } from './commands.ts';
import type { ReleaseEvent } from './events.ts';
import { evolve } from './evolve.ts';
import { next } from '../runbook/next.ts';
import { withHash } from '../plan/plan.ts';
import type { ReleaseState } from './state.ts';

const ABORT: ReleaseEvent = { type: 'AbortRequested', by: 'ann', reason: null };
const PROMOTE: ReleaseEvent = { type: 'PromoteRequested', by: 'ann', full: true, app: null };
const PAUSE: ReleaseEvent = { type: 'PauseRequested', by: 'ann', reason: null };
const TURN: ReleaseEvent = { type: 'RollbackStarted', cause: { kind: 'verdict', app: null, code: 'X', message: 'bad' } };
const PLAN = withHash({
  schema: 1,
  workspace: 'w',
  environment: 'production',
  kind: 'deploy',
  source: { commit: 'c', branch: null, dirty: false },
  apps: [],
  unchanged: [],
  deadlines: { queueMs: 1, pauseMs: 1, rollbackMs: 30_000 },
});

describe('FLY PR#3359: the point of no return is a stage of its own', () => {
  const finishing = given({ type: 'ReservationsAcquired', stables: {} }, { type: 'FinishingStarted' });

  it('before it everything can go back, after it nothing does', () => {
    expect(refusal(given({ type: 'ReservationsAcquired', stables: {} }), ABORT, 0)).toBeNull();
    for (const event of [ABORT, PROMOTE, PAUSE]) expect(refusal(finishing, event, 0)).toMatchObject({ code: 'TOO_LATE' });
  });

  it('even a command or a verdict that comes at the same moment does not turn it round', () => {
    for (const event of [ABORT, TURN]) expect(evolve(finishing, event, 0)).toMatchObject({ stage: 'finishing', cause: null });
  });
});

describe('a release that goes back', () => {
  const restoring = given({ type: 'ReservationsAcquired', stables: {} }, TURN);

  it('is not turned round once more', () => {
    for (const event of [ABORT, PROMOTE, PAUSE]) expect(refusal(restoring, event, 0)).toMatchObject({ code: 'TOO_LATE' });
    expect(evolve(restoring, PROMOTE, 0).stage).toBe('restoring');
    expect(evolve(restoring, { type: 'FinishingStarted' }, 0).stage).toBe('restoring');
  });

  it('keeps its first cause', () => {
    expect(evolve(restoring, ABORT, 0).cause).toMatchObject({ kind: 'verdict' });
  });
});

it('in line it can be taken out, and then holds nothing', () => {
  const aborted = evolve(given(), ABORT, 0);
  expect(next(aborted, 0).effects).toMatchObject([{ kind: 'record', events: [{ type: 'ReleaseEnded', outcome: 'Aborted' }] }]);
});

function given(...events: readonly ReleaseEvent[]): ReleaseState {
  const requested: ReleaseEvent = { type: 'ReleaseRequested', release: 'r1', plan: PLAN, by: 'ann', retryOf: null };
  return events.reduce((state, event) => evolve(state, event, 0), evolve(null, requested, 0));
}
