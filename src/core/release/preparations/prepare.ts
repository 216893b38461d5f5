import { attempt, persist, record, technical, wait } from '../runbook/decide.ts';
import type { Decision } from '../runbook/effects.ts';
import { checklistOf } from '../state/checklist.ts';
import type { Cause, Outcome } from '../state/events.ts';
import type { ReleaseState } from '../state/state.ts';
import { leftToPrepare } from './fold.ts';
import { type AnyStage, early, held, type PreparationEvent } from './index.ts';

/** The release's own lane. */
const RELEASE = '';

/** Stages while which the release holds nothing. */
export type EarlyStage = Exclude<AnyStage['during'], 'preparing'>;

/** The runbook of a release that holds nothing yet. What ends here has changed nothing that users see. */
export function prepareEarly(state: ReleaseState, during: EarlyStage, now: number): Decision {
  const { failed } = state.preparation;
  if (failed !== null) return ended(state, 'Failed', failed.message, now);
  const at = early.findIndex((stage) => stage.during === during);
  const earlier = early.slice(0, at);
  const lapsed = lapseOf(state, now, earlier);
  if (lapsed !== null) return lapsed;
  const stage = early[at];
  const want = stage?.effect(state, now) ?? null;
  if (stage === undefined || want === null) return ended(state, 'Errored', `the plan has no ${stage?.name ?? during}`, now);
  switch (want.want) {
    case 'perform': {
      const { effect, deadlineMs } = want;
      const wish = { lane: RELEASE, key: effect.kind, body: effect, deadline: state.stageSince + deadlineMs };
      return attempt(state, wish, now, ({ message }) =>
        ended(state, 'Errored', `the ${stage.words.name} could not be run: ${message}`, now),
      );
    }
    case 'record':
      return record(RELEASE, want.key, now, want.event);
    case 'wait':
      return wait(Math.min(want.until, lapsesAt(state, earlier)));
    case 'end':
      return ended(state, want.outcome, want.reason, now, want.first);
  }
}

/** What keeps a release that stands in line from starting: its approval or its window is over. Null: nothing. */
export function tooLateToStart(state: ReleaseState, now: number): Decision | null {
  return lapseOf(state, now, early);
}

/** When to look again at one that stands in line. */
export function latestStart(state: ReleaseState): number {
  return lapsesAt(state, early);
}

/** The newest stage first. */
function lapseOf(state: ReleaseState, now: number, stages: readonly AnyStage[]): Decision | null {
  const lapsed = stages
    .toReversed()
    .map((stage) => stage.lapsed?.(state, now) ?? null)
    .find((one) => one !== null);
  return lapsed === undefined ? null : ended(state, lapsed.outcome, lapsed.reason, now, lapsed.first);
}

function lapsesAt(state: ReleaseState, stages: readonly AnyStage[]): number {
  return Math.min(...stages.map((stage) => stage.lapsesAt?.(state) ?? Infinity));
}

/** The runbook of a release that has its apps: one stage after another, each only where the plan has it. */
export function preparing(state: ReleaseState, now: number): Decision {
  const { failed } = state.preparation;
  if (failed !== null) return turnBack(state, { kind: 'verdict', app: null, ...failed }, now);
  const want = leftToPrepare(state)?.effect(state, now) ?? null;
  if (want?.want !== 'perform') return wait(now + 1_000);
  const { effect, deadlineMs } = want;
  const wish = { lane: RELEASE, key: effect.kind, body: effect, deadline: state.stageSince + deadlineMs };
  return attempt(state, wish, now, (attempted) => turnBack(state, technical(null, attempted), now));
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

/** What the stages did is taken back last, once no version uses it: the newest first. Null: there is nothing to take back. */
export function undoPreparations(state: ReleaseState, now: number, deadline: number): Decision | null {
  if (state.preparation.acquiredAt === null) return null;
  const left = leftToPrepare(state);
  const reached = left === null ? held : held.slice(0, held.indexOf(left) + 1);
  const [body = null] = reached.toReversed().flatMap((stage) => stage.undo?.(state) ?? []);
  return body === null ? null : persist(state, { lane: RELEASE, key: body.kind, body, deadline }, now);
}

/** Names of the stages that still have something to take back. */
export function leftToUndo(state: ReleaseState): readonly string[] {
  return held.filter((stage) => (stage.undo?.(state) ?? null) !== null).map(({ words }) => words.name);
}

function ended(state: ReleaseState, outcome: Outcome, reason: string, now: number, first: readonly PreparationEvent[] = []): Decision {
  return record(RELEASE, 'end', now, ...first, { type: 'ReleaseEnded', outcome, reason, checklist: checklistOf(state) });
}
