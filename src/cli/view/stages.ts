import type { ReleaseState } from '../../core/release/state/state.ts';
import type { Colour } from '../session/terminal.ts';
import { duration, plural } from './words.ts';
import type { Marks } from './marks.ts';

export interface StagesOptions {
  readonly now: number;
  readonly columns: number;
  readonly tick: number;
  readonly marks: Marks;
  readonly colour: (colour: Colour, text: string) => string;
}

type Mark = 'done' | 'failed' | 'progressing' | 'waits' | 'pending';

interface Line {
  readonly name: string;
  readonly mark: Mark;
  readonly text: string;
}

/** How many lines of evidence of the checks are shown. */
const EVIDENCE_SHOWN = 3;

/** What lies before the rollouts, one line a stage that the plan has, while it is not all done. Pure. */
export function stagesOf(state: ReleaseState, { now, tick, marks, colour }: StagesOptions): string[] {
  if (!['checking', 'awaiting', 'scheduled', 'queued', 'preparing'].includes(state.stage)) return [];
  const lines = [...checks(state, now), ...approval(state, now), ...window(state), ...data(state, now)];
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

function checks({ plan, stage, stageSince, preparation }: ReleaseState, now: number): Line[] {
  if (plan.checks === undefined) return [];
  const apps = plan.checks.apps.map(({ app }) => app).join(', ');
  const name = 'checks';
  if (preparation.checks === null)
    return [
      stage === 'checking'
        ? { name, mark: 'progressing', text: `run for ${apps}, ${duration(now - stageSince)}` }
        : { name, mark: 'pending', text: apps },
    ];
  const shown = preparation.checks.reports.flatMap(({ evidence }) => evidence).filter(({ result }) => result !== 'notApplicable');
  const text = shown
    .slice(0, EVIDENCE_SHOWN)
    .map(({ subject, text: found }) => `${subject}: ${found}`)
    .join('; ');
  return [{ name, mark: preparation.checks.passed ? 'done' : 'failed', text: text === '' ? apps : text }];
}

function approval({ plan, stage, preparation }: ReleaseState, now: number): Line[] {
  if (plan.approval === undefined) return [];
  const name = 'approval';
  const { number } = plan.approval;
  const asked = preparation.approval;
  if (asked === null) return [{ name, mark: 'pending', text: `by ${number}` }];
  const given = `${asked.given.length} of ${number}`;
  if (stage !== 'awaiting') return [{ name, mark: 'done', text: `${given}: ${asked.given.map(({ by }) => by).join(', ')}` }];
  return [{ name, mark: 'waits', text: `${given}, for another ${duration(Math.max(0, asked.expiresAt - now))}` }];
}

function window({ plan, stage }: ReleaseState): Line[] {
  if (plan.window === undefined) return [];
  if (stage === 'scheduled') return [{ name: 'window', mark: 'waits', text: 'is not open yet' }];
  const isOpen = stage === 'queued' || stage === 'preparing';
  return [{ name: 'window', mark: isOpen ? 'done' : 'pending', text: isOpen ? 'is open' : 'comes after that' }];
}

/** Restore point, migrations and read models, in this order. */
function data({ plan, stage, stageSince, preparation }: ReleaseState, now: number): Line[] {
  const planned: readonly (readonly [string, boolean, boolean, string])[] = [
    ['backup', plan.backup !== undefined, preparation.restorePoints !== null, plan.backup?.databases.join(', ') ?? ''],
    [
      'migrations',
      plan.migrations !== undefined,
      preparation.migrations !== null,
      plural(plan.migrations?.databases.flatMap(({ migrations }) => migrations).length ?? 0, 'migration'),
    ],
    [
      'read models',
      plan.projections !== undefined,
      preparation.projections !== null,
      plan.projections?.projections.map(({ name, version }) => `${name} ${version}`).join(', ') ?? '',
    ],
  ];
  const asked = planned.filter(([, isPlanned]) => isPlanned);
  const current = asked.findIndex(([, , isDone]) => !isDone);
  return asked.map(([name, , isDone, text], i): Line => {
    if (isDone) return { name, mark: 'done', text };
    return stage === 'preparing' && i === current
      ? { name, mark: 'progressing', text: `${text}, ${duration(now - stageSince)}` }
      : { name, mark: 'pending', text };
  });
}
