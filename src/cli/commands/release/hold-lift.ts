import { EXIT } from '../../session/exit.ts';
import { environmentOption } from '../../session/options.ts';
import { environmentOf } from '../../session/pick.ts';
import { command } from '../../session/session.ts';
import { sentence } from './carry-out.ts';

export const holdLift = command<{ readonly env?: string }>({
  help: '`sluice manifest` lists what is held. `sluice retry` lifts the hold of its own release by itself.\n\n  $ sluice hold lift web 3fa9c1 -e production',
  options: [environmentOption()],
  async run(session, { args, options }) {
    const client = await session.client();
    const environment = await environmentOf(session, client, options.env);
    const [app, version] = args;
    const { message } = await client.post<{ message: string }>('/v1/holds/lift', { environment, app, version, by: session.by });
    return { exit: EXIT.ok, data: { environment, app, version, message }, text: sentence(message) };
  },
});
