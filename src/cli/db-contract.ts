import { Option } from 'commander';
import { refuse } from '../config/data-migrations.ts';
import { mayContract } from '../core/data/migrations/gates.ts';
import { UserError } from '../core/errors.ts';
import type { Manifest } from '../engine/face.ts';
import { dbOptions, type DbOptions, interruptible, openDatabases } from './_migrations.ts';
import { EXIT } from './_exit.ts';
import { yesOption } from './_options.ts';
import { confirmProduction } from './_pick.ts';
import { command } from './_session.ts';
import { duration } from './_words.ts';

interface ContractOptions extends DbOptions {
  readonly approvedBy?: string;
  readonly yes?: boolean;
}

export const dbContract = command<ContractOptions>({
  help: [
    'Each runs only when every version that had traffic within the rollback window was built from sources that hold the',
    'migration: those were written with it in mind. Needs the word of somebody else. Take a restore point before.',
    '',
    '  $ sluice db contract -e production 0007_drop_old_name --approved-by ann',
  ].join('\n'),
  options: [...dbOptions(), new Option('--approved-by <name>', 'who has agreed; not yourself'), yesOption()],
  async run(session, { args, options }) {
    const { environment, opened, migrations } = await openDatabases(session, options);
    const approver = options.approvedBy;
    if (approver === undefined || approver === session.by)
      throw new UserError(
        'APPROVAL_NEEDED',
        'migrations that take something away need the word of somebody else',
        '--approved-by NAME, who is not you.',
      );
    const manifest = await (await session.client()).get<Manifest>(`/v1/manifest/${encodeURIComponent(environment)}`);
    const done: { database: string; id: string; tookMs: number }[] = [];
    for (const { settings, database, files } of opened) {
      const { pending } = await database.plan(files);
      const later = pending.filter(({ phase, file }) => phase === 'contract' && (args.length === 0 || args.includes(file.id)));
      if (later.length === 0) continue;
      const traffic = await migrations.traffic(settings, manifest, session.now());
      const reasons = later.flatMap(({ file }) => mayContract(file.id, traffic, session.now(), settings.rollbackWindowMs).reasons);
      if (reasons.length > 0)
        throw new UserError(
          'CONTRACT_TOO_EARLY',
          `${settings.name}: ${reasons.join('; ')}`,
          'Wait until versions that need the old shape are out of the rollback window; nothing was changed.',
        );
      refuse(settings.name, later);
      await confirmProduction(session, environment, `take away what ${later.map(({ file }) => file.id).join(', ')} name`, options.yes);
      const by = `${session.by}, approved by ${approver}`;
      const applied = await interruptible(session, (signal) =>
        database.apply(later, { by, release: null, signal, onProgress: session.say }),
      );
      done.push(...applied.map(({ id, tookMs }) => ({ database: settings.name, id, tookMs })));
    }
    const text =
      done.length === 0
        ? 'Nothing waits for its contract phase.'
        : done.map(({ database, id, tookMs }) => `${database}: ${id} in ${duration(tookMs)}`).join('\n');
    return { exit: EXIT.ok, data: { applied: done }, text };
  },
});
