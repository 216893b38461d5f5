import { Option } from 'commander';
import { refuse, refuseUnapproved } from '../../../config/resolve/data-migrations.ts';
import { agreed } from '../../../core/data/migrations/word.ts';
import { dbOptions, type DbOptions, interruptible, openDatabases, recordedApproval } from './migrations.ts';
import { EXIT } from '../../session/exit.ts';
import { yesOption } from '../../session/options.ts';
import { confirmProduction } from '../../session/pick.ts';
import { command } from '../../session/session.ts';
import { duration, plural } from '../../view/words.ts';

export const dbMigrate = command<DbOptions & { readonly approvedBy?: string; readonly yes?: boolean }>({
  help: 'What takes something away waits for `sluice db contract`. May be repeated, also after a crash: it goes on where it was.\nA release does the same by itself before its apps. What reaches beyond the schema (extensions, roles, settings of the\nserver) needs the word of somebody else.\n\n  $ sluice db migrate -e staging',
  options: [
    ...dbOptions(),
    new Option(
      '--approved-by <who>',
      'a release whose plan was approved and holds the files, or who has agreed to what reaches beyond; not yourself',
    ),
    yesOption(),
  ],
  async run(session, { options }) {
    const { environment, opened, migrations } = await openDatabases(session, options);
    await confirmProduction(session, environment, 'run migrations', options.yes);
    const done = [];
    let isRefused = false;
    const lines: string[] = [];
    for (const { settings, database, files } of opened) {
      const plan = await database.plan(files);
      const early = plan.pending.filter(({ phase }) => phase !== 'contract');
      refuse(settings.name, early);
      const word = options.approvedBy;
      const needing = early.filter(({ needsApproval }) => needsApproval).map(({ file }) => file);
      if (word === undefined || word === session.by) refuseUnapproved(settings.name, early);
      const asked = { by: session.by, environment, word: word ?? null, needsRecord: settings.needsRecord, migrations: needing };
      const by =
        needing.length === 0 ? session.by : agreed({ ...asked, recorded: await recordedApproval(session, word, migrations, settings) });
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
      const contract = plan.pending.filter(({ phase }) => phase === 'contract');
      // What is refused never runs by waiting.
      const refused = contract.filter(({ refusals }) => refusals.length > 0);
      isRefused ||= refused.length > 0;
      lines.push(
        ...refused.map(({ file, refusals }) => `${settings.name}: ${file.id} may not run as it is, now or later: ${refusals.join('; ')}`),
      );
      const later = contract.filter(({ refusals }) => refusals.length === 0);
      if (later.length > 0) lines.push(`${settings.name}: ${later.map(({ file }) => file.id).join(', ')} wait for \`sluice db contract\``);
    }
    const exit = isRefused ? EXIT.failed : EXIT.ok;
    return { exit, data: { databases: done, exitCode: exit }, text: lines.length === 0 ? 'Nothing to do.' : lines.join('\n') };
  },
});
