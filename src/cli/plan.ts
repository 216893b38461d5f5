import { Option } from 'commander';
import type { Plan } from '../core/release/plan.ts';
import { EXIT } from './_exit.ts';
import { environmentOption } from './_options.ts';
import { environmentOf } from './_pick.ts';
import { command } from './_session.ts';
import { planText } from './_words.ts';

/** What a plan is made of, as `plan` and `deploy` ask for it. */
export interface PlanOptions {
  readonly env?: string;
  readonly force?: boolean;
  readonly liftHold?: boolean;
}

export const planOptions = (): Option[] => [
  environmentOption(),
  new Option('--force', 'take all apps, even when nothing changed'),
  new Option('--lift-hold', 'take versions that a rollback has rejected, too'),
];

export function planBody(environment: string, apps: readonly string[], options: PlanOptions): object {
  return {
    environment,
    ...(apps.length === 0 ? {} : { apps }),
    ...(options.force === true ? { force: true } : {}),
    ...(options.liftHold === true ? { liftHold: true } : {}),
  };
}

export const plan = command<PlanOptions>({
  path: ['plan'],
  args: '[apps...]',
  summary: 'Show what a deploy would do; change nothing',
  help: 'Without apps: whatever changed. Apps that are named are taken even when nothing changed.\n\n  $ sluice plan -e staging\n  $ sluice plan -e production web --json',
  options: planOptions(),
  async run(session, { args, options }) {
    const client = await session.client();
    const environment = await environmentOf(session, client, options.env);
    const { plan: made, notices } = await client.post<{ plan: Plan; notices: string[] }>('/v1/plans', planBody(environment, args, options));
    return { exit: EXIT.ok, data: { plan: made, notices }, text: planText(made, notices) };
  },
});
