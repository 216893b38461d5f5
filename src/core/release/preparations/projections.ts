import type { ChecklistLine } from '../state/checklist-line.ts';
import { line, type PreparationStage, type ReleaseView } from './stage.ts';

export interface PlannedProjections {
  readonly projections: readonly { readonly name: string; readonly version: string }[];
  readonly deadlineMs: number;
}

export interface ReadyProjection {
  readonly name: string;
  readonly version: string;
  readonly events: number;
  readonly ms: number;
}

export interface Types {
  readonly plan: { readonly projections?: PlannedProjections };
  readonly state: {
    readonly projections: { readonly at: number; readonly ready: readonly ReadyProjection[]; readonly reverted: boolean } | null;
  };
  readonly event:
    /** Rebuilt beside the old ones, compared, and switched to. */
    | { readonly type: 'ProjectionsReady'; readonly ready: readonly ReadyProjection[] }
    | { readonly type: 'ProjectionsFailed'; readonly reason: string }
    | { readonly type: 'ProjectionsReverted' };
  readonly effect:
    /** Rebuild read models beside the old ones, compare, switch. Answers ProjectionsReady | ProjectionsFailed. */
    | { readonly kind: 'rebuild'; readonly projections: PlannedProjections }
    /** Back to the read models that were there before; what was rebuilt goes. Answers ProjectionsReverted. */
    | { readonly kind: 'revert'; readonly projections: PlannedProjections };
}

/** Read models that the new versions need, built beside those of the old ones. */
export const projections: PreparationStage<Types> = {
  name: 'projections',
  during: 'preparing',
  planned: 'projections',
  initial: { projections: null },
  events: { ProjectionsReady: 'good', ProjectionsFailed: 'bad', ProjectionsReverted: 'plain' },
  fold({ preparation }, event, at) {
    switch (event.type) {
      case 'ProjectionsReady':
        return { kept: { projections: { at, ready: event.ready, reverted: false } }, isDone: true };
      case 'ProjectionsFailed':
        return { failed: { code: 'PROJECTION_FAILED', message: event.reason } };
      case 'ProjectionsReverted':
        return { kept: { projections: { ...(preparation.projections ?? { at, ready: [] }), reverted: true } } };
    }
  },
  isDone: ({ preparation }) => preparation.projections !== null,
  effect({ plan }) {
    if (plan.projections === undefined) return null;
    return { want: 'perform', effect: { kind: 'rebuild', projections: plan.projections }, deadlineMs: plan.projections.deadlineMs };
  },
  // A rebuild that was cut off may have begun: to revert is also to take away what is half done.
  undo({ plan, preparation }) {
    if (plan.projections === undefined || preparation.projections?.reverted === true) return null;
    return { kind: 'revert', projections: plan.projections };
  },
  words: {
    name: 'read models',
    about: 'Read models rebuilt and switched to before the rollouts.',
    plan: (plan) =>
      plan.projections === undefined
        ? []
        : [`read models rebuilt beside the old ones: ${plan.projections.projections.map(({ name }) => name).join(', ')}`],
    event(event) {
      switch (event.type) {
        case 'ProjectionsReady':
          return `read models rebuilt: ${event.ready.map(({ name }) => name).join(', ')}`;
        case 'ProjectionsFailed':
          return `read models could not be rebuilt: ${event.reason}`;
        case 'ProjectionsReverted':
          return 'the read models from before are back';
      }
    },
    progress: ({ plan }) =>
      plan.projections === undefined
        ? null
        : { text: plan.projections.projections.map(({ name, version }) => `${name} ${version}`).join(', ') },
    checklist: (release) => [checklistLine(release)],
  },
};

function checklistLine({ plan, preparation }: ReleaseView<Types>): ChecklistLine {
  if (plan.projections === undefined) return line('projections', 'notApplicable', 'it brings no read models');
  const done = preparation.projections;
  if (done === null)
    return line('projections', preparation.failed === null ? 'open' : 'failed', preparation.failed?.message ?? 'not rebuilt yet');
  if (done.reverted) return line('projections', 'failed', 'taken back with the release');
  const built = done.ready.map(({ name, version, events }) => `${name} ${version}: ${events} events`).join(', ');
  return line('projections', 'done', 'rebuilt, compared and switched', built);
}
