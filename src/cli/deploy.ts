import type { Plan } from '../core/release/plan.ts';
import { EXIT } from './_exit.ts';
import { follow } from './_follow.ts';
import { detachOption, type FollowOptions, followOptions, yesOption } from './_options.ts';
import { confirmProduction, environmentOf } from './_pick.ts';
import { command } from './_session.ts';
import { planText } from './_words.ts';
import { planBody, type PlanOptions, planOptions } from './plan.ts';

interface DeployOptions extends PlanOptions, FollowOptions {
  readonly yes?: boolean;
  readonly detach?: boolean;
}

export const deploy = command<DeployOptions>({
  path: ['deploy'],
  args: '[apps...]',
  summary: 'Release what changed, and follow it to its end',
  help: [
    'Shows the plan first; for production the name of the environment has to be typed, or --yes given.',
    'Exactly the plan that was shown is released, or nothing. Ctrl-C stops following; the release goes on.',
    '',
    '  $ sluice deploy                          # development, or the only environment',
    '  $ sluice deploy -e production            # shows the plan, asks, follows',
    '  $ sluice deploy -e production --yes --no-input --json   # in CI',
  ].join('\n'),
  options: [...planOptions(), yesOption(), detachOption(), ...followOptions()],
  async run(session, { args, options }) {
    const client = await session.client();
    const environment = await environmentOf(session, client, options.env);
    const body = planBody(environment, args, options);
    const { plan, notices } = await client.post<{ plan: Plan; notices: string[] }>('/v1/plans', body);
    if (!session.json) session.say(planText(plan, notices));
    if (plan.apps.length > 0)
      await confirmProduction(session, environment, `deploy ${plan.apps.map((app) => app.app).join(', ')}`, options.yes);
    const { id, message } = await client.post<{ id: string | null; message: string }>('/v1/releases', {
      ...body,
      planHash: plan.hash,
      by: session.by,
    });
    if (id === null)
      return {
        exit: EXIT.ok,
        data: { release: null, environment, outcome: null, message, unchanged: plan.unchanged, exitCode: EXIT.ok },
        text: sentence(message),
      };
    if (options.detach === true)
      return {
        exit: EXIT.ok,
        data: { release: id, environment, outcome: null, message, exitCode: EXIT.ok },
        text: `Release ${id} is under way: \`sluice status -w ${id}\` follows it.`,
      };
    return follow(session, id, options);
  },
});

export function sentence(text: string): string {
  return `${text.slice(0, 1).toUpperCase()}${text.slice(1)}.`;
}
