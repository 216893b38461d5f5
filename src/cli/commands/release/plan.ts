import { Option } from 'commander';
import { EXIT, exitOfPlan } from '../../session/exit.ts';
import { breakGlassOption, environmentOption } from '../../session/options.ts';
import { environmentOf } from '../../session/pick.ts';
import { fullPlanText, planMarkdown } from '../../view/plan.ts';
import { command } from '../../session/session.ts';
import { planWithValues } from './values.ts';

/** What a plan is made of, as `plan` and `deploy` ask for it. */
export interface PlanOptions {
  readonly env?: string;
  readonly force?: boolean;
  readonly liftHold?: boolean;
  readonly breakGlass?: string;
}

export const planOptions = (): Option[] => [
  environmentOption(),
  new Option('--force', 'take all apps, even when nothing changed'),
  new Option('--lift-hold', 'take versions that a rollback has rejected, too'),
];

export function planBody(environment: string, apps: readonly string[], options: PlanOptions): { readonly environment: string } {
  return {
    environment,
    ...(apps.length === 0 ? {} : { apps }),
    ...(options.force === true ? { force: true } : {}),
    ...(options.liftHold === true ? { liftHold: true } : {}),
    ...(options.breakGlass === undefined ? {} : { breakGlass: options.breakGlass }),
  };
}

export const plan = command<PlanOptions & { readonly markdown?: boolean }>({
  help: 'Without apps: whatever changed. Apps that are named are taken even when nothing changed.\nSays what comes first, who must agree, how long it takes and the way back.\n\n  $ sluice plan -e staging\n  $ sluice plan -e production web --json\n  $ sluice plan -e production --markdown   # for a pull request',
  options: [...planOptions(), breakGlassOption(), new Option('--markdown', 'as Markdown')],
  async run(session, { args, options }) {
    const client = await session.client();
    const environment = await environmentOf(session, client, options.env);
    const { plan: made, notices, variables } = await planWithValues(session, client, planBody(environment, args, options));
    const text = (options.markdown === true ? planMarkdown : fullPlanText)(made, notices, session.now());
    const isMissing = variables.some(({ from }) => from === null);
    return { exit: isMissing ? EXIT.waiting : exitOfPlan(made), data: { plan: made, notices, variables }, text };
  },
});
