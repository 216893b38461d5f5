import type { Option } from 'commander';
import type { Client } from '../../control-plane/client.ts';
import { EXIT } from '../../session/exit.ts';
import { follow, type Wanted } from '../../view/follow.ts';
import { environmentOption, type FollowOptions, followOptions, watchOption, detachOption } from '../../session/options.ts';
import { activeRelease } from '../../session/pick.ts';
import { type Answer, command, type CommandDefinition, type Session } from '../../session/session.ts';

/** Commands that say one thing to a release under way. */
interface Telling<O> {
  readonly name: string;
  readonly help: string;
  readonly options: readonly Option[];
  /** `back`: the release is put back by it, so that is followed. `null`: only followed with -w. */
  readonly wanted: 'back' | null;
  readonly body: (options: O, session: Session, release: string) => object | Promise<object>;
}

export interface TellOptions extends FollowOptions {
  readonly env?: string;
  readonly watch?: boolean;
  readonly detach?: boolean;
}

export function telling<O>({ name, help, options: own, wanted, body }: Telling<O>): CommandDefinition {
  return command<TellOptions & O>({
    help: `Without a release: the one that is under way.${help === '' ? '' : `\n\n${help}`}`,
    options: [environmentOption(), ...own, wanted === 'back' ? detachOption() : watchOption(), ...followOptions()],
    async run(session, { args, options }) {
      const client = await session.client();
      const id = await activeRelease(session, client, args[0], options.env);
      const { message } = await client.post<{ message: string }>(`/v1/releases/${encodeURIComponent(id)}/${name}`, {
        by: session.by,
        ...(await body(options, session, id)),
      });
      const follows = wanted === 'back' ? options.detach !== true : options.watch === true;
      return after(session, client, id, message, follows ? (wanted ?? 'out') : null, options);
    },
  });
}

async function after(
  session: Session,
  _client: Client,
  id: string,
  message: string,
  wanted: Wanted | null,
  options: FollowOptions,
): Promise<Answer> {
  const said = `${message.slice(0, 1).toUpperCase()}${message.slice(1)}.`;
  if (wanted === null) return { exit: EXIT.ok, data: { release: id, message, exitCode: EXIT.ok }, text: said };
  if (!session.json) session.say(said);
  return follow(session, id, options, wanted);
}
