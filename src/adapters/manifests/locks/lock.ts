import { hash } from 'node:crypto';
import { merkle, type MerkleNode } from '../../../core/changes/merkle.ts';

/** What a package asks for, by name, as its manifest says it. */
export type Wishes = ReadonlyMap<string, string>;

/** A lockfile, read once, asked for each project that it serves. */
export interface Lock {
  /**
   * Identity of all that a project gets through this lockfile; of the whole file where that does not say what becomes of
   * one of the wishes. `folder`: relative to the lockfile's. `wishes`: of packages from outside. `optional`: those of
   * them that need not be installed, such as peers.
   */
  closure(folder: string, name: string | null, wishes: Wishes, optional?: ReadonlySet<string>): string;
}

export function digest(text: string): string {
  return hash('sha256', text, 'base64url').slice(0, 32);
}

/** Identities of the packages of a lockfile, each with everything it brings along. */
export function closures(nodes: readonly MerkleNode[]): ReadonlyMap<string, string> {
  return merkle(nodes, digest);
}

/** Identity of a set of packages; '' of none. */
function together(ids: readonly (string | undefined)[]): string {
  const all = new Set<string>();
  for (const id of ids) if (id !== undefined) all.add(id);
  return all.size === 0 ? '' : digest([...all].toSorted().join('\n'));
}

/** Identity of what was found for the wishes; of the whole text where one that must be there was not found. */
export function togetherOrWhole(text: string, found: Iterable<readonly [id: string | undefined, isNeeded: boolean]>): string {
  const ids: (string | undefined)[] = [];
  for (const [id, isNeeded] of found) {
    if (id === undefined && isNeeded) return digest(text);
    ids.push(id);
  }
  return together(ids);
}

/** @throws Error when the version of a lockfile's format is none of these; `undefined` stands for files that say none. */
export function mustBeKnown(version: unknown, known: readonly (number | string | undefined)[]): void {
  if (known.includes(version as number | string | undefined)) return;
  throw new Error(
    version === undefined ? 'it says no version of its format' : `version ${JSON.stringify(version)} of its format is not known`,
  );
}

/** A lockfile of a kind we cannot take apart: any change of it changes everything it serves. */
export function wholeLock(text: string): Lock {
  const id = digest(text);
  return { closure: () => id };
}
