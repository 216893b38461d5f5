import type { PreparationStage } from './stage.ts';

/** Whether versions can work with a schema. `reason`: why not, one sentence. */
export interface SchemaFit {
  readonly works: boolean;
  readonly reason: string | null;
}

export interface Types {
  readonly plan: {
    /** Ask first whether the versions gone back to can work with the present schema (rollbacks). */
    readonly schemaGate?: { readonly deadlineMs: number };
  };
  readonly state: {
    readonly schema: SchemaFit | null;
    /** Why it cannot be put back: everything stays as it is and somebody is called. */
    readonly refused: string | null;
  };
  readonly event:
    | { readonly type: 'SchemaCompatible' }
    | { readonly type: 'SchemaIncompatible'; readonly reason: string }
    /** The old versions cannot work with the schema: nothing is moved any more, and somebody is called (invariant 8). */
    | { readonly type: 'RollbackRefused'; readonly reason: string };
  /** Can the versions that a rollback brings work with the schema as it is now? Answers SchemaCompatible | SchemaIncompatible. */
  readonly effect: { readonly kind: 'fit'; readonly apps: readonly { readonly app: string; readonly artifact: string | null }[] };
}

/** The schema's word on a rollback, before the release touches anything. */
export const schema: PreparationStage<Types> = {
  name: 'schema',
  during: 'preparing',
  planned: 'schemaGate',
  initial: { schema: null, refused: null },
  events: { SchemaCompatible: 'good', SchemaIncompatible: 'bad', RollbackRefused: 'bad' },
  fold(_release, event) {
    switch (event.type) {
      case 'SchemaCompatible':
        return { kept: { schema: { works: true, reason: null } }, isDone: true };
      case 'SchemaIncompatible':
        return {
          kept: { schema: { works: false, reason: event.reason } },
          failed: { code: 'SCHEMA_INCOMPATIBLE', message: event.reason },
        };
      case 'RollbackRefused':
        return { kept: { refused: event.reason } };
    }
  },
  isDone: ({ preparation }) => preparation.schema !== null,
  effect({ plan }) {
    if (plan.schemaGate === undefined) return null;
    return { want: 'perform', effect: { kind: 'fit', apps: plan.apps }, deadlineMs: plan.schemaGate.deadlineMs };
  },
  words: {
    name: 'schema',
    about: 'The schema is asked first whether the versions gone back to can work with it.',
    plan: ({ schemaGate }) => (schemaGate === undefined ? [] : ['the schema must still suit the versions gone back to']),
    event(event) {
      switch (event.type) {
        case 'SchemaCompatible':
          return 'the version before can work with the schema';
        case 'SchemaIncompatible':
          return `the version before cannot work with the schema: ${event.reason}`;
        case 'RollbackRefused':
          return `NOT PUT BACK: ${event.reason}`;
      }
    },
    progress: () => null,
    checklist: () => [],
  },
};
