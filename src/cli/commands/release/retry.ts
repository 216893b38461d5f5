import { SluiceError, UserError } from '../../../core/errors.ts';
import type { ReleaseRow } from '../../../engine/face.ts';
import { EXIT } from '../../session/exit.ts';
import { follow } from '../../view/follow.ts';
import { detachOption, environmentOption, type FollowOptions, followOptions, yesOption } from '../../session/options.ts';
import { confirmProduction, environmentOf } from '../../session/pick.ts';
import { command, type Session } from '../../session/session.ts';
import type { Client } from '../../control-plane/client.ts';
import { planWithValues } from './values.ts';

interface RetryOptions extends FollowOptions {
  readonly env?: string;
  readonly detach?: boolean;
  readonly yes?: boolean;
}

export const retry = command<RetryOptions>({
  help: 'Without a release: the newest of the environment that did not succeed. The hold that its end has put on\nthe version is lifted.',
  options: [environmentOption(), yesOption(), detachOption(), ...followOptions()],
  async run(session, { args, options }) {
    const client = await session.client();
    let row: ReleaseRow | undefined;
    if (args[0] === undefined) {
      const environment = await environmentOf(session, client, options.env);
      const { releases } = await client.get<{ releases: ReleaseRow[] }>('/v1/history', { environment, limit: 100 });
      row = releases.find((one) => one.outcome !== 'Succeeded');
      if (row === undefined)
        throw new UserError(
          'RELEASE_NEEDED',
          `every release of ${environment} on record has succeeded`,
          '`sluice deploy --force` deploys once more.',
        );
    } else {
      const state = await client.get<{ plan: { environment: string; apps: { app: string }[] } }>(
        `/v1/releases/${encodeURIComponent(args[0])}`,
      );
      row = { id: args[0], environment: state.plan.environment, apps: state.plan.apps.map((app) => app.app) } as unknown as ReleaseRow;
    }
    await confirmProduction(session, row.environment, `deploy ${row.apps.join(', ')} again`, options.yes);
    await sayCorrected(session, client, row);
    const { id, message } = await client.post<{ id: string; message: string }>(`/v1/releases/${encodeURIComponent(row.id)}/retry`, {
      by: session.by,
    });
    if (options.detach === true)
      return {
        exit: EXIT.ok,
        data: { release: id, retryOf: row.id, message, exitCode: EXIT.ok },
        text: `Release ${id} is under way: \`sluice status -w ${id}\` follows it.`,
      };
    if (!session.json) session.say(`${message.slice(0, 1).toUpperCase()}${message.slice(1)}.`);
    return follow(session, id, options);
  },
});

/** What a person has corrected since is another version, which the old plan does not have: said before it runs. */
async function sayCorrected(session: Session, client: Client, { environment, apps }: ReleaseRow): Promise<void> {
  const made = await planWithValues(session, client, { environment }).catch((error: unknown) => {
    // The old plan does not need the workspace as it is now.
    if (error instanceof SluiceError) return null;
    throw error;
  });
  const changed = made?.plan.apps.filter(({ app }) => apps.includes(app)) ?? [];
  if (changed.length > 0 && !session.json)
    session.say(
      `This runs the old plan. What has changed since (${changed.map(({ app, reason }) => `${app}: ${reason}`).join('; ')}) takes \`sluice deploy\`.`,
    );
}
