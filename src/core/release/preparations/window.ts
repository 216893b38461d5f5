import { closedBecause, closedText, type DeploymentWindow, opensAt } from '../../access/window.ts';
import { duration } from '../../text/words.ts';
import type { End, PreparationStage, Progress, ReleaseView, Want } from './stage.ts';

export interface Types {
  readonly plan: { readonly window?: DeploymentWindow };
  readonly state: object;
  /** The deployment window is open. */
  readonly event: { readonly type: 'WindowOpened' };
  readonly effect: never;
}

/** The time at which the environment may be deployed to. The release holds nothing and runs nothing meanwhile. */
export const window: PreparationStage<Types> = {
  name: 'window',
  during: 'scheduled',
  planned: 'window',
  initial: {},
  events: { WindowOpened: 'plain' },
  fold: () => ({ isDone: true }),
  isDone: ({ stage }) => !['checking', 'awaiting', 'scheduled'].includes(stage),
  effect: open,
  lapsed: closedAgain,
  words: {
    name: 'window',
    about: 'When the environment may be deployed to.',
    plan: ({ window: planned }, now) => (planned === undefined ? [] : [planText(planned, now)]),
    event: () => 'the deployment window is open',
    progress,
    checklist: () => [],
  },
};

function open({ plan: { window: planned }, stageSince }: ReleaseView<Types>, now: number): Want<Types['event'], never> {
  if (planned === undefined || closedBecause(planned, now) === null)
    return { want: 'record', key: 'open', event: { type: 'WindowOpened' } };
  const givesUpAt = stageSince + planned.waitMs;
  const at = opensAt(planned, now);
  if (now >= givesUpAt || at === null || at > givesUpAt)
    return { want: 'end', outcome: 'Errored', reason: `${closedText(planned, now)}, which is too late for this release`, first: [] };
  return { want: 'wait', until: at };
}

function closedAgain({ plan: { window: planned } }: ReleaseView<Types>, at: number): End<Types['event']> | null {
  const closed = planned === undefined ? null : closedText(planned, at);
  return closed === null ? null : { want: 'end', outcome: 'Errored', reason: `by the time its apps were free: ${closed}`, first: [] };
}

function planText(planned: DeploymentWindow, now: number): string {
  const closed = closedText(planned, now);
  if (closed === null) return 'the deployment window is open';
  if (planned.waitMs === 0) return `${closed}; a deploy now is refused`;
  return opensAt(planned, now) === null
    ? `${closed}; it waits no longer than ${duration(planned.waitMs)}`
    : `${closed}: it waits until then`;
}

function progress({ plan, stage }: ReleaseView<Types>): Progress | null {
  if (plan.window === undefined) return null;
  if (stage === 'scheduled') return { mark: 'waits', text: 'is not open yet' };
  const isOpen = stage === 'queued' || stage === 'preparing';
  return { mark: isOpen ? 'done' : 'pending', text: isOpen ? 'is open' : 'comes after that' };
}
