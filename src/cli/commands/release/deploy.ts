import { readFile } from 'node:fs/promises';
import { Option } from 'commander';
import { UserError } from '../../../core/errors.ts';
import type { Plan } from '../../../core/release/plan/plan.ts';
import { carryOut, type CarryOutOptions, carryOutOptions } from './carry-out.ts';
import { breakGlassOption } from '../../session/options.ts';
import { environmentOf } from '../../session/pick.ts';
import { command, type Session } from '../../session/session.ts';
import { offerValues, planWithValues } from './values.ts';
import { planBody, type PlanOptions, planOptions } from './plan.ts';

interface DeployOptions extends PlanOptions, CarryOutOptions {
  readonly plan?: string;
}

interface Made {
  readonly plan: Plan;
  readonly notices: readonly string[];
}

export const deploy = command<DeployOptions>({
  help: [
    'Shows the plan first; for production the name of the environment has to be typed, or --yes given.',
    'Exactly the plan that was shown is released, or nothing. Ctrl-C stops following; the release goes on.',
    '',
    '  $ sluice deploy                          # development, or the only environment',
    '  $ sluice deploy -e production            # shows the plan, asks, follows',
    '  $ sluice deploy -e production --yes --no-input --json   # in CI',
    '  $ sluice plan -e production --json > plan.json && sluice deploy --plan plan.json   # exactly that one, or nothing',
    '  $ sluice deploy -e production --break-glass "checkout is down"   # needs one other person, whoever it is',
  ].join('\n'),
  options: [
    ...planOptions(),
    new Option('--plan <file|hash>', 'carry out exactly this plan, or nothing when the world has moved since'),
    breakGlassOption(),
    ...carryOutOptions(),
  ],
  async run(session, { args, options }) {
    if (options.plan !== undefined) {
      const made = await keptPlan(session, options.plan, args, options);
      await offerValues(session, await session.client(), made.plan.environment);
      return carryOut(session, made, options, { plan: made.plan, ...(options.liftHold === true ? { liftHold: true } : {}) });
    }
    const client = await session.client();
    const body = planBody(await environmentOf(session, client, options.env), args, options);
    const made = await planWithValues(session, client, body);
    return carryOut(session, made, options, { ...body, planHash: made.plan.hash });
  },
});

/** @throws UserError `USAGE`, `PLAN_UNREADABLE`, `PLAN_UNKNOWN`. */
async function keptPlan(session: Session, where: string, apps: readonly string[], options: DeployOptions): Promise<Made> {
  if (apps.length > 0 || options.force === true || options.breakGlass !== undefined)
    throw new UserError(
      'USAGE',
      'a plan says itself what is in it',
      'Leave out apps, --force and --break-glass, or make a new plan with them.',
    );
  const made = /^(sha256:)?[0-9a-f]{8,64}$/.test(where)
    ? await (await session.client()).get<Made>(`/v1/plans/${encodeURIComponent(where)}`)
    : await fromFile(where);
  if (options.env !== undefined && options.env !== made.plan.environment)
    throw new UserError('USAGE', `this plan is for ${made.plan.environment}, not ${options.env}`, 'Leave out -e, or make a plan for it.');
  return made;
}

async function fromFile(file: string): Promise<Made> {
  try {
    const content = JSON.parse(await readFile(file, 'utf8')) as Partial<Made> & Partial<Plan>;
    const plan = content.plan ?? content;
    if (Array.isArray(plan.apps) && typeof plan.environment === 'string' && typeof plan.hash === 'string')
      return { plan: plan as Plan, notices: [] };
  } catch (error) {
    throw new UserError('PLAN_UNREADABLE', `${file} cannot be read as a plan: ${String(error)}`, PLAN_HINT);
  }
  throw new UserError('PLAN_UNREADABLE', `${file} is not a plan`, PLAN_HINT);
}

const PLAN_HINT = '`sluice plan --json > plan.json` makes one.';
