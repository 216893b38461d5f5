import type { BackupRecord, Finding } from '../../../core/backup/catalog.ts';
import { backupLine, findingLines, perform } from './client.ts';
import { EXIT } from '../../session/exit.ts';
import { command } from '../../session/session.ts';

export const backupNow = command<object>({
  help: 'Without a source: the only one there is. The first time the embedded database is started anew, to turn log archiving on;\nreleases under way ride over that. Exit code 3 when what was stored is not sound.',
  options: [],
  async run(session, { args }) {
    const result = await perform<{ source: string; record: BackupRecord; findings: readonly Finding[] }>(session, 'take', {
      by: session.by,
      ...(args[0] === undefined ? {} : { source: args[0] }),
    });
    const exit = result.findings.length === 0 ? EXIT.ok : EXIT.failed;
    const text = [
      `${result.source}: ${backupLine(result.record)}, ${exit === EXIT.ok ? 'verified' : 'NOT SOUND'}`,
      ...findingLines(session, result.findings),
    ];
    return { exit, data: { ...result, exitCode: exit }, text: text.join('\n') };
  },
});
