import fc from 'fast-check';
import type { Governance } from '../../src/core/access/governance.ts';
import type { Freeze } from '../../src/core/access/window.ts';
import type { ResolvedEnvironment } from '../../src/core/changes/environment.ts';
import { refusal } from '../../src/core/release/state/commands.ts';
import type { Effect } from '../../src/core/release/runbook/effects.ts';
import type { ReleaseEvent } from '../../src/core/release/state/events.ts';
import { evolve } from '../../src/core/release/state/evolve.ts';
import { violation } from '../../src/core/release/runbook/guards.ts';
import { rulesOf } from '../../src/core/release/plan/make-plan.ts';
import { makeRetryPlan } from '../../src/core/release/plan/make-rollback.ts';
import { next } from '../../src/core/release/runbook/next.ts';
import { type Plan, versionId, withHash } from '../../src/core/release/plan/plan.ts';
import type { ReleaseState } from '../../src/core/release/state/state.ts';
import { planOf } from '../engine/world.ts';

/** The rules under test: the real ones, or a mutant. */
export interface Rules {
  readonly evolve: typeof evolve;
  readonly next: typeof next;
  readonly violation: typeof violation;
  readonly refusal: typeof refusal;
  readonly rulesOf: typeof rulesOf;
  readonly makeRetryPlan: typeof makeRetryPlan;
}

export const REAL: Rules = { evolve, next, violation, refusal, rulesOf, makeRetryPlan };

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

const freeze: fc.Arbitrary<Freeze> = fc
  .tuple(fc.integer({ min: 0, max: 12_000 }), fc.integer({ min: 500, max: 8_000 }))
  .map(([from, ms]) => ({ from, to: from + ms, reason: 'sale' }));

export interface Story {
  readonly asked: Omit<NonNullable<Governance['approval']>, 'expiresMs'> | null;
  readonly authors: readonly string[];
  /** No deploys then; null: the environment has no window. */
  readonly freezes: readonly Freeze[] | null;
  readonly emergency: boolean;
  /** The plan is from before there were any of these rules, and tried again. */
  readonly retried: boolean;
  readonly moves: readonly Move[];
}

export const story: fc.Arbitrary<Story> = fc.record({
  asked: fc.option(
    fc.record({
      number: fc.integer({ min: 1, max: 2 }),
      from: fc.constantFrom([], [{ role: 'lead', people: ['bob', 'cleo'] }], [{ role: 'lead', people: ['ann', 'bob'] }]),
    }),
    { freq: 8 },
  ),
  authors: fc.constantFrom([], ['cleo']),
  freezes: fc.option(fc.array(freeze, { minLength: 1, maxLength: 3 }), { freq: 2 }),
  emergency: fc.boolean(),
  retried: fc.boolean(),
  moves: fc.array(move, { minLength: 5, maxLength: 60 }),
});

interface Said {
  readonly by: string;
  readonly hash: string;
  readonly at: number;
}

/** What the environment asks for, as the story's own books have it. */
interface Asked {
  readonly number: number;
  readonly authors: ReadonlySet<string>;
  readonly people: ReadonlySet<string> | null;
  readonly freezes: readonly Freeze[];
}

export interface Played {
  /** Effects that touch anything, and were let through. */
  readonly started: number;
  /** Of those, in an emergency while the window was shut. */
  readonly past: number;
  readonly wrong: readonly string[];
}

/** Plays a story, and keeps its own books of who said what when. */
export function play({ evolve: fold, next: decide, violation: guard, refusal: refuse, ...rules }: Rules, told: Story): Played {
  const plan = planUnder(rules, told);
  const need = needOf(told);
  let now = 1_000;
  let state: ReleaseState = fold(null, { type: 'ReleaseRequested', release: 'r1', plan, by: 'ann', retryOf: null }, now);
  let runs: string | null = null;
  let askedAt: number | null = null;
  let altered = false;
  let reservedAt: number | null = null;
  let reservedOn: string | null = null;
  let denied = false;
  let started = 0;
  let past = 0;
  const said: Said[] = [];
  const wrong: string[] = [];

  const append = (event: ReleaseEvent): void => {
    if (event.type === 'ApprovalRequested') askedAt = now;
    if (event.type === 'ReservationsAcquired') [reservedAt, reservedOn] = [now, runs];
    state = fold(state, event, now);
  };
  const command = (event: ReleaseEvent, forged = false): boolean => {
    if (!forged && refuse(state, event, now) !== null) return false;
    append(event);
    return true;
  };

  function check(effect: Effect): void {
    started += 1;
    const shut = (at: number) => (told.freezes ?? []).some(({ from, to }) => at >= from && at < to);
    if (told.emergency && reservedAt !== null && shut(reservedAt)) past += 1;
    if (reservedAt === null || need.freezes.some(({ from, to }) => (reservedAt ?? 0) >= from && (reservedAt ?? 0) < to))
      wrong.push(`${effect.kind} while the window was shut`);
    if (altered && need.number > 0 && effect.kind === 'deploy') wrong.push('an altered plan was deployed');
    if (need.number === 0) return;
    const names = said
      .filter(({ hash, at }) => hash === plan.hash && askedAt !== null && at >= askedAt && at < askedAt + EXPIRES_MS)
      .map(({ by }) => by.trim().toLowerCase())
      .filter((by) => !need.authors.has(by) && (need.people === null || need.people.has(by)));
    if (new Set(names).size < need.number)
      wrong.push(`${effect.kind} with ${[...new Set(names)].join(', ') || 'nobody'} of ${need.number}`);
    if (askedAt === null || reservedAt === null || reservedAt >= askedAt + EXPIRES_MS)
      wrong.push(`${effect.kind} after the approval had expired`);
    if (denied) wrong.push(`${effect.kind} although it was rejected`);
    if (reservedOn !== null) wrong.push(`${effect.kind} on another version than the one that was looked at`);
  }

  /** One decision carried out; forward effects that pass the guards are what must never happen against the rules. */
  function work(): void {
    const effect = decide(state, now).effects[0];
    if (effect === undefined) return;
    if (effect.kind === 'record') return effect.events.forEach(append);
    if (effect.kind === 'unreserve') return append({ type: 'ReservationsReleased' });
    if (guard(state, effect) !== null) return;
    if (effect.kind === 'reserve') {
      const stable = runs === null ? null : { id: runs, artifact: 'x', commit: null, run: plan.apps[0]?.run as never, health: null };
      return append({ type: 'ReservationsAcquired', stables: { web: stable } });
    }
    if (state.stage !== 'restoring') check(effect);
    for (const event of answerTo(effect)) append(event);
  }

  function yes(one: Extract<Move, { kind: 'yes' }>): void {
    const hash = one.plan === 'this' ? plan.hash : `sha256:${'0'.repeat(64)}`;
    const waited = state.stage === 'awaiting';
    if (command({ type: 'ApprovalGiven', by: one.by, planHash: hash, note: null }, one.forged) && waited)
      said.push({ by: one.by, hash, at: now });
  }

  for (const one of told.moves) {
    if (state.stage === 'closed') break;
    if (one.kind === 'yes') yes(one);
    else if (one.kind === 'no') denied = command({ type: 'ApprovalRejected', by: one.by, reason: 'no' }) || denied;
    else if (one.kind === 'time') now += one.ms;
    else if (one.kind === 'work') work();
    else if (one.kind === 'deployedByOthers') runs = 'other';
    else if (one.kind === 'alter') {
      // Somebody changes what the plan says, and leaves its hash.
      altered = true;
      state = { ...state, plan: { ...state.plan, source: { ...state.plan.source, commit: 'evil' } } };
    } else command(commandEvent(one));
  }
  return { started, past, wrong };
}

/** The plan as Sluice makes it in an environment with these rules. */
function planUnder({ rulesOf: rules, makeRetryPlan: again }: Pick<Rules, 'rulesOf' | 'makeRetryPlan'>, told: Story): Plan {
  const { asked, freezes, authors, emergency, retried } = told;
  const governance: Governance = {
    approval: asked === null ? null : { ...asked, expiresMs: EXPIRES_MS },
    window: freezes === null ? null : { timeZone: 'UTC', open: [], freezes, waitMs: 60_000 },
    branches: null,
    promoteFrom: null,
    byAuthors: false,
    otherNames: {},
    breakGlassMs: EXPIRES_MS,
  };
  const environment = { name: 'production', governance, apps: [] } as unknown as ResolvedEnvironment;
  const manifest = { environment: 'production', apps: {} };
  const bare = planOf(['web']);
  const breakGlass = emergency ? 'fire' : undefined;
  if (!retried) return withHash({ ...bare, ...rules({ environment, manifest, breakGlass }, [], authors) });
  const old = withHash({ ...bare, ...(breakGlass === undefined ? {} : { breakGlass: { reason: breakGlass } }) });
  return again(old, manifest, environment);
}

function needOf({ asked, authors, freezes, emergency, retried }: Story): Asked {
  // An emergency asks for one other person, whoever that is, at any time. Who wrote it is found out when a plan is made.
  if (emergency) return { number: 1, authors: new Set(['ann']), people: null, freezes: [] };
  const people = (asked?.from ?? []).flatMap((role) => role.people);
  return {
    number: asked?.number ?? 0,
    authors: new Set(['ann', ...(retried ? [] : authors)]),
    people: people.length === 0 ? null : new Set(people),
    freezes: freezes ?? [],
  };
}

function commandEvent({ kind, by, full }: Extract<Move, { full: boolean }>): ReleaseEvent {
  switch (kind) {
    case 'promote':
      return { type: 'PromoteRequested', by, full, app: null };
    case 'pause':
      return { type: 'PauseRequested', by, reason: null };
    case 'resume':
      return { type: 'ResumeRequested', by };
    case 'abort':
      return { type: 'AbortRequested', by, reason: null };
  }
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
      return [{ type: 'WeightsShifted', app, weights: effect.weights, toProve: false }];
    case 'retire':
      return [{ type: 'VersionRetired', app, version: effect.version.id }];
    default:
      return [];
  }
}
