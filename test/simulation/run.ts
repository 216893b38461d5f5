import type { Effect } from '../../src/core/release/runbook/effects.ts';
import { refusal } from '../../src/core/release/state/commands.ts';
import type { ReleaseEvent } from '../../src/core/release/state/events.ts';
import { evolve as realEvolve } from '../../src/core/release/state/evolve.ts';
import { violation as realGuard } from '../../src/core/release/runbook/guards.ts';
import { next as realNext } from '../../src/core/release/runbook/next.ts';
import type { VersionRef } from '../../src/core/release/plan/plan.ts';
import type { ReleaseState } from '../../src/core/release/state/state.ts';
import { checkEnd, checkEvent } from './invariants.ts';
import { seeded } from './random.ts';
import { type Scenario, scenarioOf } from './scenario.ts';
import { AUTHOR, type Word } from './staged.ts';
import { createWorld, failureOf, type Performance } from './world.ts';

/** The runbook under test: the real one, or a mutant. */
export interface Subject {
  readonly evolve: typeof realEvolve;
  readonly next: typeof realNext;
  readonly guard: typeof realGuard;
}

const REAL: Subject = { evolve: realEvolve, next: realNext, guard: realGuard };

export interface Recording {
  readonly release: string;
  readonly at: number;
  readonly event: ReleaseEvent;
}

export interface Outcome {
  readonly seed: number;
  readonly scenario: Scenario;
  readonly log: readonly Recording[];
  readonly states: ReadonlyMap<string, ReleaseState>;
  readonly stables: Readonly<Record<string, VersionRef | null>>;
  readonly violations: readonly string[];
  readonly crashes: number;
}

interface Flight {
  readonly release: string;
  readonly effect: Effect;
  readonly performance: Performance;
  readonly doneAt: number;
}

/** Whatever a release does, it is over by then, ms of virtual time. */
const HORIZON_MS = 4 * 3_600_000;
const MOST_TURNS = 20_000;

/**
 * Run one seeded story in virtual time. The control plane crashes at the scenario's moments: effects in flight are lost,
 * half of them after they had changed the world; it comes back a while later and decides again.
 */
export function simulate(
  seed: number,
  options: {
    readonly crashes?: boolean;
    readonly commands?: boolean;
    readonly stages?: boolean;
    readonly scenario?: Scenario;
    readonly subject?: Subject;
  } = {},
): Outcome {
  const random = seeded(seed);
  const scenario =
    options.scenario ??
    scenarioOf(random, {
      crashes: options.crashes ?? true,
      commands: options.commands ?? true,
      ...(options.stages === false ? {} : { stages: seeded(seed ^ 0x2545f491) }),
      judges: seeded(seed ^ 0x1b873593),
      reach: seeded(seed ^ 0x7feb352d),
    });
  const subject = options.subject ?? REAL;
  const dice = seeded(seed ^ 0x5bd1e995);
  const holders = new Map<string, string>();
  const world = createWorld(scenario, holders, () => dice.chance(0.5));
  const states = new Map<string, ReleaseState>();
  const stables: Record<string, VersionRef | null> = { ...scenario.initial };
  const log: Recording[] = [];
  const violations: string[] = world.violations;
  const inputs = inputsOf(scenario);
  let flights: Flight[] = [];
  let now = 0;
  let downUntil = 0;
  let crashes = 0;

  function append(release: string, event: ReleaseEvent): void {
    const before = states.get(release) ?? null;
    const after = subject.evolve(before, event, now);
    states.set(release, after);
    log.push({ release, at: now, event });
    if (event.type === 'RolloutFinished' || (event.type === 'StableRestored' && event.kept))
      stables[event.app] = after.rollouts[event.app]?.candidate ?? stables[event.app] ?? null;
    checkEvent({ before, after, event, at: now, log, world, violations });
  }

  function ownWork(release: string, effect: Effect): void {
    if (effect.kind === 'record') for (const event of effect.events) append(release, event);
    if (effect.kind === 'unreserve') {
      for (const [app, holder] of holders) if (holder === release) holders.delete(app);
      append(release, { type: 'ReservationsReleased' });
      for (const [id, state] of states)
        if (state.stage === 'queued' && state.waitingFor?.holder === release)
          append(id, { type: 'ReservationFreed', app: state.waitingFor.app, by: release });
    }
    if (effect.kind === 'reserve') reserve(release, effect.apps);
  }

  function reserve(release: string, apps: Extract<Effect, { kind: 'reserve' }>['apps']): void {
    const busy = apps.find(({ app }) => holders.has(app) && holders.get(app) !== release);
    if (busy === undefined) {
      for (const { app } of apps) holders.set(app, release);
      append(release, { type: 'ReservationsAcquired', stables: Object.fromEntries(apps.map(({ app }) => [app, stables[app] ?? null])) });
      return;
    }
    const holder = holders.get(busy.app) as string;
    append(release, { type: 'ReservationBusy', app: busy.app, holder });
    const event = { type: 'AbortRequested', by: 'sluice', reason: `superseded by ${release}` } as const;
    const other = states.get(holder);
    if (busy.concurrency === 'supersede' && other !== undefined && refusal(other, event, now) === null) {
      interrupt(holder);
      append(holder, event);
    }
  }

  /** The effects of a release in flight are cut off: half of them had done their work already. */
  function interrupt(release: string | null): void {
    for (const flight of flights) {
      if (release !== null && flight.release !== release) continue;
      if (!isOwn(flight.effect) && dice.chance(0.5)) {
        try {
          flight.performance.apply();
        } catch {
          // It failed and nobody heard of it.
        }
      }
    }
    flights = flights.filter((flight) => release !== null && flight.release !== release);
  }

  function land(flight: Flight): void {
    flights = flights.filter((other) => other !== flight);
    const state = states.get(flight.release) as ReleaseState;
    if (isOwn(flight.effect)) return ownWork(flight.release, flight.effect);
    try {
      const events = flight.performance.apply();
      for (const event of events) append(flight.release, event);
    } catch (error) {
      const app = 'app' in flight.effect ? flight.effect.app.app : null;
      const message = error instanceof Error ? error.message : String(error);
      const failure = { effect: flight.effect.kind, key: flight.effect.key, ...failureOf(error), message } as const;
      if (failure.blame === 'bug') violations.push(`${state.id}: ${message}`);
      append(flight.release, { type: 'EffectFailed', app, ...failure });
    }
  }

  function takeOff(): number | null {
    let wakeAt: number | null = null;
    for (const [release, state] of states) {
      const decision = subject.next(state, now);
      if (decision.wakeAt !== null) wakeAt = Math.min(wakeAt ?? Infinity, decision.wakeAt);
      for (const effect of decision.effects) {
        if (flights.some((flight) => flight.release === release && flight.effect.lane === effect.lane)) continue;
        const broken = subject.guard(state, effect);
        if (broken !== null) violations.push(`${release}: the guard stopped ${effect.key}: ${broken}`);
        const performance = isOwn(effect) ? { takesMs: 1, apply: () => [] } : world.perform(effect, state, release);
        flights.push({ release, effect, performance, doneAt: now + performance.takesMs });
      }
    }
    return wakeAt;
  }

  let turns = 0;
  while (violations.length === 0 && now < HORIZON_MS && turns++ < MOST_TURNS) {
    const isUp = now >= downUntil;
    const wakeAt = isUp ? takeOff() : null;
    if (inputs.length === 0 && flights.length === 0 && [...states.values()].every((state) => state.stage === 'closed')) break;
    const flight = isUp ? flights.toSorted((a, b) => a.doneAt - b.doneAt)[0] : undefined;
    const input = inputs[0];
    const at = Math.min(flight?.doneAt ?? Infinity, wakeAt ?? Infinity, input?.at ?? Infinity, isUp ? Infinity : downUntil);
    if (at === Infinity) {
      violations.push(`stuck: ${[...states.values()].map((state) => `${state.id} ${state.stage}`).join(', ')}`);
      break;
    }
    now = Math.max(now, at);
    world.advance(now);
    if (input !== undefined && input.at <= now) {
      inputs.shift();
      if (input.kind === 'crash') {
        interrupt(null);
        crashes += 1;
        downUntil = now + dice.int(0, 5_000);
      } else {
        // The API answers again once a control plane is back.
        const redirected = now < downUntil ? { ...input, at: downUntil } : null;
        if (redirected === null) give(input);
        else
          inputs.splice(
            inputs.findIndex((other) => other.at > redirected.at) === -1
              ? inputs.length
              : inputs.findIndex((other) => other.at > redirected.at),
            0,
            redirected,
          );
      }
      continue;
    }
    if (flight !== undefined && flight.doneAt <= now) land(flight);
  }
  if (turns >= MOST_TURNS) violations.push('never ends: too many decisions');
  if (violations.length === 0) checkEnd({ scenario, states, stables, world, violations });
  return { seed, scenario, log, states, stables, violations, crashes };

  function hear(release: string, word: Word): void {
    const state = states.get(release);
    if (state === undefined || state.stage === 'closed') return;
    const planHash = word.ofThisPlan ? state.plan.hash : `sha256:${'0'.repeat(64)}`;
    const event: ReleaseEvent =
      word.says === 'yes'
        ? { type: 'ApprovalGiven', by: word.by, planHash, note: null }
        : { type: 'ApprovalRejected', by: word.by, reason: 'not today' };
    if (word.forged && word.says === 'yes' ? false : refusal(state, event, now) !== null) return;
    append(release, event);
  }

  function give(input: Exclude<Input, { kind: 'crash' }>): void {
    if (input.kind === 'word') return hear(input.release, input.word);
    if (input.kind === 'request') {
      append(input.release, { type: 'ReleaseRequested', release: input.release, plan: input.plan, by: AUTHOR, retryOf: null });
      return;
    }
    const state = states.get(input.release);
    const event = commandEvent(input.command);
    if (state === undefined || refusal(state, event, now) !== null) return;
    if (event.type !== 'ResumeRequested') interrupt(input.release);
    append(input.release, event);
  }
}

type Input = { readonly at: number } & (
  | { readonly kind: 'word'; readonly release: string; readonly word: Word }
  | { readonly kind: 'crash' }
  | { readonly kind: 'request'; readonly release: string; readonly plan: Scenario['releases'][number]['plan'] }
  | { readonly kind: 'command'; readonly release: string; readonly command: Scenario['releases'][number]['commands'][number]['kind'] }
);

function inputsOf(scenario: Scenario): Input[] {
  const inputs = scenario.releases.flatMap((release): Input[] => [
    { at: release.at, kind: 'request', release: release.id, plan: release.plan },
    ...(release.staged?.words ?? []).map((word): Input => ({ at: release.at + word.after, kind: 'word', release: release.id, word })),
    ...release.commands.map(({ after, kind }): Input => ({ at: release.at + after, kind: 'command', release: release.id, command: kind })),
  ]);
  return [...inputs, ...scenario.crashes.map((at): Input => ({ at, kind: 'crash' }))].toSorted((a, b) => a.at - b.at);
}

function commandEvent(command: string): ReleaseEvent {
  switch (command) {
    case 'promote':
      return { type: 'PromoteRequested', by: 'ann', full: false, app: null };
    case 'full':
      return { type: 'PromoteRequested', by: 'ann', full: true, app: null };
    case 'pause':
      return { type: 'PauseRequested', by: 'ann', reason: null };
    case 'resume':
      return { type: 'ResumeRequested', by: 'ann' };
    default:
      return { type: 'AbortRequested', by: 'ann', reason: null };
  }
}

function isOwn(effect: Effect): boolean {
  return effect.kind === 'record' || effect.kind === 'reserve' || effect.kind === 'unreserve';
}
