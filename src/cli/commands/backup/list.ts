import type { Catalog, Finding } from '../../../core/backup/catalog.ts';
import type { Evidence } from '../../../core/backup/drill.ts';
import { span } from '../../../core/backup/drill.ts';
import { backupLine, findingLines, second } from './client.ts';
import { EXIT } from '../../session/exit.ts';
import { command, type Session } from '../../session/session.ts';

interface Source {
  readonly source: string;
  readonly adapter: string;
  readonly catalog: Catalog;
  readonly verified: readonly string[];
  readonly drill: { readonly at: number; readonly passed: boolean; readonly evidence: Evidence } | null;
  readonly restorePoints: readonly { readonly name: string; readonly at: number }[];
  readonly alarms: readonly Finding[];
}

export const backupList = command<object>({
  help: 'Exit code 3 while there is an alarm.',
  options: [],
  async run(session) {
    const client = await session.client();
    const { sources } = await client.get<{ sources: Source[] }>('/v1/backups');
    const exit = sources.some(({ alarms }) => alarms.some(({ severity }) => severity === 'fail')) ? EXIT.failed : EXIT.ok;
    return { exit, data: { sources, exitCode: exit }, text: sources.flatMap((source) => lines(session, source)).join('\n') };
  },
});

function lines(session: Session, { source, adapter, catalog, verified, drill, restorePoints, alarms }: Source): string[] {
  const { backups, window } = catalog;
  const sound = new Set(verified);
  return [
    `${session.terminal.colour('bold', source)} (${adapter})`,
    ...(backups.length === 0 ? ['  no backups yet: `sluice backup now`'] : []),
    ...backups.map((backup) => `  ${sound.has(backup.id) ? '✔' : '?'} ${backupLine(backup)}`),
    ...(window === null ? [] : [`  any moment from ${second(window.from)} to ${second(window.to)}`]),
    ...restorePoints.slice(-5).map(({ name, at }) => `  restore point before ${name}: ${second(at)}`),
    drill === null
      ? '  never drilled: `sluice drill`'
      : `  last drill ${second(drill.at)}: ${drill.passed ? 'passed' : session.terminal.colour('red', 'FAILED')}, recovery ${drill.evidence.rtoMs === null ? 'none' : span(drill.evidence.rtoMs)}, loss ${drill.evidence.rpoMs === null ? 'unknown' : span(drill.evidence.rpoMs)}`,
    ...findingLines(session, alarms),
  ];
}
