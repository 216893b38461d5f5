import { hash } from 'node:crypto';
import { merkle, type MerkleNode } from '../../../core/changes/merkle.ts';

/** What a package asks for, by name, as its manifest says it. */
export type Wishes = ReadonlyMap<string, string>;

/** A lockfile, read once, asked for each project that it serves. */
export interface Lock {
  /** Identity of all that a project gets through this lockfile. `folder`: relative to the lockfile's. */
  closure(folder: string, name: string | null, wishes: Wishes): string;
}

export function digest(text: string): string {
  return hash('sha256', text, 'base64url').slice(0, 32);
}

/** Identities of the packages of a lockfile, each with everything it brings along. */
export function closures(nodes: readonly MerkleNode[]): ReadonlyMap<string, string> {
  return merkle(nodes, digest);
}

/** Identity of a set of packages; '' of none. */
export function together(ids: readonly (string | undefined)[]): string {
  const all = new Set<string>();
  for (const id of ids) if (id !== undefined) all.add(id);
  return all.size === 0 ? '' : digest([...all].toSorted().join('\n'));
}

/** A lockfile of a kind we cannot take apart: any change of it changes everything it serves. */
export function wholeLock(text: string): Lock {
  const id = digest(text);
  return { closure: () => id };
}
