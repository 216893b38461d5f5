import { closedBecause, closedText, opensAt } from '../../access/window.ts';
import { checklistOf } from '../state/checklist.ts';
import { attempt, persist, record, technical, wait, type Wish } from '../runbook/decide.ts';
import type { Decision, EffectBody } from '../runbook/effects.ts';
import type { Cause, Outcome } from '../state/events.ts';
import { closedBecauseOf, expiredBecause, leftToPrepare } from './preparation.ts';
import type { ReleaseState } from '../state/state.ts';

/** The release's own lane. */
const RELEASE = '';

/** The runbook of a release before its rollouts. What ends here has changed nothing that users see. */
export function checking(state: ReleaseState, now: number): Decision {
  const { checks, source } = state.plan;
  const { failed } = state.preparation;
  if (failed !== null) return ended(state, 'Failed', failed.message, now);
  if (checks === undefined) return ended(state, 'Errored', 'the plan has no checks', now);
  const wish: Wish = {
    lane: RELEASE,
    key: 'check',
    body: { kind: 'check', checks, commit: source.commit },
    deadline: state.stageSince + checks.deadlineMs,
  };
  return attempt(state, wish, now, (attempted) => ended(state, 'Errored', `the checks could not be run: ${attempted.message}`, now));
}

/** Nothing runs and nothing is held: a person's word, or the end of the time for it, comes next. */
export function awaiting(state: ReleaseState, now: number): Decision {
  const { plan } = state;
  const { approval } = state.preparation;
  if (approval === null) {
    const artifacts = Object.fromEntries(plan.apps.map(({ app, artifact }) => [app, artifact]));
    const expiresAt = now + (plan.approval?.expiresMs ?? 0);
    return record(RELEASE, 'ask', now, { type: 'ApprovalRequested', planHash: plan.hash, artifacts, expiresAt });
  }
  if (approval.rejected !== null) return ended(state, 'Aborted', `rejected by ${approval.rejected.by}: ${approval.rejected.reason}`, now);
  return expired(state, now) ?? wait(approval.expiresAt);
}

export function scheduled(state: ReleaseState, now: number): Decision {
  const { window } = state.plan;
  const over = expired(state, now);
  if (over !== null) return over;
  if (window === undefined || closedBecause(window, now) === null) return record(RELEASE, 'open', now, { type: 'WindowOpened' });
  const givesUpAt = state.stageSince + window.waitMs;
  const at = opensAt(window, now);
  if (now >= givesUpAt || at === null || at > givesUpAt)
    return ended(state, 'Errored', `${closedText(window, now)}, which is too late for this release`, now);
  return wait(Math.min(at, state.preparation.approval?.expiresAt ?? Infinity));
}

/** What keeps a release that stands in line from starting: its approval or its window is over. Null: nothing. */
export function tooLateToStart(state: ReleaseState, now: number): Decision | null {
  const closed = closedBecauseOf(state, now);
  return closed === null ? expired(state, now) : ended(state, 'Errored', closed, now);
}

/** When to look again at one that stands in line. */
export function latestStart(state: ReleaseState): number {
  return state.preparation.approval?.expiresAt ?? Infinity;
}

function expired(state: ReleaseState, now: number): Decision | null {
  const reason = expiredBecause(state, now);
  if (reason === null) return null;
  return record(
    RELEASE,
    'expire',
    now,
    { type: 'ApprovalExpired' },
    { type: 'ReleaseEnded', outcome: 'Errored', reason, checklist: checklistOf(state) },
  );
}

/** The schema's word on a rollback, a restore point, migrations, projections: in this order, each only where the plan has it. */
export function preparing(state: ReleaseState, now: number): Decision {
  const { failed } = state.preparation;
  if (failed !== null) return turnBack(state, { kind: 'verdict', app: null, ...failed }, now);
  const left = leftToPrepare(state);
  const found = left === null ? null : work(state, left);
  if (found === null) return wait(now + 1_000);
  const wish = { lane: RELEASE, key: found.body.kind, body: found.body, deadline: state.stageSince + found.deadlineMs };
  return attempt(state, wish, now, (attempted) => turnBack(state, technical(null, attempted), now));
}

function work(state: ReleaseState, left: NonNullable<ReturnType<typeof leftToPrepare>>): { body: EffectBody; deadlineMs: number } | null {
  const { schemaGate, backup, migrations, projections } = state.plan;
  switch (left) {
    case 'fit':
      return schemaGate === undefined ? null : { body: { kind: 'fit', apps: state.plan.apps }, deadlineMs: schemaGate.deadlineMs };
    case 'backup':
      return backup === undefined ? null : { body: { kind: 'backup', backup }, deadlineMs: backup.deadlineMs };
    case 'migrate':
      return migrations === undefined ? null : { body: { kind: 'migrate', migrations }, deadlineMs: migrations.deadlineMs };
    case 'rebuild':
      return projections === undefined ? null : { body: { kind: 'rebuild', projections }, deadlineMs: projections.deadlineMs };
  }
}

function turnBack(state: ReleaseState, cause: Cause, now: number): Decision {
  const refused = state.plan.kind === 'rollback' && cause.code === 'SCHEMA_INCOMPATIBLE';
  const start = { type: 'RollbackStarted', cause } as const;
  return refused
    ? record(RELEASE, 'refuse', now, { type: 'RollbackRefused', reason: cause.message }, start)
    : record(RELEASE, 'turn-back', now, start);
}

/**
 * Why what is out cannot go back (invariant 8): the versions before cannot work with the schema that this release
 * has made. Null: they can, or nothing has to go back to them.
 */
export function stuckOnSchema(state: ReleaseState): string | null {
  const { migrations } = state.preparation;
  if (migrations === null || migrations.old.works) return null;
  const needed = Object.values(state.rollouts).some(({ app, shifted, oldStopped }) => app.stable !== null && (shifted || oldStopped));
  return needed ? (migrations.old.reason ?? 'the version before cannot work with the present schema') : null;
}

/** Read models go back last, once nothing reads the new ones. Null: nothing to revert. */
export function revertProjections(state: ReleaseState, now: number, deadline: number): Decision | null {
  const { projections } = state.plan;
  const { acquiredAt, projections: done } = state.preparation;
  // A rebuild that was cut off may have begun: to revert is also to take away what is half done.
  const reached = acquiredAt !== null && ['rebuild', null].includes(leftToPrepare(state));
  if (projections === undefined || !reached || done?.reverted === true) return null;
  return persist(state, { lane: RELEASE, key: 'revert', body: { kind: 'revert', projections }, deadline }, now);
}

function ended(state: ReleaseState, outcome: Outcome, reason: string, now: number): Decision {
  return record(RELEASE, 'end', now, { type: 'ReleaseEnded', outcome, reason, checklist: checklistOf(state) });
}
