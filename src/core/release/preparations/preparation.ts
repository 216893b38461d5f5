import { approvalRefusal, isApproved } from '../../access/approval.ts';
import { closedText } from '../../access/window.ts';
import type { ReleaseEvent } from '../state/events.ts';
import type { Plan, VersionRef } from '../plan/plan.ts';
import type { Preparation } from './stages.ts';
import type { ReleaseStage, ReleaseState } from '../state/state.ts';

/** The stages of a release before its rollouts, as facts come in. `next` asks for them in the same order. */

export type PreparationEvent = Extract<
  ReleaseEvent,
  {
    type:
      | 'ChecksPassed'
      | 'ChecksFailed'
      | 'ApprovalRequested'
      | 'ApprovalGiven'
      | 'ApprovalRejected'
      | 'ApprovalExpired'
      | 'WindowOpened'
      | 'SchemaCompatible'
      | 'SchemaIncompatible'
      | 'RestorePointMade'
      | 'MigrationsApplied'
      | 'MigrationsFailed'
      | 'ProjectionsReady'
      | 'ProjectionsFailed'
      | 'ProjectionsReverted'
      | 'RollbackRefused';
  }
>;

export function firstStage(plan: Plan): ReleaseStage {
  return plan.checks === undefined ? afterChecks(plan) : 'checking';
}

function afterChecks(plan: Plan): ReleaseStage {
  return plan.approval === undefined ? afterApproval(plan) : 'awaiting';
}

function afterApproval(plan: Plan): ReleaseStage {
  return plan.window === undefined ? 'queued' : 'scheduled';
}

/** A fact that comes after the release has turned round is kept as evidence; it moves nothing forward. */
export function prepare(state: ReleaseState, event: PreparationEvent, at: number): ReleaseState {
  const { plan, preparation } = state;
  switch (event.type) {
    case 'ChecksPassed': {
      const next = withPreparation(state, { checks: { at, passed: true, reports: event.reports } });
      return from(next, 'checking', afterChecks(plan), at);
    }
    case 'ChecksFailed':
      return withPreparation(state, {
        checks: { at, passed: false, reports: event.reports },
        failed: { code: 'CHECKS_FAILED', message: event.reason },
      });
    case 'ApprovalRequested':
      if (preparation.approval !== null) return state;
      return withPreparation(state, {
        approval: { askedAt: at, expiresAt: event.expiresAt, planHash: event.planHash, given: [], rejected: null },
      });
    case 'ApprovalGiven':
      return approved(state, event, at);
    case 'ApprovalRejected': {
      const { approval } = preparation;
      if (approval === null || state.stage !== 'awaiting') return state;
      return withPreparation(state, { approval: { ...approval, rejected: { by: event.by, at, reason: event.reason } } });
    }
    case 'ApprovalExpired':
      return state;
    case 'WindowOpened':
      return from(state, 'scheduled', 'queued', at);
    case 'SchemaCompatible':
      return stepOn(withPreparation(state, { schema: { works: true, reason: null } }), at);
    case 'SchemaIncompatible':
      return withPreparation(state, {
        schema: { works: false, reason: event.reason },
        failed: { code: 'SCHEMA_INCOMPATIBLE', message: event.reason },
      });
    case 'RestorePointMade':
      return stepOn(withPreparation(state, { restorePoints: event.points }), at);
    case 'MigrationsApplied':
      return stepOn(withPreparation(state, { migrations: { at, applied: event.applied, old: event.old } }), at);
    case 'MigrationsFailed':
      return withPreparation(state, { failed: { code: 'MIGRATION_FAILED', message: event.reason } });
    case 'ProjectionsReady':
      return stepOn(withPreparation(state, { projections: { at, ready: event.ready, reverted: false } }), at);
    case 'ProjectionsFailed':
      return withPreparation(state, { failed: { code: 'PROJECTION_FAILED', message: event.reason } });
    case 'ProjectionsReverted':
      return withPreparation(state, { projections: { ...(preparation.projections ?? { at, ready: [] }), reverted: true } });
    case 'RollbackRefused':
      return withPreparation(state, { refused: event.reason });
  }
}

/** Whether a release that stands in line may still start: neither its window nor its approval is over. */
export function mayStart(state: ReleaseState, at: number): boolean {
  return closedBecauseOf(state, at) === null && expiredBecause(state, at) === null;
}

export function closedBecauseOf({ plan: { window } }: ReleaseState, at: number): string | null {
  const closed = window === undefined ? null : closedText(window, at);
  return closed === null ? null : `by the time its apps were free: ${closed}`;
}

export function expiredBecause({ preparation: { approval } }: ReleaseState, at: number): string | null {
  if (approval === null || at < approval.expiresAt) return null;
  return approval.given.length === 0 ? 'nobody approved it in time' : 'it was not approved and started in time';
}

/** The apps are its own: on to what is left before the rollouts, or to those. */
export function acquired(state: ReleaseState, at: number): ReleaseState {
  const mine = { ...withPreparation(state, { acquiredAt: at }), stage: 'preparing', stageSince: at, waitingFor: null } as const;
  return stepOn(mine, at);
}

/** Apps that run another version now than the one an approved plan was looked at with, in words; null: none. */
export function movedSince(plan: Plan, stables: Readonly<Record<string, VersionRef | null>>): string | null {
  if (plan.approval === undefined) return null;
  const moved = plan.apps.filter(({ app, stable }) => (stables[app] ?? null)?.id !== stable?.id);
  if (moved.length === 0) return null;
  return moved
    .map(({ app, stable }) => `${app} runs ${stables[app]?.id ?? 'nothing'}, not ${stable?.id ?? 'nothing'} as in the plan`)
    .join('; ');
}

/** What is still to be done before the rollouts, in order. */
export function leftToPrepare({
  plan,
  preparation,
}: Pick<ReleaseState, 'plan' | 'preparation'>): 'fit' | 'backup' | 'migrate' | 'rebuild' | null {
  if (plan.schemaGate !== undefined && preparation.schema === null) return 'fit';
  if (plan.backup !== undefined && preparation.restorePoints === null) return 'backup';
  if (plan.migrations !== undefined && preparation.migrations === null) return 'migrate';
  return plan.projections !== undefined && preparation.projections === null ? 'rebuild' : null;
}

/** An approval that does not count leaves no trace in the state, however it came into the log. */
function approved(state: ReleaseState, event: Extract<ReleaseEvent, { type: 'ApprovalGiven' }>, at: number): ReleaseState {
  const { approval } = state.preparation;
  if (approval === null || state.stage !== 'awaiting' || approvalRefusal(state, event.by, event.planHash, at) !== null) return state;
  const next = withPreparation(state, { approval: { ...approval, given: [...approval.given, { by: event.by, at, note: event.note }] } });
  return isApproved(next) ? from(next, 'awaiting', afterApproval(state.plan), at) : next;
}

function stepOn(state: ReleaseState, at: number): ReleaseState {
  if (state.stage !== 'preparing') return state;
  return { ...state, stage: leftToPrepare(state) === null ? 'rolling' : 'preparing', stageSince: at };
}

function from(state: ReleaseState, stage: ReleaseStage, to: ReleaseStage, at: number): ReleaseState {
  return state.stage === stage ? { ...state, stage: to, stageSince: at } : state;
}

function withPreparation(state: ReleaseState, change: Partial<Preparation>): ReleaseState {
  return { ...state, preparation: { ...state.preparation, ...change } };
}
