import type { ChecklistLine } from '../state/checklist-line.ts';

/** The types of one stage: what it adds to the plan, to the release's state, to its events and to its effects. */
export interface StageTypes {
  readonly plan: object;
  readonly state: object;
  readonly event: { readonly type: string };
  readonly effect: { readonly kind: string };
}

/**
 * One stage between a plan and its rollouts, everything that the product knows of it in one file. All of it is pure;
 * the composition brings the function that performs its effect.
 */
export interface PreparationStage<T extends StageTypes> extends StageParts<T> {
  /** Key of the plan that asks for it: a plan without that key goes past it. */
  readonly planned: keyof T['plan'] & string;
  /** State of a release that has not come to it. */
  readonly initial: T['state'];
  /** Events that it brings, with the tone in which the timeline tells them. */
  readonly events: Readonly<Record<T['event']['type'], Tone>>;
}

// Methods, so that a list of stages of different types can be one list: each is handed its own events only.
export interface StageParts<T extends StageTypes> {
  /** Name of its file. */
  readonly name: string;
  /** Stage of the release while this one is under way. `preparing`: the apps are the release's own. */
  readonly during: 'checking' | 'awaiting' | 'scheduled' | 'preparing';
  /** What an event changes. */
  fold(release: ReleaseView<T>, event: T['event'], at: number): Folded<T['state']>;
  isDone(release: ReleaseView<T>): boolean;
  /** What comes next while it is under way; null: the plan does not ask for it. */
  effect(release: ReleaseView<T>, now: number): Want<T['event'], T['effect']> | null;
  /** What it established may end while the release stands in line: then the release ends. Null: it still holds. */
  lapsed?(release: ReleaseView<T>, at: number): End<T['event']> | null;
  /** When that will be, ms since epoch. */
  lapsesAt?(release: ReleaseView<T>): number;
  /** What takes it back when the release is put back, once no version uses it; null: there is nothing to take back. */
  undo?(release: ReleaseView<T>): T['effect'] | null;
  readonly words: StageWords<T['plan'], T['state'], T['event']>;
}

export interface StageWords<Asked extends object, Known extends object, Event> {
  readonly name: string;
  /** What the key of the plan is, for the description of the API. */
  readonly about: string;
  /** Lines of the plan. */
  plan(plan: PlanView & Asked, now: number): readonly string[];
  /** Line of the timeline. */
  event(event: Event): string;
  /** Line of a release that is on its way to its rollouts; null: it has none. */
  progress(release: ReleaseWith<Asked, Known>, now: number): Progress | null;
  checklist(release: ReleaseWith<Asked, Known>): readonly ChecklistLine[];
}

export type Tone = 'plain' | 'good' | 'bad' | 'attention';

/** `mark` left out: the stage is `done`, `progressing` or `pending` by its place in the order. */
export interface Progress {
  readonly text: string;
  readonly mark?: Mark;
}

export type Mark = 'done' | 'failed' | 'progressing' | 'waits' | 'pending';

/** A release as a stage sees it: `ReleaseState` has this shape. */
export type ReleaseView<T extends StageTypes> = ReleaseWith<T['plan'], T['state']>;

export interface ReleaseWith<Asked extends object, Known extends object> {
  readonly id: string;
  /** The person who asked for the release. */
  readonly by: string;
  readonly stage: string;
  /** ms since epoch */
  readonly stageSince: number;
  readonly plan: PlanView & Asked;
  readonly preparation: Known & PreparationFailure;
}

export interface PlanView {
  readonly environment: string;
  readonly kind: 'deploy' | 'rollback';
  readonly hash: string;
  readonly source: { readonly commit: string | null };
  readonly apps: readonly { readonly app: string; readonly artifact: string | null }[];
  readonly breakGlass?: { readonly reason: string };
  readonly promotedFrom?: string;
}

export interface PreparationFailure {
  /** Why one of the stages has failed, one sentence. */
  readonly failed: { readonly code: string; readonly message: string } | null;
}

export interface Folded<State> extends Partial<PreparationFailure> {
  /** What the release knows from now on. */
  readonly kept?: Partial<State>;
  /** The stage is done: the next one begins, if the release is at this one. */
  readonly isDone?: boolean;
}

export type Want<Event, Work> =
  | { readonly want: 'perform'; readonly effect: Work; readonly deadlineMs: number }
  | { readonly want: 'record'; readonly key: string; readonly event: Event }
  | { readonly want: 'wait'; readonly until: number }
  | End<Event>;

/** The release is over: nothing that users see has changed. */
export interface End<Event> {
  readonly want: 'end';
  readonly outcome: 'Errored' | 'Aborted';
  readonly reason: string;
  /** What is recorded before the end. */
  readonly first: readonly Event[];
}

/** A line of the checklist. */
export function line(item: string, result: ChecklistLine['result'], text: string, proof: string | null = null): ChecklistLine {
  return { item, result, text, proof };
}
