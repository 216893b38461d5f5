import { describe, expect, it } from 'vitest';
import type { Reading } from '../../analysis/reading.ts';
import { refusal } from '../state/commands.ts';
import type { Effect } from './effects.ts';
import type { ReleaseEvent } from '../state/events.ts';
import { evolve } from '../state/evolve.ts';
import { violation } from './guards.ts';
import { next } from './next.ts';
import type { PlannedApp } from '../plan/plan.ts';
import type { ReleaseState } from '../state/state.ts';
import {
  CANARY,
  NEW,
  OLD,
  type Timed,
  acquired,
  at,
  built,
  deployed,
  given,
  healthy,
  requested,
  shifted,
  started,
  weights,
} from '../../../../test/worlds/histories.ts';

describe('a release waits its turn', () => {
  it('asks for its apps first', () => {
    expect(when(given([requested()])).effects).toMatchObject([{ kind: 'reserve', apps: [{ app: 'web', concurrency: 'queue' }] }]);
  });

  it('AR#4975: waits behind the release that has its app, and is told when it is free', () => {
    const waiting = [requested(), busy('r0')];
    expect(when(given(waiting))).toMatchObject({ effects: [], wakeAt: 300_000 });
    expect(when(given([...waiting, { type: 'ReservationFreed', app: 'web', by: 'r0' }])).effects).toMatchObject([{ kind: 'reserve' }]);
  });

  it('KG#2661: does not wait for ever', () => {
    const decision = when(given([requested(), busy('r0')]), 600_000);
    expect(decision.effects).toMatchObject([
      { kind: 'record', events: [{ type: 'ReleaseEnded', outcome: 'Errored', reason: 'waited too long for web, held by r0' }] },
    ]);
  });

  it('builds on what is stable when its turn comes, not on what the plan saw', () => {
    const state = given([requested(), { type: 'ReservationsAcquired', stables: { web: NEW } }]);
    expect(state.rollouts['web']).toMatchObject({ app: { stable: { id: NEW.id } }, weights: { [NEW.id]: 100 } });
  });
});

describe('a canary', () => {
  const baking = [...upTo('healthy'), shifted(5)];

  it('builds, deploys, verifies, then gives 5 % to the new version', () => {
    expect(when(given(upTo('started'))).effects).toMatchObject([{ kind: 'build' }]);
    expect(when(given(upTo('built'))).effects).toMatchObject([{ kind: 'deploy', version: { id: NEW.id }, weights: { [OLD.id]: 100 } }]);
    expect(when(given(upTo('deployed'))).effects).toMatchObject([{ kind: 'verify', until: 30_000 }]);
    expect(when(given(upTo('healthy'))).effects).toMatchObject([{ kind: 'shift', weights: { [OLD.id]: 95, [NEW.id]: 5 } }]);
  });

  it('reads the counters at once and then each interval', () => {
    expect(when(given(baking)).effects).toMatchObject([{ kind: 'collect', previous: null, baseline: OLD.id }]);
    const looked = [...baking, sample(0, 0, null)];
    expect(when(given(looked), 500)).toMatchObject({ effects: [], wakeAt: 1_000 });
    expect(when(given(looked), 1_000).effects).toMatchObject([{ kind: 'collect', since: 0 }]);
  });

  it('FL#1011, AR docs bluegreen: the clock alone never makes a pass; without requests it pauses and says why', () => {
    const state = given([...baking, sample(0, 0, null), at(10_000, sample(10_000, 0, 0))]);
    expect(when(state, 10_000).effects).toMatchObject([
      {
        kind: 'record',
        events: [
          { type: 'AnalysisCompleted', verdict: { phase: 'Inconclusive' } },
          { type: 'RolloutPaused', reason: 'inconclusive' },
        ],
      },
    ]);
  });

  it('goes to 100 % on evidence', () => {
    const state = given([...baking, sample(0, 0, null), at(10_000, sample(10_000, 100, 0))]);
    const [effect] = when(state, 10_000).effects;
    expect(effect).toMatchObject({
      kind: 'record',
      events: [
        { type: 'AnalysisCompleted', verdict: { phase: 'Successful' } },
        { type: 'StepStarted', step: 2 },
      ],
    });
    const promoted = given([...baking, sample(0, 0, null), at(10_000, sample(10_000, 100, 0)), ...recorded(effect)]);
    expect(when(promoted, 10_001).effects).toMatchObject([{ kind: 'shift', weights: { [OLD.id]: 0, [NEW.id]: 100 } }]);
  });

  it('a bake that nobody looked at, because its control plane had died, begins when somebody looks', () => {
    const late = [...baking, at(15_000, sample(15_000, 0, null))];
    expect(when(given(late), 15_000)).toMatchObject({ effects: [], wakeAt: 16_000 });
    const seen = given([...late, at(24_000, sample(24_000, 100, 0))]);
    expect(when(seen, 24_000).effects).toMatchObject([
      { kind: 'record', events: [{ type: 'AnalysisCompleted', verdict: { phase: 'Successful' } }, {}] },
    ]);
  });

  it('AR#1411: fails at once on bad evidence, in the middle of a bake', () => {
    const state = given([...baking, sample(0, 0, null), at(1_000, sample(1_000, 100, 40))]);
    expect(when(state, 1_000).effects).toMatchObject([
      {
        kind: 'record',
        events: [
          { type: 'AnalysisCompleted', verdict: { phase: 'Failed' } },
          { type: 'RolloutFailed' },
          { type: 'RollbackStarted', cause: { kind: 'verdict' } },
        ],
      },
    ]);
  });

  it('AR#943: a paused canary is still watched, and fails', () => {
    const paused: ReleaseEvent = { type: 'PauseRequested', by: 'ann', reason: null };
    const state = given([...baking, paused, sample(0, 0, null), at(1_000, sample(1_000, 100, 40))]);
    expect(when(state, 1_000).effects[0]).toMatchObject({ kind: 'record', events: [{}, { type: 'RolloutFailed' }, {}] });
  });

  it('FL scheduler: a metrics outage pauses, it does not roll back', () => {
    const outage = Array.from({ length: 5 }, (_, index): Timed => at(1_000 * (index + 1), errorSample(1_000 * (index + 1))));
    const state = given([...baking, sample(0, 0, null), ...outage]);
    expect(when(state, 5_000).effects).toMatchObject([
      {
        kind: 'record',
        events: [
          { type: 'AnalysisCompleted', verdict: { phase: 'Error' } },
          { type: 'RolloutPaused', reason: 'inconclusive' },
        ],
      },
    ]);
  });

  it('AR FAQ: the first deploy skips the steps', () => {
    const state = given([requested(CANARY, null), acquired(null), started(), built(), deployed(), healthy()]);
    expect(when(state).effects).toMatchObject([{ kind: 'shift', weights: { [NEW.id]: 100 } }]);
  });

  it('does not start a version that runs already', () => {
    const state = given([requested(), acquired(OLD), started(), { ...built(), version: OLD } as ReleaseEvent]);
    expect(when(state).effects).toMatchObject([{ kind: 'record', events: [{ type: 'RolloutSkipped' }] }]);
  });

  it('is seen healthy once more after the soak, before the old version goes', () => {
    const soaking = [...upTo('healthy'), shifted(100), { type: 'RolloutPromoted', app: 'web' }] as ReleaseEvent[];
    expect(when(given(soaking), 0)).toMatchObject({ effects: [], wakeAt: 1_000 });
    expect(when(given(soaking), 1_000).effects).toMatchObject([{ kind: 'verify' }]);
    const ready = [...soaking, at(1_000, healthy())];
    expect(when(given(ready), 1_000).effects).toMatchObject([{ kind: 'record', events: [{ type: 'FinishingStarted' }] }]);
    expect(when(given([...ready, { type: 'FinishingStarted' }]), 1_000).effects).toMatchObject([
      { kind: 'retire', version: { id: OLD.id }, keep: { id: NEW.id } },
    ]);
  });
});

describe('going back', () => {
  const failing = [...upTo('healthy'), shifted(5), failed()];

  it('AR#4841: traffic goes back before the candidate is stopped', () => {
    expect(when(given(failing)).effects).toMatchObject([{ kind: 'shift', weights: { [OLD.id]: 100, [NEW.id]: 0 } }]);
    const back = [...failing, weights({ [OLD.id]: 100, [NEW.id]: 0 })];
    expect(when(given(back)).effects).toMatchObject([{ kind: 'retire', version: { id: NEW.id }, keep: { id: OLD.id } }]);
    const retired = [...back, { type: 'VersionRetired', app: 'web', version: NEW.id } as const];
    expect(when(given(retired)).effects).toMatchObject([{ kind: 'record', events: [{ type: 'StableRestored', kept: false }] }]);
    const restored = [...retired, { type: 'StableRestored', app: 'web', kept: false } as const];
    expect(when(given(restored)).effects).toMatchObject([{ kind: 'record', events: [{ type: 'ReleaseEnded', outcome: 'RolledBack' }] }]);
  });

  it('pipe-cd#3468: a rollback that cannot be done ends in RollbackFailed, not in silence', () => {
    const stuck: ReleaseEvent = {
      type: 'EffectFailed',
      app: 'web',
      effect: 'shift',
      key: 'web/restore-traffic',
      blame: 'outside',
      code: 'X',
      message: 'edge is down',
    };
    expect(when(given([...failing, stuck]), 100).effects).toEqual([]);
    expect(when(given([...failing, stuck]), 250).effects).toMatchObject([{ kind: 'shift' }]);
    expect(when(given([...failing, stuck]), 30_000).effects).toMatchObject([
      { kind: 'record', events: [{ type: 'ReleaseEnded', outcome: 'RollbackFailed' }] },
    ]);
  });

  it('AR#4128: abort works before anything is deployed', () => {
    const aborted = [...upTo('started'), { type: 'AbortRequested', by: 'ann', reason: 'wrong branch' } as const];
    const decision = when(given(aborted));
    expect(decision.effects).toMatchObject([{ kind: 'record', events: [{ type: 'StableRestored', app: 'web' }] }]);
    const state = given([...aborted, { type: 'StableRestored', app: 'web', kept: false }]);
    expect(when(state).effects).toMatchObject([
      { kind: 'record', events: [{ type: 'ReleaseEnded', outcome: 'Aborted', reason: 'aborted by ann: wrong branch' }] },
    ]);
  });

  it('AR#1292: abort outside a rollout is refused and changes nothing', () => {
    const state = given([requested(), { type: 'ReleaseEnded', outcome: 'Succeeded', reason: '' }]);
    expect(refusal(state, { type: 'AbortRequested', by: 'ann', reason: null }, 0)).toMatchObject({ code: 'RELEASE_ENDED' });
    expect(evolve(state, { type: 'AbortRequested', by: 'ann', reason: null }, 0).stage).toBe('ended');
  });

  it('FL#1898: the only healthy copy is kept when a first deploy of several apps goes back', () => {
    const first = [requested(CANARY, null), acquired(null), started(), built(), deployed(), healthy(), weights({ [NEW.id]: 100 })];
    const state = given([
      ...first,
      { type: 'RollbackStarted', cause: { kind: 'verdict', app: 'other', code: 'X', message: 'other is bad' } },
    ]);
    expect(when(state).effects).toMatchObject([{ kind: 'record', events: [{ type: 'StableRestored', kept: true }] }]);
  });

  it('copilot-cli#4838: puts traffic on the version that still runs; deploys nothing', () => {
    expect(when(given(failing)).effects.some((effect) => effect.kind === 'deploy')).toBe(false);
  });

  it('a decision to go forward made just before the turn has no effect after it', () => {
    const state = given([...failing, { type: 'StepStarted', app: 'web', step: 2 }]);
    expect(state.rollouts['web']?.step).toBe(1);
  });
});

describe('people', () => {
  it('promote leaves the present step, and counts as their evidence', () => {
    const state = given([...upTo('healthy'), shifted(5), { type: 'PromoteRequested', by: 'ann', full: false, app: null }]);
    const [effect] = when(state).effects;
    expect(effect).toMatchObject({ kind: 'shift', weights: { [NEW.id]: 100 } });
    expect(violation(state, effect as Effect)).toBeNull();
  });

  it('promote --full skips the steps but not the health check', () => {
    const state = given([...upTo('deployed'), { type: 'PromoteRequested', by: 'ann', full: true, app: null }]);
    expect(when(state).effects).toMatchObject([{ kind: 'verify' }]);
    expect(
      when(given([...upTo('deployed'), { type: 'PromoteRequested', by: 'ann', full: true, app: null }, healthy()])).effects,
    ).toMatchObject([{ kind: 'shift', weights: { [NEW.id]: 100 } }]);
  });

  it('time spent paused is not bake time', () => {
    const looked = [...upTo('healthy'), shifted(5), sample(0, 0, null)];
    const paused = [
      ...looked,
      at(2_000, { type: 'PauseRequested', by: 'ann', reason: null }),
      at(60_000, { type: 'ResumeRequested', by: 'ann' }),
    ];
    expect(given(paused).rollouts['web']?.pausedMs).toBe(58_000);
    expect(when(given(paused), 67_000).effects).not.toContainEqual(expect.objectContaining({ kind: 'record' }));
  });

  it('a pause does not last for ever', () => {
    const state = given([...upTo('healthy'), shifted(5), sample(0, 0, null), { type: 'PauseRequested', by: 'ann', reason: null }]);
    expect(when(state, 60_000).effects).toContainEqual(
      expect.objectContaining({ kind: 'record', events: [expect.objectContaining({ type: 'RolloutFailed' }), expect.anything()] }),
    );
  });
});

describe('guards', () => {
  it.each([
    ['weights that do not sum to 100', { [OLD.id]: 50, [NEW.id]: 40 }, /sum to 90/],
    ['a version nobody knows', { stranger: 100 }, /neither stable nor candidate/],
    ['all traffic without evidence', { [OLD.id]: 0, [NEW.id]: 100 }, /no evidence/],
  ])('refuse %s', (_name, wanted, message) => {
    const state = given([...upTo('healthy'), shifted(5)]);
    const app = state.rollouts['web']?.app as PlannedApp;
    expect(violation(state, { kind: 'shift', app, versions: [OLD, NEW], weights: wanted, key: 'k', lane: 'web', deadline: 0 })).toMatch(
      message,
    );
  });

  it('refuse to stop the stable version before the release finishes', () => {
    const state = given([...upTo('healthy'), shifted(100)]);
    const app = state.rollouts['web']?.app as PlannedApp;
    expect(violation(state, { kind: 'retire', app, version: OLD, keep: NEW, key: 'k', lane: 'web', deadline: 0 })).toMatch(
      /last healthy copy/,
    );
  });
});

function when(state: ReleaseState, now = 0): ReturnType<typeof next> {
  return next(state, now);
}

function busy(holder: string): ReleaseEvent {
  return { type: 'ReservationBusy', app: 'web', holder };
}
function failed(): ReleaseEvent {
  return { type: 'RollbackStarted', cause: { kind: 'verdict', app: 'web', code: 'ANALYSIS_FAILED', message: 'too many errors' } };
}

function sample(time: number, requests: number, errors: number | null): ReleaseEvent {
  const arm = { requests, errors: errors ?? 0, latency: { 100: requests } };
  const reading: Reading = { epoch: 'e', at: time, versions: {} };
  return {
    type: 'SampleCollected',
    app: 'web',
    reading,
    sample: errors === null ? null : { fromAt: 0, at: time, candidate: arm, baseline: { ...arm, errors: 0 }, error: null },
  };
}

function errorSample(time: number): ReleaseEvent {
  return {
    type: 'SampleCollected',
    app: 'web',
    reading: null,
    sample: { fromAt: time - 1_000, at: time, candidate: null, baseline: null, error: 'connection refused' },
  };
}

function recorded(effect: Effect | undefined): readonly Timed[] {
  return effect?.kind === 'record' ? effect.events.map((event) => at(10_000, event)) : [];
}

function upTo(stage: 'started' | 'built' | 'deployed' | 'healthy'): ReleaseEvent[] {
  const all = [requested(), acquired(OLD), started(), built(), deployed(), healthy()];
  return all.slice(0, { started: 3, built: 4, deployed: 5, healthy: 6 }[stage]);
}
