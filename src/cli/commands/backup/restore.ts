import { Option } from 'commander';
import type { Timing } from '../../../core/backup/drill.ts';
import { span } from '../../../core/backup/drill.ts';
import { UserError } from '../../../core/errors.ts';
import { backupOption, momentOf, perform, second } from './client.ts';
import { EXIT } from '../../session/exit.ts';
import { command } from '../../session/session.ts';

interface Result {
  readonly source: string;
  readonly backup: string;
  readonly location: string;
  readonly timings: readonly Timing[];
}

export const backupRestore = command<{
  readonly to?: string;
  readonly into?: string;
  readonly backup?: string;
  readonly offline?: boolean;
  readonly fromCopy?: boolean;
}>({
  help: `  $ sluice backup restore main --to 2026-01-31T08:15:00Z --into /var/lib/sluice/restored

Without --to: the newest there is. The copy is recovered, stopped, and left where --into says (Neon: a branch of that name,
running). Its log archiving is off until you turn it on. With --offline no control plane is needed, for when its own
database is what was lost.`,
  options: [
    new Option('--to <moment>', 'as it was then, such as 2026-01-31T08:15:00Z'),
    new Option('--into <place>', 'a new folder, a new branch, or a new file'),
    backupOption(),
    new Option('--from-copy', 'from the second location alone, as if the first were lost'),
    new Option('--offline', 'from the store alone, without the control plane and its database'),
  ],
  async run(session, { args, options }) {
    if (options.into === undefined)
      throw new UserError('USAGE', '--into is missing', 'Name a new folder (Neon: a new branch) for the copy.');
    const to = momentOf(options.to, session.now());
    const fromCopy = options.fromCopy === true;
    const request = { to, backup: options.backup ?? null, into: options.into, by: session.by, fromCopy };
    const offline = async (): Promise<Result> => {
      // It brings the backup adapters, which no other command needs.
      const { restoreOffline } = await import('../../../compose/backups.ts');
      return (await restoreOffline({ workspace: await session.workspace(), source: args[0] ?? null, say: session.say }, request)) as Result;
    };
    const result =
      options.offline === true
        ? await offline()
        : await perform<Result>(session, 'restore', {
            by: session.by,
            into: options.into,
            ...(args[0] === undefined ? {} : { source: args[0] }),
            ...(to === null ? {} : { to }),
            ...(fromCopy ? { fromCopy } : {}),
            ...(options.backup === undefined ? {} : { backup: options.backup }),
          });
    const took = result.timings.map(({ part, ms }) => `${part} ${span(ms)}`).join(', ');
    const text = `${result.source} as of ${to === null ? 'the newest there is' : second(to)}, from ${result.backup}, is in ${result.location} (${took})`;
    return { exit: EXIT.ok, data: { ...result, exitCode: EXIT.ok }, text };
  },
});
