import { Option } from 'commander';
import type { PlannedMigration } from '../../../core/data/migrations/phases.ts';
import { dbOptions, type DbOptions, openDatabases, plannedLines } from './migrations.ts';
import { EXIT } from '../../session/exit.ts';
import { command } from '../../session/session.ts';
import { plural } from '../../view/words.ts';

export const dbPlan = command<DbOptions & { readonly sql?: string }>({
  help: [
    'Every statement is judged by its text and by what it does on an empty clone of the schema: locks, tables written',
    'anew or read from end to end, what breaks the version that runs. Exit code 3 when something may not run as it is.',
    '',
    '  $ sluice db plan -e production',
    '  $ sluice db plan -e production --sql next.sql',
  ].join('\n'),
  options: [...dbOptions(), new Option('--sql <file>', 'judge this file instead of the migrations that are pending')],
  async run(session, { options }) {
    const { opened } = await openDatabases(session, options);
    const plans = [];
    const lines: string[] = [];
    for (const { settings, database, files } of opened) {
      const chosen = options.sql === undefined ? files : [await (await import('../../../compose/migrations.ts')).sqlFile(options.sql)];
      const plan = await database.plan(chosen);
      plans.push({ database: settings.name, ...plan });
      lines.push(`${settings.name}: ${plural(plan.pending.length, 'pending migration')}${plan.traced ? ', tried on a scratch clone' : ''}`);
      for (const planned of plan.pending) {
        lines.push(...plannedLines(planned));
        for (const { line, locks, ms } of plan.estimates.filter(({ id }) => id === planned.file.id)) {
          const held = Object.entries(locks).map(([table, mode]) => `${table} ${mode}`);
          if (held.length > 0) lines.push(`    line ${line} locks ${held.join(', ')}, for about ${ms} ms`);
        }
      }
      lines.push(...plan.notes.map((note) => `  Note: ${note}`));
    }
    const refused = plans.some(({ pending }) => pending.some(({ refusals }) => refusals.length > 0));
    return {
      exit: refused ? EXIT.failed : EXIT.ok,
      data: { plans: plans.map(withoutTrees), exitCode: refused ? EXIT.failed : EXIT.ok },
      text: lines.join('\n'),
    };
  },
});

/** Parse trees and catalogs say nothing to a reader of the JSON. */
function withoutTrees<T extends { readonly pending: readonly PlannedMigration[] }>(plan: T) {
  return {
    ...plan,
    pending: plan.pending.map(({ file, phase, refusals, needsApproval, statements }) => ({
      id: file.id,
      checksum: file.checksum,
      phase,
      refusals,
      needsApproval,
      statements: statements.map((one) => ({
        line: one.statement.line,
        sql: one.statement.sql,
        class: one.class,
        findings: one.findings,
        traceMs: one.trace === null ? null : Math.round(one.trace.tookMs * 10) / 10,
      })),
    })),
  };
}
