import { PREPARATIONS } from '../../core/release/preparations/index.ts';
import type { Mark } from '../../core/release/preparations/stage.ts';
import type { ReleaseState } from '../../core/release/state/state.ts';
import type { Colour } from '../session/terminal.ts';
import { duration } from './words.ts';
import type { Marks } from './marks.ts';

export interface StagesOptions {
  readonly now: number;
  readonly columns: number;
  readonly tick: number;
  readonly marks: Marks;
  readonly colour: (colour: Colour, text: string) => string;
}

interface Line {
  readonly name: string;
  readonly mark: Mark;
  readonly text: string;
}

/** What lies before the rollouts, one line a stage that the plan has, while it is not all done. Pure. */
export function stagesOf(state: ReleaseState, { now, tick, marks, colour }: StagesOptions): string[] {
  if (!['checking', 'awaiting', 'scheduled', 'queued', 'preparing'].includes(state.stage)) return [];
  const lines = linesOf(state, now);
  const width = Math.max(0, ...lines.map(({ name }) => name.length));
  const sign: Record<Mark, string> = {
    done: colour('green', marks.done),
    failed: colour('red', marks.failed),
    progressing: colour('blue', marks.progressing[tick % marks.progressing.length] ?? ''),
    waits: colour('yellow', marks.waits),
    pending: colour('dim', marks.pending),
  };
  return lines.map(({ name, mark, text }) => `${sign[mark]} ${name.padEnd(width)}  ${mark === 'pending' ? colour('dim', text) : text}`);
}

/** The first stage that is not done is the one under way, where a stage does not say of itself how far it is. */
function linesOf(state: ReleaseState, now: number): Line[] {
  let isUnderWay = state.stage === 'preparing';
  return PREPARATIONS.flatMap((stage): Line[] => {
    const progress = stage.words.progress(state, now);
    if (progress === null) return [];
    const { name } = stage.words;
    const { mark, text } = progress;
    if (mark !== undefined) return [{ name, mark, text }];
    if (stage.isDone(state)) return [{ name, mark: 'done', text }];
    const isCurrent = isUnderWay;
    isUnderWay = false;
    return [
      isCurrent ? { name, mark: 'progressing', text: `${text}, ${duration(now - state.stageSince)}` } : { name, mark: 'pending', text },
    ];
  });
}
