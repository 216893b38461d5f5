import type { Option } from 'commander';
import type { Plan } from '../../../core/release/plan/plan.ts';
import { EXIT, exitOfPlan } from '../../session/exit.ts';
import { follow } from '../../view/follow.ts';
import { detachOption, type FollowOptions, followOptions, yesOption } from '../../session/options.ts';
import { heldBackLines } from '../../view/words.ts';
import { confirmProduction } from '../../session/pick.ts';
import { fullPlanText } from '../../view/plan.ts';
import type { Answer, Session } from '../../session/session.ts';

export interface CarryOutOptions extends FollowOptions {
  readonly yes?: boolean;
  readonly detach?: boolean;
}

export const carryOutOptions = (): Option[] => [yesOption(), detachOption(), ...followOptions()];

/** Show a plan, have it confirmed, release exactly that one and follow it. `body`: what says which plan is meant. */
export async function carryOut(
  session: Session,
  { plan, notices }: { readonly plan: Plan; readonly notices: readonly string[] },
  options: CarryOutOptions,
  body: object,
): Promise<Answer> {
  const { environment } = plan;
  if (!session.json) session.say(fullPlanText(plan, notices, session.now()));
  if (plan.apps.length > 0)
    await confirmProduction(session, environment, `deploy ${plan.apps.map((app) => app.app).join(', ')}`, options.yes);
  const client = await session.client();
  const { id, message } = await client.post<{ id: string | null; message: string }>('/v1/releases', {
    environment,
    ...body,
    by: session.by,
  });
  const { unchanged } = plan;
  const heldBack = unchanged.filter(({ keptBack }) => keptBack !== undefined);
  if (id === null) {
    const exitCode = exitOfPlan(plan);
    return {
      exit: exitCode,
      data: { release: null, environment, outcome: null, message, unchanged, heldBack, exitCode },
      text: sentence(message),
    };
  }
  if (options.detach === true)
    return {
      exit: EXIT.ok,
      data: { release: id, environment, outcome: null, message, heldBack, exitCode: EXIT.ok },
      text: [`Release ${id} is under way: \`sluice status -w ${id}\` follows it.`, ...heldBackLines(unchanged)].join('\n'),
    };
  return follow(session, id, options);
}

export function sentence(text: string): string {
  return `${text.slice(0, 1).toUpperCase()}${text.slice(1)}.`;
}
