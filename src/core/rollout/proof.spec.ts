import { describe, expect, it } from 'vitest';
import type { Effect } from '../release/runbook/effects.ts';
import type { ReleaseEvent } from '../release/state/events.ts';
import { violation } from '../release/runbook/guards.ts';
import { next } from '../release/runbook/next.ts';
import type { Strategy } from '../release/plan/plan.ts';
import type { ReleaseState } from '../release/state/state.ts';
import { acquired, at, built, deployed, given, healthy, NEW, OLD, requested, started, type Timed } from '../../../test/worlds/histories.ts';

/** Users have to be seen to reach the new version before anything is built on its traffic. */

const CANARY: Strategy = {
  kind: 'canary',
  steps: [
    { kind: 'weight', weight: 20 },
    { kind: 'bake', forMs: 5_000 },
  ],
  analysis: null,
  soakMs: 10_000,
};
const AT_ONCE: Strategy = { kind: 'allAtOnce', soakMs: 10_000 };

function told(strategy: Strategy, ...events: readonly (ReleaseEvent | Timed)[]): ReleaseState {
  return given([requested(strategy), acquired(OLD), started(), built(), deployed(), healthy(), ...events]);
}
const shifted = (weight: number): Extract<ReleaseEvent, { type: 'WeightsShifted' }> => ({
  type: 'WeightsShifted',
  app: 'web',
  weights: { [OLD.id]: 100 - weight, [NEW.id]: weight },
  toProve: true,
});
const proven: ReleaseEvent = { type: 'RoutesProven', app: 'web', version: NEW.id, routes: [] };
const broken: ReleaseEvent = { type: 'RoutesBroken', app: 'web', version: NEW.id, reason: '/ is answered with 502' };
const promoted: ReleaseEvent = { type: 'RolloutPromoted', app: 'web' };
const effects = (state: ReleaseState, now: number): readonly Effect[] => next(state, now).effects;

describe('after a shift the edge is asked', () => {
  it('and nothing goes on before it has answered', () => {
    const asked = told(CANARY, shifted(20));
    expect(effects(asked, 0)).toMatchObject([{ kind: 'probe', version: { id: NEW.id }, until: 30_000 }]);
    expect(asked.rollouts['web']).toMatchObject({ step: 0, edgeProof: { state: 'open' } });
    expect(told(CANARY, shifted(20), proven).rollouts['web']).toMatchObject({ step: 1, edgeProof: { state: 'proven' } });
  });

  it('and a no turns the release round, traffic first', () => {
    const [effect] = effects(told(CANARY, shifted(20), broken), 0);
    expect(effect).toMatchObject({
      kind: 'record',
      events: [
        { type: 'RolloutFailed', cause: { kind: 'verdict', code: 'NOT_SERVED', message: '/ is answered with 502' } },
        { type: 'RollbackStarted' },
      ],
    });
    const back = told(CANARY, shifted(20), broken, ...(effect?.kind === 'record' ? effect.events : []));
    expect(effects(back, 0)).toMatchObject([{ kind: 'shift', weights: { [OLD.id]: 100, [NEW.id]: 0 } }]);
  });

  it('and what another version answers proves nothing', () => {
    const state = told(CANARY, shifted(20), { ...proven, version: OLD.id });
    expect(effects(state, 0)).toMatchObject([{ kind: 'probe' }]);
  });

  it('and `promote --full` does not leave it out', () => {
    const full: ReleaseEvent = { type: 'PromoteRequested', by: 'ann', full: true, app: null };
    expect(effects(told(AT_ONCE, shifted(100), full), 0)).toMatchObject([{ kind: 'probe' }]);
    expect(effects(told(CANARY, shifted(20), full), 0)).toMatchObject([{ kind: 'shift', weights: { [NEW.id]: 100 } }]);
  });

  it('but not where there is no edge, nor in a release that an earlier version of Sluice has shifted', () => {
    const state = told(AT_ONCE, { ...shifted(100), toProve: false });
    expect(effects(state, 0)).toMatchObject([{ kind: 'record', events: [{ type: 'RolloutPromoted' }] }]);
  });
});

describe('before old versions are stopped', () => {
  const soaking = [shifted(100), proven, promoted] as const;

  it('the edge is asked again after the soak, then health is looked at', () => {
    expect(effects(told(AT_ONCE, ...soaking), 10_000)).toMatchObject([{ kind: 'probe', until: 40_000 }]);
    expect(effects(told(AT_ONCE, ...soaking, at(10_000, proven)), 10_001)).toMatchObject([{ kind: 'verify' }]);
    expect(effects(told(AT_ONCE, ...soaking, at(10_000, broken)), 10_001)).toMatchObject([{ events: [{ type: 'RolloutFailed' }, {}] }]);
  });

  it('proofs that have grown old while it waited for others are given anew', () => {
    const ready = [...soaking, at(10_000, proven), at(10_010, healthy())] as const;
    expect(effects(told(AT_ONCE, ...ready), 10_020)).toMatchObject([{ events: [{ type: 'FinishingStarted' }] }]);
    const old = 3_600_000;
    expect(effects(told(AT_ONCE, ...ready), old)).toMatchObject([{ kind: 'probe' }]);
    expect(effects(told(AT_ONCE, ...ready, at(old, proven)), old)).toMatchObject([{ kind: 'verify' }]);
    const fresh = [at(old, proven), at(old, healthy())];
    expect(effects(told(AT_ONCE, ...ready, ...fresh), old)).toMatchObject([{ events: [{ type: 'FinishingStarted' }] }]);
    expect(effects(told(AT_ONCE, ...ready, at(old, broken)), old)).toMatchObject([{ events: [{ type: 'RolloutFailed' }, {}] }]);
  });

  it('a version that has ended by itself since it was first seen healthy fails, however well it is now', () => {
    const seen = (restarts: number): ReleaseEvent => ({ type: 'VersionHealthy', app: 'web', version: NEW.id, restarts });
    const before = [requested(AT_ONCE), acquired(OLD), started(), built(), deployed(), seen(1), shifted(100), proven, promoted] as const;
    const after = (restarts: number) => given([...before, at(10_000, proven), at(10_010, seen(restarts))]);
    expect(effects(after(1), 10_020)).toMatchObject([{ events: [{ type: 'FinishingStarted' }] }]);
    expect(effects(after(3), 10_020)).toMatchObject([
      {
        events: [
          { type: 'RolloutFailed', cause: { code: 'UNHEALTHY', message: expect.stringContaining('has ended 2 times by itself') } },
          {},
        ],
      },
    ]);
  });

  it('the guard refuses to stop the old version while the edge has not been asked', () => {
    const state: ReleaseState = { ...told(AT_ONCE, shifted(100)), stage: 'finishing' };
    const app = state.rollouts['web']?.app ?? expect.unreachable();
    const retire = { kind: 'retire', app, version: OLD, keep: NEW, key: 'k', lane: 'web', deadline: 0 } as const;
    expect(violation(state, retire)).toMatch(/users have not been seen to reach the candidate/);
    expect(violation({ ...told(AT_ONCE, shifted(100), proven), stage: 'finishing' }, retire)).toBeNull();
  });
});

describe('after a rollback the edge is asked for the stable version', () => {
  const turned = [
    shifted(20),
    broken,
    { type: 'RollbackStarted', cause: { kind: 'verdict', app: 'web', code: 'NOT_SERVED', message: 'no' } },
  ] as const;
  const back: ReleaseEvent = { ...shifted(0), weights: { [OLD.id]: 100, [NEW.id]: 0 } };
  const retired: ReleaseEvent = { type: 'VersionRetired', app: 'web', version: NEW.id };
  const restored: ReleaseEvent = { type: 'StableRestored', app: 'web', kept: false };
  const stableProven: ReleaseEvent = { ...proven, version: OLD.id };
  const stableBroken: ReleaseEvent = { ...broken, version: OLD.id };
  const ended = (...events: readonly ReleaseEvent[]) => effects(told(CANARY, ...turned, back, ...events, retired, restored), 20)[0];

  it('once traffic is back, and before the rejected one is stopped', () => {
    expect(effects(told(CANARY, ...turned, back), 0)).toMatchObject([{ kind: 'probe', version: { id: OLD.id }, until: 30_000 }]);
    expect(effects(told(CANARY, ...turned, back, proven), 0)).toMatchObject([{ kind: 'probe', version: { id: OLD.id } }]);
    expect(effects(told(CANARY, ...turned, back, stableProven), 0)).toMatchObject([{ kind: 'retire', version: { id: NEW.id } }]);
  });

  it('and it is RolledBack on a yes alone: on a no it is RollbackFailed, whoever turned it round', () => {
    expect(ended(stableProven)).toMatchObject({ events: [{ type: 'ReleaseEnded', outcome: 'RolledBack' }] });
    expect(ended(stableBroken)).toMatchObject({
      events: [{ outcome: 'RollbackFailed', reason: `users do not reach ${OLD.id} of web again: / is answered with 502; web: no` }],
    });
    const aborted: ReleaseEvent = {
      type: 'RollbackStarted',
      cause: { kind: 'person', app: null, code: 'ABORTED', message: 'aborted by ann' },
    };
    const state = told(CANARY, shifted(20), proven, aborted, back, stableBroken, retired, restored);
    expect(effects(state, 20)).toMatchObject([{ events: [{ outcome: 'RollbackFailed' }] }]);
  });

  it('and when it could not be asked in time, it is RollbackFailed although traffic is back', () => {
    const state = told(CANARY, ...turned, back);
    expect(effects(state, state.plan.deadlines.rollbackMs + 1)).toMatchObject([{ events: [{ outcome: 'RollbackFailed' }] }]);
  });

  it('but not where users were never moved', () => {
    const cause = { kind: 'verdict', app: 'web', code: 'SMOKE_FAILED', message: 'answered 500' } as const;
    const state = told(AT_ONCE, { type: 'RollbackStarted', cause }, back);
    expect(effects(state, 0)).toMatchObject([{ kind: 'retire', version: { id: NEW.id } }]);
  });
});
