import type { PlannedApproval } from './approval.ts';
import type { OtherNames } from './authors.ts';
import type { DeploymentWindow } from './window.ts';

/** The rules of an environment for who may deploy to it, what, and when. */
export interface Governance {
  readonly approval: Omit<PlannedApproval, 'authors'> | null;
  readonly window: DeploymentWindow | null;
  /** Patterns of branches that may be deployed; null: any. */
  readonly branches: readonly string[] | null;
  /** Environments whose versions may be promoted here; null: as `branches` says. */
  readonly promoteFrom: readonly string[] | null;
  /** Whether those who wrote the change may approve it; the requester of the release never may. */
  readonly byAuthors: boolean;
  readonly otherNames: OtherNames;
  /** How long one other person has for an emergency, ms. */
  readonly breakGlassMs: number;
}

/**
 * Whether what runs in another environment may come here. What was deployed there from any branch could otherwise come
 * to one that takes a few only.
 */
export function takesFrom(here: Governance, from: string, there: Governance | undefined): boolean {
  if (here.promoteFrom !== null) return here.promoteFrom.includes(from);
  const { branches } = here;
  if (branches === null || branches.includes('*')) return true;
  return there?.branches?.every((pattern) => branches.includes(pattern)) === true;
}

/** `release/*` fits `release/1.2`, and `*` alone everything. */
export function fitsBranch(patterns: readonly string[], branch: string): boolean {
  return patterns.some((pattern) => {
    const [first = '', ...rest] = pattern.split('*');
    const last = rest.at(-1);
    if (last === undefined) return pattern === branch;
    if (!branch.startsWith(first)) return false;
    let from = first.length;
    for (const part of rest.slice(0, -1)) {
      const at = branch.indexOf(part, from);
      if (at < 0) return false;
      from = at + part.length;
    }
    return branch.length - last.length >= from && branch.endsWith(last);
  });
}
