import type { Plan } from '../../../core/release/plan/plan.ts';
import { carryOut, type CarryOutOptions, carryOutOptions } from './carry-out.ts';
import { breakGlassOption } from '../../session/options.ts';
import { command } from '../../session/session.ts';
import { offerValues } from './values.ts';

interface PromoteEnvOptions extends CarryOutOptions {
  readonly breakGlass?: string;
}

export const promoteEnv = command<PromoteEnvOptions>({
  help: [
    'The same artifacts by digest, with the settings and the strategy of the environment they go to; its approvals and',
    'windows apply. Shows the plan first, as `deploy` does.',
    '',
    '  $ sluice promote-env staging production',
    '  $ sluice promote-env staging production web --yes --json',
  ].join('\n'),
  options: [breakGlassOption(), ...carryOutOptions()],
  async run(session, { args, options }) {
    const [from = '', to = '', ...apps] = args;
    const client = await session.client();
    await offerValues(session, client, to);
    const made = await client.post<{ plan: Plan; notices: string[] }>('/v1/promotions', {
      from,
      to,
      ...(apps.length === 0 ? {} : { apps }),
      ...(options.breakGlass === undefined ? {} : { breakGlass: options.breakGlass }),
    });
    return carryOut(session, made, options, { plan: made.plan });
  },
});
