import type { AffectedAnswer } from '../../compose/affected.ts';
import { UserError } from '../../core/errors.ts';
import type { Answer } from '../session/session.ts';

/** What `sluice affected` says, for people and for programs. @throws UserError `UNKNOWN_APP`. */
export function affectedWords(found: AffectedAnswer, against: string, explained: string | undefined): Answer {
  const { explain, ...data } = found;
  if (explained === undefined) return { exit: 0, data, text: listing(found, against) };
  const lines = explain(explained);
  return {
    exit: 0,
    data: { ...data, explained: { app: explained, affected: lines !== null, way: lines ?? [] } },
    text: lines === null ? `${explained} is not affected: nothing it is made from differs from ${against}.` : lines.join('\n'),
  };
}

/** @throws UserError `UNKNOWN_APP`. */
export function refuseUnknownApp(app: string | undefined, known: readonly string[]): void {
  if (app === undefined || known.includes(app)) return;
  throw new UserError('UNKNOWN_APP', `There is no app "${app}" in this workspace.`, `Apps: ${known.join(', ') || 'none'}.`);
}

function listing(found: AffectedAnswer, against: string): string {
  const width = Math.max(0, ...found.apps.map(({ app }) => app.length));
  const removed = found.removed.map(
    ({ app, renamedTo }) =>
      `${app}: ${renamedTo === null ? 'no longer in the configuration; to be torn down' : `renamed to ${renamedTo}; the old name is to be torn down`}`,
  );
  return [
    found.apps.length === 0 ? `No app is affected: all are as in ${against}.` : `Affected, compared with ${against}:`,
    ...found.apps.map(({ app, reason }) => `  ${app.padEnd(width)}  ${reason}`),
    ...(found.projects.length === 0 ? [] : [`Besides: ${some(found.projects)}`]),
    ...found.moved.map(({ app, from, to }) => `Moved: ${app} from ${from} to ${to}`),
    ...removed.map((line) => `Removed: ${line}`),
    ...(found.removedProjects.length === 0 ? [] : [`Gone: ${some(found.removedProjects)}`]),
    ...(found.dirty ? ['Uncommitted changes are part of it: good for development only.'] : []),
    ...found.notices.map((notice) => `Note: ${notice}`),
  ].join('\n');
}

function some(names: readonly string[]): string {
  const rest = names.length - 10;
  return names.slice(0, 10).join(', ') + (rest > 0 ? ` and ${rest} more` : '');
}
