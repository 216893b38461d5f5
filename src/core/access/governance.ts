import type { PlannedApproval } from '../release/stages.ts';
import type { DeploymentWindow } from './window.ts';

/** The rules of an environment for who may deploy to it, what, and when. */
export interface Governance {
  readonly approval: Omit<PlannedApproval, 'authors'> | null;
  readonly window: DeploymentWindow | null;
  /** Patterns of branches that may be deployed; null: any. */
  readonly branches: readonly string[] | null;
  /** How long one other person has for an emergency, ms. */
  readonly breakGlassMs: number;
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
