import { existsSync, lstatSync, mkdirSync, type Stats, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { OutsideError } from '../core/errors.ts';

const WRITABLE_BY_OTHERS = 0o022;

/**
 * A folder at a path that others could have guessed, below the temporary folder for example: new, or made by us before. One that
 * somebody else has put there, as a folder or a link, would have us read and start what they put into it.
 * @throws OutsideError `FOLDER_FOREIGN`.
 */
export function privateFolder(path: string, mode = 0o700): string {
  mkdirSync(path, { recursive: true, mode });
  const found = lstatSync(path);
  const why = foreign(found, ourId());
  if (why === null) return path;
  throw new OutsideError('FOLDER_FOREIGN', `${path} ${why}`, 'See who made it, and remove it: Sluice makes its own.');
}

/** Why a folder is not safely ours; null when it is. */
export function foreign(found: Pick<Stats, 'uid' | 'mode' | 'isDirectory' | 'isSymbolicLink'>, owner: number | null): string | null {
  if (found.isSymbolicLink()) return 'is a link';
  if (!found.isDirectory()) return 'is no folder';
  // Windows knows neither owners nor modes of this kind.
  if (owner === null) return null;
  if (found.uid !== owner) return `belongs to user ${found.uid}, and this is user ${owner}`;
  return (found.mode & WRITABLE_BY_OTHERS) === 0 ? null : 'may be written to by other users';
}

/**
 * The folder `.sluice` of a workspace, which holds its token and its values: made for this user only, and never taken up by git.
 * It may belong to the owner of the workspace, whose configuration is evaluated anyway.
 * @throws OutsideError `FOLDER_FOREIGN`.
 */
export function workspaceFolder(workspace: string): string {
  const path = join(workspace, '.sluice');
  mkdirSync(path, { recursive: true, mode: 0o700 });
  const found = statSync(path);
  const [why, ...others] = [ourId(), ourId() === null ? null : statSync(workspace).uid].map((owner) => foreign(found, owner));
  if (typeof why === 'string' && !others.includes(null))
    throw new OutsideError('FOLDER_FOREIGN', `${path} ${why}`, 'See who made it; `chmod go-w` closes it to others.');
  const ignore = join(path, '.gitignore');
  if (!existsSync(ignore)) writeFileSync(ignore, '*\n', { mode: 0o644 });
  return path;
}

function ourId(): number | null {
  return process.getuid?.() ?? null;
}

/** A folder below `.sluice`, made together with it. */
export function folderBelow(workspace: string, ...names: readonly string[]): string {
  const path = join(workspaceFolder(workspace), ...names);
  mkdirSync(path, { recursive: true });
  return path;
}
