import { duration } from '../../core/text/words.ts';
import type { Plan, Step, Strategy } from '../../core/release/plan/plan.ts';

export { count, duration, plural } from '../../core/text/words.ts';

/** One unit only: `3 d`, `5 min`, `now` */
export function age(ms: number): string {
  if (ms < 1000) return 'now';
  return duration(ms).split(' ').slice(0, 2).join(' ');
}

/** Clock time of day, for lines that are read as they come. */
export function clock(at: number): string {
  return new Date(at).toTimeString().slice(0, 8);
}

/** `2026-01-31 08:15` */
export function minute(at: number): string {
  const date = new Date(at - new Date(at).getTimezoneOffset() * 60_000);
  return date.toISOString().slice(0, 16).replace('T', ' ');
}

/** A strategy as its story: `canary: 5 % for 30 min → 25 % for 5 min → 100 %` */
export function strategyWords(strategy: Strategy): string {
  switch (strategy.kind) {
    case 'recreate':
      return 'recreate: stop the old one, start the new one';
    case 'allAtOnce':
      return `all at once${kept(strategy.soakMs)}`;
    case 'blueGreen': {
      const parts = [
        ...(strategy.confirm ? ['wait for approval'] : []),
        strategy.bakeMs > 0 ? `100 % for ${duration(strategy.bakeMs)}, watched` : '100 %',
      ];
      return `blue/green: ${parts.join(' → ')}${kept(strategy.soakMs)}`;
    }
    case 'canary':
      return `canary: ${[...stepsWords(strategy.steps), '100 %'].join(' → ')}`;
  }
}

function kept(ms: number): string {
  return ms > 0 ? `, the old one kept for ${duration(ms)}` : '';
}

function stepsWords(steps: readonly Step[]): string[] {
  return steps.flatMap((step, i) => {
    const before = steps[i - 1];
    const after = steps[i + 1];
    switch (step.kind) {
      case 'weight':
        return [after?.kind === 'bake' ? `${step.weight} % for ${duration(after.forMs)}` : `${step.weight} %`];
      case 'bake':
        return before?.kind === 'weight' ? [] : [`look for ${duration(step.forMs)}`];
      case 'pause':
        return [step.forMs === null ? 'wait for approval' : `pause ${duration(step.forMs)}`];
    }
  });
}

/** What the plan will do, for people to look at before it does. */
export function planText(plan: Plan, notices: readonly string[] = []): string {
  const { commit, branch, dirty } = plan.source;
  const from = [
    commit === null ? null : `commit ${commit.slice(0, 7)}`,
    branch === null ? null : `branch ${branch}`,
    dirty ? 'with uncommitted changes' : null,
  ].filter((part) => part !== null);
  const title = `${plan.kind === 'rollback' ? 'Rollback' : 'Deploy'} to ${plan.environment}${from.length === 0 ? '' : ` (${from.join(', ')})`}`;
  const rows = plan.apps.map((app) => [
    app.app,
    app.reason,
    app.stable === null && app.strategy.kind !== 'recreate'
      ? 'at once: there is nothing to compare it with yet'
      : strategyWords(app.strategy),
  ]);
  const lines = [title, ...table(rows).map((row) => `  ${row}`)];
  if (plan.apps.length === 0)
    lines.push(plan.unchanged.some(({ keptBack }) => keptBack !== undefined) ? '  nothing, because it is held back' : '  nothing to do');
  if (plan.unchanged.length > 0)
    lines.push('Left alone', ...table(plan.unchanged.map(({ app, reason }) => [app, reason])).map((row) => `  ${row}`));
  if (plan.apps.length > 0) lines.push(`Plan ${plan.hash.slice(0, 19)}`);
  return [...lines, ...notices.map((notice) => `Note: ${notice}`)].join('\n');
}

/** Apps that a release leaves out although something of theirs has changed. */
export function heldBackLines(unchanged: Plan['unchanged']): string[] {
  return unchanged.flatMap(({ app, reason, keptBack }) => (keptBack === undefined ? [] : [`Held back: ${app}, ${reason}.`]));
}

/** Columns padded to the widest cell; nothing after the last one. */
export function table(rows: readonly (readonly string[])[]): string[] {
  const widths: number[] = [];
  for (const row of rows) for (const [i, cell] of row.entries()) widths[i] = Math.max(widths[i] ?? 0, visibleLength(cell));
  return rows.map((row) =>
    row
      .map((cell, i) => (i === row.length - 1 ? cell : cell + ' '.repeat((widths[i] ?? 0) - visibleLength(cell))))
      .join('  ')
      .trimEnd(),
  );
}

const ANSI = /\u001b\[[0-9;?]*[A-Za-z]/g;

export function visibleLength(text: string): number {
  return [...text.replaceAll(ANSI, '')].length;
}
