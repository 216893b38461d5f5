import { UserError } from '../../../core/errors.ts';
import { dbOptions, type DbOptions, interruptible, openDatabases } from './migrations.ts';
import { EXIT } from '../../session/exit.ts';
import { yesOption } from '../../session/options.ts';
import { confirmProduction } from '../../session/pick.ts';
import { command } from '../../session/session.ts';

export const dbCompensate = command<DbOptions & { readonly yes?: boolean }>({
  help: 'Never happens by itself: going back to an earlier version does not need it, because migrations only add.\n\n  $ sluice db compensate -e staging 0012_add_tags',
  options: [...dbOptions(), yesOption()],
  async run(session, { args, options }) {
    const [id = ''] = args;
    const { environment, opened } = await openDatabases(session, options);
    const holders = opened.flatMap(({ database, files, settings }) =>
      files.filter((file) => file.id === id).map((file) => ({ database, file, settings })),
    );
    const [holder, ...more] = holders;
    if (holder === undefined || more.length > 0)
      throw new UserError(
        'MIGRATION_NOT_APPLIED',
        holder === undefined ? `there is no migration ${id}` : `several databases have a migration ${id}`,
        holder === undefined
          ? '`sluice db status` lists them.'
          : `Name the database with -d: ${holders.map(({ settings }) => settings.name).join(', ')}.`,
      );
    await confirmProduction(session, environment, `take back ${id}`, options.yes);
    await interruptible(session, (signal) =>
      holder.database.compensate(holder.file, { by: session.by, release: null, signal, onProgress: session.say }),
    );
    return { exit: EXIT.ok, data: { database: holder.settings.name, id }, text: `${holder.settings.name}: ${id} was taken back` };
  },
});
