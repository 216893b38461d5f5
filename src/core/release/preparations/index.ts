import { approval } from './approval.ts';
import { backup } from './backup.ts';
import { checks } from './checks.ts';
import { migrations } from './migrations.ts';
import { projections } from './projections.ts';
import { schema } from './schema.ts';
import type { PreparationFailure, PreparationStage, StageParts, StageTypes, Tone } from './stage.ts';
import { window } from './window.ts';

/** Stages that hold nothing, in order: no other release waits behind one that waits for people. */
const BEFORE_THE_APPS = [checks, approval, window] as const;

/** Stages that begin once the apps are the release's own, in order. */
const WITH_THE_APPS = [schema, backup, migrations, projections] as const;

/** State of a release that none of its stages has changed. */
export const UNPREPARED: Preparation = {
  acquiredAt: null,
  failed: null,
  ...checks.initial,
  ...approval.initial,
  ...schema.initial,
  ...backup.initial,
  ...migrations.initial,
  ...projections.initial,
};

type TypesOf<Stage> = Stage extends PreparationStage<infer T> ? T : never;
type Types = TypesOf<(typeof BEFORE_THE_APPS)[number] | (typeof WITH_THE_APPS)[number]>;

/** What a plan may ask for before its rollouts. A plan without the key of a stage goes past it. */
export type PlannedStages = All<Types['plan']>;

/** Those that a commit brings, by what is in it. */
export type DataStages = Omit<All<TypesOf<(typeof WITH_THE_APPS)[number]>['plan']>, 'schemaGate'>;

/** How far a release is on the way to its rollouts, and the evidence it has gathered. */
export type Preparation = All<Types['state']> &
  PreparationFailure & {
    /** When the apps became its own, ms since epoch. */
    readonly acquiredAt: number | null;
  };

export type PreparationEvent = Types['event'];
export type PreparationEffect = Types['effect'];

/** Any stage, as code sees it that knows none by name. */
export interface AnyStage extends StageParts<AnyTypes> {
  readonly planned: keyof PlannedStages;
  readonly events: Readonly<Partial<Record<string, Tone>>>;
}

interface AnyTypes extends StageTypes {
  readonly plan: PlannedStages;
  readonly state: Omit<Preparation, 'acquiredAt' | 'failed'>;
  readonly event: PreparationEvent;
  readonly effect: PreparationEffect;
}

export const early: readonly AnyStage[] = BEFORE_THE_APPS;
export const held: readonly AnyStage[] = WITH_THE_APPS;

/** Every stage, in order. */
export const PREPARATIONS: readonly AnyStage[] = [...early, ...held];

const OWNERS = new Map(
  PREPARATIONS.flatMap((stage) => Object.entries(stage.events).map(([type, tone]) => [type, { stage, tone }] as const)),
);

export function isPreparationEvent(event: { readonly type: string }): event is PreparationEvent {
  return OWNERS.has(event.type);
}

/** The stage that brings an event, and the tone in which it is told. */
export function ownerOf(event: PreparationEvent): { readonly stage: AnyStage; readonly tone: Tone } {
  const owner = OWNERS.get(event.type);
  if (owner?.tone === undefined) throw new Error(`no stage brings ${event.type}`);
  return { stage: owner.stage, tone: owner.tone };
}

/** Member of every type of a union at once. */
type All<Union> = (Union extends unknown ? (one: Union) => void : never) extends (all: infer Each) => void ? Each : never;
