import type { Finding } from '../../../core/backup/catalog.ts';
import { backupOption, findingLines, perform } from './client.ts';
import { EXIT } from '../../session/exit.ts';
import { command } from '../../session/session.ts';

export const backupVerify = command<{ readonly backup?: string }>({
  help: 'Without --backup: the newest. Finds changed, missing and rewritten files and gaps in the log. Exit code 3 when it finds something.\nWhat a database makes of it only a drill shows.',
  options: [backupOption()],
  async run(session, { args, options }) {
    const result = await perform<{ source: string; id: string; findings: readonly Finding[] }>(session, 'verify', {
      ...(args[0] === undefined ? {} : { source: args[0] }),
      ...(options.backup === undefined ? {} : { backup: options.backup }),
    });
    const exit = result.findings.length === 0 ? EXIT.ok : EXIT.failed;
    const text = [`${result.source} ${result.id}: ${exit === EXIT.ok ? 'sound' : 'NOT SOUND'}`, ...findingLines(session, result.findings)];
    return { exit, data: { ...result, exitCode: exit }, text: text.join('\n') };
  },
});
