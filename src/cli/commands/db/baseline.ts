import { Option } from 'commander';
import { UserError } from '../../../core/errors.ts';
import { dbOptions, type DbOptions, openDatabases } from './migrations.ts';
import { EXIT } from '../../session/exit.ts';
import { yesOption } from '../../session/options.ts';
import { confirmProduction } from '../../session/pick.ts';
import { command } from '../../session/session.ts';
import { plural } from '../../view/words.ts';

export const dbBaseline = command<DbOptions & { readonly through?: string; readonly yes?: boolean }>({
  help: [
    'They are run on an empty scratch database, and what that then has is compared with the real one: what is missing there',
    'is named, and nothing is recorded. The real schema is not changed.',
    '',
    '  $ sluice db baseline -e production --through 0042_orders',
  ].join('\n'),
  options: [...dbOptions(), new Option('--through <id>', 'the last migration that has run; all of them where it is left out'), yesOption()],
  async run(session, { options }) {
    const { environment, opened } = await openDatabases(session, options);
    if (options.through !== undefined && opened.length > 1)
      throw new UserError('USAGE', '--through names a migration of one database', 'Name the database with -d.');
    await confirmProduction(session, environment, 'record migrations as run', options.yes);
    const found = [];
    for (const { settings, database, files } of opened) {
      const last = options.through === undefined ? files.length - 1 : files.findIndex(({ id }) => id === options.through);
      if (last < 0)
        throw new UserError(
          'MIGRATION_NOT_APPLIED',
          `there is no migration ${options.through ?? ''} of ${settings.name}`,
          '`sluice db status` lists them.',
        );
      found.push({ database: settings.name, recorded: await database.baseline(files.slice(0, last + 1), session.by) });
    }
    const text = found
      .map(
        ({ database, recorded }) => `${database}: ${plural(recorded.length, 'migration')} recorded as run, as the schema is what they make`,
      )
      .join('\n');
    return { exit: EXIT.ok, data: { databases: found }, text };
  },
});
