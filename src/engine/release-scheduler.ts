import { randomUUID } from 'node:crypto';
import { FencedError, SluiceError } from '../core/errors.ts';
import type { Decision, Effect } from '../core/release/runbook/effects.ts';
import type { ReleaseEvent } from '../core/release/state/events.ts';
import type { ReleaseState } from '../core/release/state/state.ts';
import type { Clock } from '../ports/clock.ts';
import type { Durable, Slice } from './durable.ts';
import { claim } from './leases.ts';
import type { Log } from './logging.ts';
import type { Database } from './postgres/database.ts';
import type { Performer, Runbook } from './runbook.ts';
import { createSlots } from './slots.ts';
import type { States } from './states.ts';
import { takeTurn, type Turn } from './turn.ts';

/** Keeps the releases of this control plane going: a slice of work for each lane that has something to do. */
export interface Supervisor {
  /** Look at a release: start what it needs, interrupt what it no longer wants, let go when there is nothing. */
  look(release: string): void;
  /** Look at it then (ms since the epoch). */
  lookAt(release: string, at: number): void;
  /** Somebody else appended to it. */
  heard(release: string): void;
  /** News may have been missed: look at all that is at work here. */
  lookAtAll(): void;
  /** Stop all work on releases that are no longer ours. */
  dropAll(reason: Error): void;
  /** Let nothing new begin, interrupt what runs, wait until it has stopped (at most `graceMs`). */
  close(graceMs: number): Promise<void>;
}

export interface SupervisorOptions {
  readonly database: Database;
  readonly durable: Durable;
  readonly runbook: Runbook;
  readonly performer: Performer;
  readonly states: States;
  readonly clock: Clock;
  readonly log: Log;
  /** Slices at work at once; releases that are being put back do not wait for one. */
  readonly slices: number;
  holder(): string;
}

/** A release at work here. */
interface Work {
  readonly release: string;
  readonly holder: string;
  fence: number;
  version: number;
  decision: Decision;
  /** The lease was given back by the last turn. */
  released: boolean;
  readonly lanes: Map<string, Lane>;
}

interface Lane {
  name: string;
  effect: Effect | null;
  controller: AbortController | null;
}

const FIRST_RETRY_MS = 200;
const LONGEST_RETRY_MS = 5_000;
/** Timers further off are left to the database. */
const LONGEST_TIMER_MS = 10_000;

export function createSupervisor(options: SupervisorOptions): Supervisor {
  const { database, durable, runbook, performer, states, clock, log } = options;
  const works = new Map<string, Work>();
  const looking = new Map<string, { again: boolean }>();
  const timers = new Map<string, { at: number; timer: NodeJS.Timeout }>();
  const troubles = new Map<string, number>();
  const slots = createSlots(options.slices);
  let closing = false;

  function look(release: string): void {
    if (closing) return;
    const under = looking.get(release);
    if (under !== undefined) {
      under.again = true;
      return;
    }
    const mine = { again: false };
    looking.set(release, mine);
    lookOnce(release)
      .catch((error: unknown) => trouble(release, error))
      .finally(() => {
        looking.delete(release);
        if (mine.again) look(release);
      });
  }

  async function lookOnce(release: string): Promise<void> {
    const isIdle = () => (works.get(release)?.lanes.size ?? 0) === 0;
    const claimed = await claim(database, { runbook, states, now: clock.now }, { release, holder: options.holder(), isIdle });
    if (closing || claimed === null) return;
    if (claimed.wakeAt !== null) lookAt(release, claimed.wakeAt);
    if (claimed.fence === null) return;
    const work = works.get(release) ?? {
      release,
      holder: options.holder(),
      fence: 0,
      version: 0,
      decision: claimed.decision,
      released: false,
      lanes: new Map<string, Lane>(),
    };
    Object.assign(work, { fence: claimed.fence, released: false });
    works.set(release, work);
    carryOn(work, claimed);
    if (work.lanes.size === 0) works.delete(release);
  }

  /** Interrupt what is no longer wanted, and start a slice for each lane that is wanted and idle. */
  function carryOn(work: Work, news: { readonly state: ReleaseState; readonly version: number; readonly decision: Decision }): void {
    if (news.version < work.version) return;
    work.version = news.version;
    work.decision = news.decision;
    for (const lane of work.lanes.values()) {
      if (lane.effect !== null && !isWanted(work, lane.effect)) lane.controller?.abort(new Error('no longer wanted'));
    }
    for (const effect of news.decision.effects) {
      if (!work.lanes.has(effect.lane) && !closing) void runLane(work, effect.lane, news.state.stage === 'restoring');
    }
  }

  async function runLane(work: Work, name: string, urgent: boolean): Promise<void> {
    const lane: Lane = { name, effect: null, controller: null };
    work.lanes.set(name, lane);
    const giveBack = urgent ? () => {} : await slots.take();
    try {
      if (closing || works.get(work.release) !== work) return;
      await durable.run(`${work.release}/${name}/${randomUUID()}`, slice(work, lane));
      troubles.delete(work.release);
    } catch (error) {
      trouble(work.release, error);
    } finally {
      giveBack();
      work.lanes.delete(lane.name);
      ended(work);
    }
  }

  function ended(work: Work): void {
    if (works.get(work.release) !== work || work.lanes.size > 0) {
      // The lane may be wanted again by what another lane did meanwhile.
      if (work.decision.effects.some((effect) => !work.lanes.has(effect.lane))) look(work.release);
      return;
    }
    works.delete(work.release);
    if (!work.released) look(work.release);
  }

  function slice(work: Work, lane: Lane): Slice {
    let turn: Turn | null = null;
    return {
      async turn(sql, facts) {
        const isLast = () => works.get(work.release) === work && work.lanes.size === 1;
        const isBusy = (name: string) => name !== lane.name && work.lanes.has(name);
        const { release, holder, fence } = work;
        const taken = await takeTurn(
          sql,
          { runbook, states, now: clock.now },
          { release, lane: lane.name, holder, fence, facts, isBusy, isLast },
        );
        turn = taken?.turn ?? null;
        return { effect: turn?.effect ?? null, write: taken?.write ?? null };
      },
      turned() {
        if (turn === null || turn.fence === null) work.released = true;
        if (turn === null) return;
        if (turn.fence !== null) work.fence = turn.fence;
        if (turn.effect !== null) moveTo(work, lane, turn.effect.lane);
        carryOn(work, turn);
        for (const release of turn.woken) look(release);
        if (turn.decision.wakeAt !== null) lookAt(work.release, turn.decision.wakeAt);
      },
      perform: (effect) => (turn === null ? Promise.resolve([]) : perform(work, lane, effect, turn)),
      isClosing: () => closing,
    };
  }

  async function perform(work: Work, lane: Lane, effect: Effect, turn: Turn): Promise<readonly ReleaseEvent[]> {
    if (closing || lane.name !== effect.lane || !isWanted(work, effect)) return [];
    const controller = new AbortController();
    const { signal } = controller;
    Object.assign(lane, { effect, controller });
    try {
      return await performer.perform(effect, {
        release: work.release,
        environment: turn.state.plan.environment,
        fence: work.fence,
        signal,
        state: turn.state,
      });
    } catch (error) {
      if (error instanceof FencedError) throw error;
      if (signal.aborted) return [];
      if (!(error instanceof SluiceError))
        log.error(
          { release: work.release, effect: effect.key, error: String(error), stack: error instanceof Error ? error.stack : undefined },
          'an effect failed by a bug',
        );
      return [effectFailed(effect, error)];
    } finally {
      Object.assign(lane, { effect: null, controller: null });
    }
  }

  function trouble(release: string, error: unknown): void {
    if (closing) return;
    const count = (troubles.get(release) ?? 0) + 1;
    troubles.set(release, count);
    const fields = {
      release,
      error: String(error),
      ...(error instanceof SluiceError ? {} : { stack: error instanceof Error ? error.stack : undefined }),
    };
    log.warn(fields, error instanceof FencedError ? 'a release went to other hands' : 'work on a release stopped; it is taken up again');
    lookAt(release, clock.now() + Math.min(LONGEST_RETRY_MS, FIRST_RETRY_MS * 2 ** (count - 1)));
  }

  function lookAt(release: string, at: number): void {
    const delay = at - clock.now();
    if (closing || delay > LONGEST_TIMER_MS) return;
    const before = timers.get(release);
    if (before !== undefined && before.at <= at) return;
    if (before !== undefined) clearTimeout(before.timer);
    const fire = () => {
      timers.delete(release);
      look(release);
    };
    timers.set(release, { at, timer: setTimeout(fire, Math.max(0, Math.ceil(delay))) });
  }

  return {
    look,
    lookAt,
    heard(release) {
      if (works.has(release)) look(release);
    },
    lookAtAll() {
      for (const release of works.keys()) look(release);
    },
    dropAll(reason) {
      for (const work of works.values()) for (const lane of work.lanes.values()) lane.controller?.abort(reason);
      works.clear();
    },
    async close(graceMs) {
      closing = true;
      for (const { timer } of timers.values()) clearTimeout(timer);
      timers.clear();
      const lanes = () => [...works.values()].flatMap((work) => [...work.lanes.values()]);
      for (const lane of lanes()) lane.controller?.abort(new Error('the control plane stops'));
      const until = performance.now() + graceMs;
      while ((looking.size > 0 || lanes().length > 0) && performance.now() < until) await new Promise((resolve) => setTimeout(resolve, 5));
    },
  };
}

/** A slice whose lane has nothing to do goes on with an idle one, unless that has a slice by now. */
function moveTo(work: Work, lane: Lane, name: string): void {
  if (lane.name === name || work.lanes.has(name)) return;
  work.lanes.delete(lane.name);
  lane.name = name;
  work.lanes.set(name, lane);
}

function isWanted(work: Work, effect: Effect): boolean {
  return work.decision.effects.some((wanted) => wanted.key === effect.key && wanted.lane === effect.lane);
}

function effectFailed(effect: Effect, error: unknown): ReleaseEvent {
  const known = error instanceof SluiceError && error.blame !== 'fenced' ? error : null;
  const message = error instanceof Error ? error.message : String(error);
  return {
    type: 'EffectFailed',
    app: effect.lane === '' ? null : effect.lane,
    effect: effect.kind,
    key: effect.key,
    blame: known === null ? 'bug' : known.blame === 'user' ? 'user' : 'outside',
    code: known?.code ?? 'BUG',
    message: known?.hint === undefined || known.hint === null ? message : `${message} ${known.hint}`,
  };
}
