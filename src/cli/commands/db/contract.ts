import { Option } from 'commander';
import { refuse } from '../../../config/resolve/data-migrations.ts';
import { mayContract } from '../../../core/data/migrations/gates.ts';
import { agreed, trafficGaps } from '../../../core/data/migrations/word.ts';
import { UserError } from '../../../core/errors.ts';
import type { Manifest } from '../../../engine/face.ts';
import { dbOptions, type DbOptions, interruptible, openDatabases, recordedApproval } from './migrations.ts';
import { EXIT } from '../../session/exit.ts';
import { yesOption } from '../../session/options.ts';
import { confirmProduction } from '../../session/pick.ts';
import { command } from '../../session/session.ts';
import { duration } from '../../view/words.ts';

interface ContractOptions extends DbOptions {
  readonly approvedBy?: string;
  readonly yes?: boolean;
}

export const dbContract = command<ContractOptions>({
  help: [
    'Each runs only when every version that had traffic within the rollback window was built from sources that hold the',
    'migration: those were written with it in mind. Needs the word of somebody else: a release whose approval is recorded, or,',
    'in an environment without an approval rule, a name, which is recorded as what you say. Take a restore point before.',
    '',
    '  $ sluice db contract -e production 0007_drop_old_name --approved-by ann',
  ].join('\n'),
  options: [
    ...dbOptions(),
    new Option('--approved-by <who>', 'a release whose plan was approved and holds the files, or who has agreed; not yourself'),
    yesOption(),
  ],
  async run(session, { args, options }) {
    const { environment, opened, migrations } = await openDatabases(session, options);
    const word = options.approvedBy;
    if (word === undefined) agreed({ by: session.by, environment, word: null, recorded: null, needsRecord: false, migrations: [] });
    const manifest = await (await session.client()).get<Manifest>(`/v1/manifest/${encodeURIComponent(environment)}`);
    const warnings: string[] = [];
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
      const by = agreed({
        by: session.by,
        environment,
        word: word ?? null,
        recorded: await recordedApproval(session, word, migrations, settings),
        needsRecord: settings.needsRecord,
        migrations: later.map(({ file }) => file),
      });
      const firstAt = Object.fromEntries(
        Object.values(manifest.apps).map(({ app, since, history }) => [app, Math.min(since, ...history.map(({ at }) => at))]),
      );
      const gaps = trafficGaps(settings.apps, traffic, firstAt, session.now(), settings.rollbackWindowMs);
      warnings.push(...gaps.map((gap) => `${settings.name}: ${gap}`));
      for (const gap of gaps) session.say(`Warning: ${settings.name}: ${gap}. What the old shape is still needed by is not known.`);
      // The warnings come first: a person who confirms has read them.
      await confirmProduction(session, environment, `take away what ${later.map(({ file }) => file.id).join(', ')} name`, options.yes);
      const applied = await interruptible(session, (signal) =>
        database.apply(later, { by, release: null, signal, onProgress: session.say }),
      );
      done.push(...applied.map(({ id, tookMs }) => ({ database: settings.name, id, tookMs })));
    }
    const text =
      done.length === 0
        ? 'Nothing waits for its contract phase.'
        : done.map(({ database, id, tookMs }) => `${database}: ${id} in ${duration(tookMs)}`).join('\n');
    return { exit: EXIT.ok, data: { applied: done, warnings }, text };
  },
});
