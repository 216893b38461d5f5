import type { Planner } from './planner.ts';
import { UserError } from '../../core/errors.ts';
import { isIntact, type Plan } from '../../core/release/plan/plan.ts';
import { planDifference } from '../../core/release/plan/difference.ts';
import type { Engine } from '../../engine/face.ts';

interface Parts {
  readonly engine: Engine;
  readonly planner: Planner;
}

export interface PromotionAsked {
  readonly from: string;
  readonly to: string;
  readonly apps?: readonly string[] | undefined;
  readonly breakGlass?: string | undefined;
}

/**
 * What is healthy in one environment, to another.
 * @throws UserError `UNKNOWN_ENVIRONMENT`, `UNKNOWN_APP`, `NOTHING_TO_PROMOTE`, `PROMOTION_TO_ITSELF`.
 */
export async function promotionPlan({ engine, planner }: Parts, { from, to, apps, breakGlass }: PromotionAsked): Promise<Plan> {
  if (from === to)
    throw new UserError(
      'PROMOTION_TO_ITSELF',
      `${from} cannot be promoted to itself`,
      'Name where it goes: `sluice promote-env staging production`.',
    );
  // Their names are checked before anything is read about them.
  await Promise.all([planner.environment(from), planner.environment(to)]);
  return planner.promote({
    to,
    manifest: await engine.manifest(to),
    from: await engine.manifest(from),
    ...(apps === undefined ? {} : { only: apps }),
    ...(breakGlass === undefined ? {} : { breakGlass }),
  });
}

/**
 * Exactly the plan that somebody has kept, as long as it still is what would be done.
 * @throws UserError `PLAN_STALE`, `PLAN_OF_ROLLBACK`, and as `Planner.plan`.
 */
export async function exactPlan(parts: Parts, given: Plan, liftHold: boolean): Promise<Plan> {
  if (given.kind === 'rollback')
    throw new UserError(
      'PLAN_OF_ROLLBACK',
      'this is the plan of a rollback',
      '`sluice rollback` makes one for what runs now, and carries it out.',
    );
  if (!isIntactPlan(given)) throw new UserError('PLAN_STALE', 'the plan is not what its hash says: it was changed', 'Make the plan again.');
  // Nothing stays nothing, whatever has moved: asked for no app by name, a new plan would take all of them.
  if (given.apps.length === 0) return given;
  const fresh = await planAgain(parts, given, liftHold);
  const moved = planDifference(given, fresh);
  if (moved === null) return given;
  throw new UserError('PLAN_STALE', `the plan is out of date: ${moved}`, 'Make the plan again and look at it.');
}

async function planAgain(parts: Parts, given: Plan, liftHold: boolean): Promise<Plan> {
  const { environment, promotedFrom, breakGlass } = given;
  const only = given.apps.map(({ app }) => app);
  const emergency = breakGlass === undefined ? {} : { breakGlass: breakGlass.reason };
  if (promotedFrom !== undefined) return promotionPlan(parts, { from: promotedFrom, to: environment, apps: only, ...emergency });
  const manifest = await parts.engine.manifest(environment);
  return parts.planner.plan({ environment, manifest, only, liftHold, ...emergency });
}

/** What comes from outside may be anything. */
function isIntactPlan(plan: Plan): boolean {
  try {
    return isIntact(plan);
  } catch {
    return false;
  }
}
