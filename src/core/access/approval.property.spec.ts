import fc from 'fast-check';
import { expect, test } from 'vitest';
import { planOf } from '../../../test/engine/world.ts';
import { refusal } from '../release/commands.ts';
import type { Effect } from '../release/effects.ts';
import type { ReleaseEvent } from '../release/events.ts';
import { evolve } from '../release/evolve.ts';
import { violation } from '../release/guards.ts';
import { next } from '../release/next.ts';
import { isIntact, type Plan, versionId, withHash } from '../release/plan.ts';
import type { PlannedApproval } from '../release/stages.ts';
import type { ReleaseState } from '../release/state.ts';

/** What people and chance may do, in any order. `forged`: written into the log without being asked for leave. */
type Move =
  | { readonly kind: 'yes'; readonly by: string; readonly plan: 'this' | 'other'; readonly forged: boolean }
  | { readonly kind: 'no'; readonly by: string }
  | { readonly kind: 'promote' | 'pause' | 'resume' | 'abort'; readonly by: string; readonly full: boolean }
  | { readonly kind: 'time'; readonly ms: number }
  | { readonly kind: 'work' }
  | { readonly kind: 'deployedByOthers' }
  | { readonly kind: 'alter' };

const EXPIRES_MS = 10_000;
const person = fc.constantFrom('ann', ' Ann', 'ANN', 'bob', 'BOB ', 'cleo', 'eve');
const move: fc.Arbitrary<Move> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('yes' as const),
      by: person,
      plan: fc.constantFrom('this', 'this', 'this', 'other'),
      forged: fc.boolean(),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('no' as const), by: person }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constantFrom('promote', 'pause', 'resume', 'abort'), by: person, full: fc.boolean() }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('time' as const), ms: fc.integer({ min: 1, max: 6_000 }) }) },
  { weight: 8, arbitrary: fc.constant({ kind: 'work' as const }) },
  { weight: 1, arbitrary: fc.constant({ kind: 'deployedByOthers' as const }) },
  { weight: 1, arbitrary: fc.constant({ kind: 'alter' as const }) },
);
const rule: fc.Arbitrary<PlannedApproval> = fc.record({
  number: fc.integer({ min: 1, max: 2 }),
  from: fc.constantFrom([], [{ role: 'lead', people: ['bob', 'cleo'] }], [{ role: 'lead', people: ['ann', 'bob'] }]),
  expiresMs: fc.constant(EXPIRES_MS),
  authors: fc.constantFrom([], ['cleo']),
});

interface Said {
  readonly by: string;
  readonly hash: string;
  readonly at: number;
}

/** Plays a story, and keeps its own books of who said what; `deploys`: effects that touch anything and were let through. */
function play(asked: PlannedApproval, moves: readonly Move[]): { readonly started: number; readonly wrong: string[] } {
  const plan = withHash({ ...planOf(['web']), approval: asked });
  let now = 1_000;
  let state: ReleaseState = evolve(null, { type: 'ReleaseRequested', release: 'r1', plan, by: 'ann', retryOf: null }, now);
  let runs: string | null = null;
  let askedAt: number | null = null;
  let altered = false;
  let reservedAt: number | null = null;
  let reservedOn: string | null = null;
  let denied = false;
  let started = 0;
  const said: Said[] = [];
  const wrong: string[] = [];

  const append = (event: ReleaseEvent): void => {
    if (event.type === 'ApprovalRequested') askedAt = now;
    if (event.type === 'ReservationsAcquired') [reservedAt, reservedOn] = [now, runs];
    state = evolve(state, event, now);
  };
  const command = (event: ReleaseEvent, forged: boolean): boolean => {
    if (!forged && refusal(state, event, now) !== null) return false;
    append(event);
    return true;
  };

  function check(effect: Effect): void {
    started += 1;
    const authors = new Set(['ann', ...asked.authors]);
    const names = said
      .filter(({ hash, at }) => hash === plan.hash && askedAt !== null && at >= askedAt && at < askedAt + EXPIRES_MS)
      .map(({ by }) => by.trim().toLowerCase())
      .filter((by) => !authors.has(by) && (asked.from.length === 0 || asked.from.some(({ people }) => people.includes(by))));
    if (new Set(names).size < asked.number)
      wrong.push(`${effect.kind} with ${[...new Set(names)].join(', ') || 'nobody'} of ${asked.number}`);
    if (askedAt === null || reservedAt === null || reservedAt >= askedAt + EXPIRES_MS)
      wrong.push(`${effect.kind} after the approval had expired`);
    if (denied) wrong.push(`${effect.kind} although it was rejected`);
    if (reservedOn !== null) wrong.push(`${effect.kind} on another version than the one that was looked at`);
    if (altered && effect.kind === 'deploy') wrong.push('an altered plan was deployed');
  }

  /** One decision carried out; forward effects that pass the guards are what must never happen unapproved. */
  function work(): void {
    const effect = next(state, now).effects[0];
    if (effect === undefined) return;
    if (effect.kind === 'record') return effect.events.forEach(append);
    if (effect.kind === 'unreserve') return append({ type: 'ReservationsReleased' });
    if (violation(state, effect) !== null) return;
    if (effect.kind === 'reserve') {
      const stable = runs === null ? null : { id: runs, artifact: 'x', commit: null, run: plan.apps[0]?.run as never, health: null };
      return append({ type: 'ReservationsAcquired', stables: { web: stable } });
    }
    if (state.stage !== 'restoring') check(effect);
    for (const event of answerTo(effect)) append(event);
  }

  for (const one of moves) {
    if (state.stage === 'closed') break;
    switch (one.kind) {
      case 'yes': {
        const hash = one.plan === 'this' ? plan.hash : `sha256:${'0'.repeat(64)}`;
        const waited = state.stage === 'awaiting';
        if (command({ type: 'ApprovalGiven', by: one.by, planHash: hash, note: null }, one.forged) && waited)
          said.push({ by: one.by, hash, at: now });
        break;
      }
      case 'no':
        denied = command({ type: 'ApprovalRejected', by: one.by, reason: 'no' }, false) || denied;
        break;
      case 'time':
        now += one.ms;
        break;
      case 'work':
        work();
        break;
      case 'deployedByOthers':
        runs = 'other';
        break;
      case 'alter':
        // Somebody changes what the plan says, and leaves its hash.
        altered = true;
        state = { ...state, plan: alter(state.plan) };
        break;
      case 'promote':
        command({ type: 'PromoteRequested', by: one.by, full: one.full, app: null }, false);
        break;
      case 'pause':
        command({ type: 'PauseRequested', by: one.by, reason: null }, false);
        break;
      case 'resume':
        command({ type: 'ResumeRequested', by: one.by }, false);
        break;
      case 'abort':
        command({ type: 'AbortRequested', by: one.by, reason: null }, false);
        break;
    }
  }
  return { started, wrong };
}

function alter(plan: Plan): Plan {
  return { ...plan, source: { ...plan.source, commit: 'evil' } };
}

function answerTo(effect: Effect): readonly ReleaseEvent[] {
  if (!('app' in effect)) return [];
  const { app } = effect.app;
  switch (effect.kind) {
    case 'build': {
      const { run, health } = effect.app;
      const version = { id: versionId('sha256:a', run, health), artifact: 'sha256:a', commit: effect.commit, run, health };
      return [{ type: 'ArtifactBuilt', app, version, reused: false, log: null }];
    }
    case 'deploy':
      return [{ type: 'VersionDeployed', app, version: effect.version.id }];
    case 'verify':
      return [{ type: 'VersionHealthy', app, version: effect.version.id }];
    case 'shift':
      return [{ type: 'WeightsShifted', app, weights: effect.weights }];
    case 'retire':
      return [{ type: 'VersionRetired', app, version: effect.version.id }];
    default:
      return [];
  }
}

test('no sequence of commands deploys an unapproved, expired, self-approved, rejected or altered plan', { timeout: 120_000 }, () => {
  let started = 0;
  fc.assert(
    fc.property(rule, fc.array(move, { minLength: 5, maxLength: 60 }), (asked, moves) => {
      const story = play(asked, moves);
      started += story.started > 0 ? 1 : 0;
      expect(story.wrong).toEqual([]);
    }),
    { numRuns: 10_000, seed: 9 },
  );
  // A property of releases that never start would hold of anything.
  expect(started).toBeGreaterThan(500);
});

test('a plan that was altered is not intact', () => {
  const plan = withHash({ ...planOf(['web']), approval: { number: 1, from: [], expiresMs: 1, authors: [] } });
  expect([
    isIntact(plan),
    isIntact(alter(plan)),
    isIntact({ ...plan, approval: { number: 0, from: [], expiresMs: 1, authors: [] } }),
  ]).toEqual([true, false, false]);
});
