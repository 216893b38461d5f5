import { UserError } from '../../core/errors.ts';
import type { Plan } from '../../core/release/plan/plan.ts';
import { planDifference } from '../../core/release/plan/difference.ts';

/** Plans that were shown to somebody, by hash. */
export interface SeenPlans {
  /** Returns the plan, for chaining. */
  remember(plan: Plan): Plan;
  /**
   * The plan that was looked at, if it still is what would be done. What happens meanwhile to apps that are
   * not part of it does not matter.
   * @throws UserError `PLAN_STALE`.
   */
  agreed(seen: string | undefined, now: Plan): Plan;
  /**
   * By hash, or 8 letters or more of its beginning.
   * @throws UserError `PLAN_UNKNOWN`.
   */
  find(hash: string): Plan;
}

/** Keeps the newest; one that is forgotten counts only if it is the same to the last letter. */
export function createSeenPlans(most = 200): SeenPlans {
  const plans = new Map<string, Plan>();
  return {
    remember(plan) {
      plans.delete(plan.hash);
      plans.set(plan.hash, plan);
      const [oldest] = plans.keys();
      if (plans.size > most && oldest !== undefined) plans.delete(oldest);
      return plan;
    },
    find(hash) {
      const wanted = hash.startsWith('sha256:') ? hash : `sha256:${hash}`;
      const found = [...plans.values()].filter((plan) => plan.hash.startsWith(wanted));
      const [plan] = found;
      if (plan !== undefined && found.length === 1) return plan;
      throw new UserError(
        'PLAN_UNKNOWN',
        found.length > 1 ? `several plans begin with ${hash}` : `no plan ${hash} was made lately`,
        'Make it again, or keep it in a file: `sluice plan --json > plan.json`, then `sluice deploy --plan plan.json`.',
      );
    },
    agreed(seen, now) {
      if (seen === undefined || seen === now.hash) return now;
      const before = plans.get(seen);
      const moved = before === undefined ? 'sources, settings or what is running may have changed since' : planDifference(before, now);
      if (before !== undefined && moved === null) return before;
      throw new UserError('PLAN_STALE', `the plan that was looked at is out of date: ${moved}`, 'Make the plan again and look at it.');
    },
  };
}
