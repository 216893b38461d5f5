import { dbOptions, type DbOptions, openDatabases } from './migrations.ts';
import { EXIT } from '../../session/exit.ts';
import { command } from '../../session/session.ts';
import { duration, minute, table } from '../../view/words.ts';

export const dbStatus = command<DbOptions>({
  help: '  $ sluice db status -e production',
  options: dbOptions(),
  async run(session, { options }) {
    const { opened } = await openDatabases(session, options);
    const found = [];
    const lines: string[] = [];
    for (const { settings, database, files } of opened) {
      const [facts, record] = await Promise.all([database.look(), database.record()]);
      const known = new Map(record.map((one) => [one.id, one]));
      const pending = files.filter(({ id }) => !['applied', 'baseline'].includes(known.get(id)?.state ?? ''));
      found.push({ database: settings.name, facts, record, pending: pending.map(({ id }) => id) });
      lines.push(
        `${settings.name}: PostgreSQL ${facts.version}, database ${facts.database} as ${facts.role}${facts.superuser ? ' (superuser)' : ''}, ${facts.pooled ? 'apps go through a pooler' : 'no pooler in between'}`,
      );
      lines.push(
        ...table([
          ...record.map((one) => [
            `  ${one.id}`,
            one.phase,
            one.state,
            minute(one.endedAt ?? one.startedAt),
            `by ${one.by}${one.release === null ? '' : ` in ${one.release}`}`,
          ]),
          ...pending.filter(({ id }) => !known.has(id)).map(({ id }) => [`  ${id}`, '', 'pending', '', '']),
        ]),
      );
      lines.push(...facts.limits.map((limit) => `  Right: ${limit}`));
      lines.push(
        ...facts.old.map(
          ({ pid, role, application, ageMs }) =>
            `  Old transaction: pid ${pid} (${role}${application === '' ? '' : `, ${application}`}) for ${duration(ageMs)}; it holds up locks, index builds and clean-up`,
        ),
      );
      if (settings.pooled !== null && !facts.pooled)
        lines.push('  Note: the pooled address leads straight to the server; say `pooled: false` when there is no pooler');
    }
    return { exit: EXIT.ok, data: { databases: found }, text: lines.join('\n') };
  },
});
