import { Option } from 'commander';
import { refuse, refuseUnapproved } from '../config/data-migrations.ts';
import { dbOptions, type DbOptions, interruptible, openDatabases } from './_migrations.ts';
import { EXIT } from './_exit.ts';
import { yesOption } from './_options.ts';
import { confirmProduction } from './_pick.ts';
import { command } from './_session.ts';
import { duration, plural } from './_words.ts';

export const dbMigrate = command<DbOptions & { readonly approvedBy?: string; readonly yes?: boolean }>({
  help: 'What takes something away waits for `sluice db contract`. May be repeated, also after a crash: it goes on where it was.\nA release does the same by itself before its apps. What reaches beyond the schema (extensions, roles, settings of the\nserver) needs the word of somebody else.\n\n  $ sluice db migrate -e staging',
  options: [
    ...dbOptions(),
    new Option('--approved-by <name>', 'who has agreed to what reaches beyond the schema; not yourself'),
    yesOption(),
  ],
  async run(session, { options }) {
    const { environment, opened } = await openDatabases(session, options);
    await confirmProduction(session, environment, 'run migrations', options.yes);
    const done = [];
    const lines: string[] = [];
    for (const { settings, database, files } of opened) {
      const plan = await database.plan(files);
      const early = plan.pending.filter(({ phase }) => phase !== 'contract');
      refuse(settings.name, early);
      const approver = options.approvedBy === session.by ? undefined : options.approvedBy;
      if (approver === undefined) refuseUnapproved(settings.name, early);
      const by = approver === undefined ? session.by : `${session.by}, approved by ${approver}`;
      const applied = await interruptible(session, (signal) =>
        database.apply(early, { by, release: null, signal, onProgress: session.say }),
      );
      done.push({ database: settings.name, applied });
      lines.push(
        ...applied.map(
          ({ id, tookMs, retries, rows }) =>
            `${settings.name}: ${id} in ${duration(tookMs)}${rows === null ? '' : `, ${plural(rows, 'row')}`}${retries === 0 ? '' : `, ${plural(retries, 'try', 'tries')} for its lock`}`,
        ),
      );
      const later = plan.pending.filter(({ phase }) => phase === 'contract');
      if (later.length > 0) lines.push(`${settings.name}: ${later.map(({ file }) => file.id).join(', ')} wait for \`sluice db contract\``);
    }
    return { exit: EXIT.ok, data: { databases: done }, text: lines.length === 0 ? 'Nothing to do.' : lines.join('\n') };
  },
});
