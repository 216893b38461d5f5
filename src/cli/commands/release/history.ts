import { Option } from 'commander';
import type { ReleaseRow } from '../../../engine/face.ts';
import { EXIT } from '../../session/exit.ts';
import { outcomeWords } from '../../view/lines.ts';
import { appOption, environmentOption } from '../../session/options.ts';
import { command, numberOf } from '../../session/session.ts';
import { duration, minute, table } from '../../view/words.ts';

interface HistoryOptions {
  readonly env?: string;
  readonly app?: string;
  readonly limit?: string;
}

export const history = command<HistoryOptions>({
  help: '  $ sluice history -e production --app web --limit 5',
  options: [environmentOption(), appOption(), new Option('--limit <number>', 'how many at most (20)')],
  async run(session, { options }) {
    const client = await session.client();
    const environment = options.env ?? (session.env['SLUICE_ENV'] || undefined);
    const { releases } = await client.get<{ releases: ReleaseRow[] }>('/v1/history', {
      environment,
      app: options.app,
      limit: numberOf('--limit', options.limit, 20),
    });
    return {
      exit: EXIT.ok,
      data: { releases },
      text: releases.length === 0 ? 'No release is over yet.' : table(releases.map(rowOf)).join('\n'),
    };
  },
});

function rowOf(row: ReleaseRow): string[] {
  const took = row.endedAt === null ? '' : duration(row.endedAt - row.requestedAt);
  return [
    minute(row.requestedAt),
    row.id,
    row.environment,
    row.kind,
    outcomeWords(row.outcome ?? ''),
    took,
    row.apps.join(', '),
    row.commit?.slice(0, 7) ?? '',
    `by ${row.by}`,
    row.outcome === 'Succeeded' ? '' : (row.reason ?? ''),
  ];
}
