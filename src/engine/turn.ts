import type { Decision, Effect } from '../core/release/runbook/effects.ts';
import type { ReleaseEvent } from '../core/release/state/events.ts';
import type { ReleaseState } from '../core/release/state/state.ts';
import { FencedError } from '../core/errors.ts';
import type { NewEvents, Write } from './log/log.ts';
import type { Sql } from './postgres/connection.ts';
import { reserve, unreserve } from './reservations.ts';
import type { Runbook } from './runbook.ts';
import { releaseOf, streamOf, type States } from './states.ts';
import { project, type Happened } from './store.ts';

export interface TurnRequest {
  readonly release: string;
  readonly lane: string;
  readonly holder: string;
  readonly fence: number;
  /** What the effect just performed brought about. */
  readonly facts: readonly ReleaseEvent[];
  /** Whether a slice of its own is at work on that lane: its effects are not ours to touch. */
  isBusy(lane: string): boolean;
  /** Whether no other lane of this release is at work: when nothing is left to do, the lease may go. */
  isLast(): boolean;
}

/** What a turn decided. */
export interface Turn {
  readonly state: ReleaseState;
  readonly version: number;
  readonly decision: Decision;
  /** The next effect to perform outside: of this lane, or else of an idle one; null = nothing for now. */
  readonly effect: Effect | null;
  /** The fence to work under from here; null = the lease was given back. */
  readonly fence: number | null;
  /** Other releases to look at. */
  readonly woken: readonly string[];
}

export interface TurnTools {
  readonly runbook: Runbook;
  readonly states: States;
  now(): number;
}

/** More of the engine's own work in one turn than any plan needs. */
const OWN_WORK_MAX = 1_000;

type Own = Effect & { readonly kind: 'record' | 'reserve' | 'unreserve' };

/**
 * One turn of a lane, in one transaction: fold in the facts, decide, do what is only database work, and say what is
 * to be performed next. What is to be appended comes back as `write`, to be done last.
 * If somebody else appended to the release meanwhile, that fails, and the turn is taken again.
 * @throws FencedError when this control plane no longer has the release
 */
export async function takeTurn(
  sql: Sql,
  tools: TurnTools,
  request: TurnRequest,
): Promise<{ readonly turn: Turn; readonly write: Write } | null> {
  const lease = await holdLease(sql, request);
  if (lease === null) return null;
  const folded = await tools.states.load(sql, request.release);
  if (folded === null) throw new Error(`release ${request.release} has no events`);
  const at = tools.now();
  const work = await workThrough(sql, tools, request, folded.state, at);
  await project(sql, work.events, at);
  const woken = await wake(sql, work.others);
  const fence = await keepLease(sql, request, work, lease);
  const stream = streamOf(request.release);
  const batches = [{ stream, events: work.events.map(({ event }) => event) }, ...work.others];
  return {
    turn: { state: work.state, version: folded.version + work.events.length, decision: work.decision, effect: work.effect, fence, woken },
    write: { at, origin: request.holder, batches, versions: new Map([[stream, folded.version]]) },
  };
}

interface Lease {
  readonly holder: string | null;
  readonly fence: number;
  readonly wakeAt: number | null;
}

/** @returns null when the release is closed */
async function holdLease(sql: Sql, request: TurnRequest): Promise<Lease | null> {
  const found = await sql.query<Lease>('SELECT holder, fence, wake_at AS "wakeAt" FROM sluice.active WHERE release = $1 FOR UPDATE', [
    request.release,
  ]);
  const lease = found.rows[0];
  if (lease === undefined) return null;
  if (lease.holder !== request.holder || lease.fence !== request.fence)
    throw new FencedError(`release ${request.release} is in other hands`);
  return lease;
}

interface Work {
  state: ReleaseState;
  decision: Decision;
  /** The outside effect to perform next. */
  effect: Effect | null;
  readonly events: Happened[];
  readonly others: NewEvents[];
  acquired: boolean;
}

/** Fold in the facts, then all work that is the engine's own, until only outside effects, or nothing, are left. */
async function workThrough(sql: Sql, tools: TurnTools, request: TurnRequest, before: ReleaseState, at: number): Promise<Work> {
  const { runbook } = tools;
  const work: Work = { state: before, decision: runbook.next(before, at), effect: null, events: [], others: [], acquired: false };
  const happen = (events: readonly ReleaseEvent[]) => {
    for (const event of events) {
      // Nothing happens to a closed release any more.
      if (work.state.stage === 'closed') return;
      work.state = runbook.evolve(work.state, event, at);
      work.events.push({ event, state: work.state });
    }
    if (events.length > 0) work.decision = runbook.next(work.state, at);
  };
  happen(request.facts);
  for (let count = 0; ; count += 1) {
    // Looked at once for both: a lane that falls idle in between would have its own work given to a performer.
    const ours = work.decision.effects.filter(({ lane }) => lane === request.lane || !request.isBusy(lane));
    const own = ours.find(isOwn);
    if (own === undefined) {
      work.effect = ours.find(({ lane }) => lane === request.lane) ?? ours[0] ?? null;
      return work;
    }
    if (count >= OWN_WORK_MAX) throw new Error(`the runbook of ${request.release} goes round in circles at ${own.key}`);
    happen(await doOwn(sql, tools, work, own));
  }
}

async function doOwn(sql: Sql, tools: TurnTools, work: Work, own: Own): Promise<readonly ReleaseEvent[]> {
  if (own.kind === 'record') return own.events;
  const result = own.kind === 'reserve' ? await reserve(sql, tools.states, work.state, own) : await unreserve(sql, work.state);
  work.others.push(...result.others);
  work.acquired ||= result.events.some((event) => event.type === 'ReservationsAcquired');
  return result.events;
}

function isOwn(effect: Effect): effect is Own {
  return effect.kind === 'record' || effect.kind === 'reserve' || effect.kind === 'unreserve';
}

/** Other releases have something to do now, for any scheduler that gets to them. */
async function wake(sql: Sql, others: readonly NewEvents[]): Promise<string[]> {
  const releases = others.flatMap(({ stream }) => releaseOf(stream) ?? []).toSorted();
  // Not in their rows of `active`: a transaction that has those locked may be waiting for a lock of ours.
  if (releases.length > 0) await sql.query('INSERT INTO sluice.wake (release) SELECT unnest($1::text[])', [releases]);
  return releases;
}

/** Say when the release is to be looked at next, and give the lease back when there is nothing to do until then. */
async function keepLease(sql: Sql, request: TurnRequest, work: Work, lease: Lease): Promise<number | null> {
  const { release } = request;
  if (work.state.stage === 'closed') {
    await sql.query('DELETE FROM sluice.active WHERE release = $1', [release]);
    return null;
  }
  const { effects, wakeAt } = work.decision;
  if (effects.length === 0 && request.isLast()) {
    await sql.query('UPDATE sluice.active SET holder = NULL, wake_at = $2 WHERE release = $1', [release, wakeAt]);
    return null;
  }
  const lookAt = effects.length > 0 ? 0 : wakeAt;
  if (!work.acquired) {
    if (lease.wakeAt !== lookAt) await sql.query('UPDATE sluice.active SET wake_at = $2 WHERE release = $1', [release, lookAt]);
    return lease.fence;
  }
  // Draw a new fencing token: the previous holder of these apps may have drawn one after ours while this release waited.
  const drawn = await sql.query<{ fence: number }>(
    `UPDATE sluice.active SET fence = nextval('sluice.fence'), wake_at = $2 WHERE release = $1 RETURNING fence`,
    [release, lookAt],
  );
  return drawn.rows[0]?.fence ?? null;
}
