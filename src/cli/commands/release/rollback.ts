import { Option } from 'commander';
import type { Plan } from '../../../core/release/plan/plan.ts';
import { EXIT } from '../../session/exit.ts';
import { follow } from '../../view/follow.ts';
import { appOption, detachOption, environmentOption, type FollowOptions, followOptions, yesOption } from '../../session/options.ts';
import { confirmProduction, environmentOf } from '../../session/pick.ts';
import { command } from '../../session/session.ts';
import { offerValues } from './values.ts';
import { planText } from '../../view/words.ts';

interface RollbackOptions extends FollowOptions {
  readonly env?: string;
  readonly app?: string;
  readonly to?: string;
  readonly yes?: boolean;
  readonly detach?: boolean;
}

interface RolledBack {
  readonly action: 'abort' | 'following' | 'release' | 'preview';
  readonly id: string | null;
  readonly plan: Plan | null;
  readonly message: string;
}

export const rollback = command<RollbackOptions>({
  help: [
    'While a release is under way in the environment it is aborted, without a question. Otherwise the versions',
    'that were stable before the newest release come back, all traffic at once.',
    '',
    '  $ sluice rollback -e production',
    '  $ sluice rollback -e production --app web --to 3fa9c1',
  ].join('\n'),
  options: [
    environmentOption(),
    appOption(),
    new Option(
      '--to <version>',
      'version to go back to: its id or the beginning of it (see `sluice manifest`); needs --app when there are several',
    ),
    yesOption(),
    detachOption(),
    ...followOptions(),
  ],
  async run(session, { options }) {
    const client = await session.client();
    const environment = await environmentOf(session, client, options.env);
    const body = {
      environment,
      by: session.by,
      ...(options.app === undefined ? {} : { app: options.app }),
      ...(options.to === undefined ? {} : { to: options.to }),
    };
    await offerValues(session, client, environment);
    const preview = await client.post<RolledBack>('/v1/rollback', { ...body, preview: true });
    if (preview.plan !== null) {
      if (!session.json) session.say(planText(preview.plan));
      await confirmProduction(session, environment, `roll back ${preview.plan.apps.map((app) => app.app).join(', ')}`, options.yes);
    }
    const { id, action, message } = await client.post<RolledBack>('/v1/rollback', {
      ...body,
      ...(preview.plan === null ? {} : { planHash: preview.plan.hash }),
    });
    if (!session.json) session.say(`${message.slice(0, 1).toUpperCase()}${message.slice(1)}.`);
    if (id === null || options.detach === true)
      return {
        exit: EXIT.ok,
        data: { release: id, environment, action, message, exitCode: EXIT.ok },
        text: id === null ? '' : `\`sluice status -w ${id}\` follows it.`,
      };
    return follow(session, id, options, action === 'release' ? 'out' : 'back');
  },
});
