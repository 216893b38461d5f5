import type { Manifest, ManifestApp } from '../../../engine/face.ts';
import { EXIT } from '../../session/exit.ts';
import { environmentOption } from '../../session/options.ts';
import { environmentOf } from '../../session/pick.ts';
import { command } from '../../session/session.ts';
import { minute, table } from '../../view/words.ts';

export const manifest = command<{ readonly env?: string }>({
  help: '  $ sluice manifest -e production --json',
  options: [environmentOption()],
  async run(session, { options }) {
    const client = await session.client();
    const environment = await environmentOf(session, client, options.env);
    const found = await client.get<Manifest>(`/v1/manifest/${encodeURIComponent(environment)}`);
    const apps = Object.values(found.apps).toSorted((a, b) => (a.app < b.app ? -1 : 1));
    const text = apps.length === 0 ? `Nothing has been released to ${environment} yet.` : apps.flatMap(lines).join('\n');
    return { exit: EXIT.ok, data: found, text };
  },
});

function lines(app: ManifestApp): string[] {
  const { stable, weights, history, held } = app;
  const split = Object.entries(weights).map(([id, weight]) => `${id} ${weight} %`);
  const rows = [
    [
      '  stable',
      stable === null ? 'none' : `${stable.id} since ${minute(app.since)}${app.release === null ? '' : `, release ${app.release}`}`,
    ],
    ['  artifact', stable?.artifact ?? 'none'],
    ['  commit', stable?.commit ?? 'none'],
    ['  platform', app.platform],
    ...(split.length === 0 ? [] : [['  traffic', split.join(', ')]]),
    ...history
      .filter((one) => one.version.id !== stable?.id)
      .map((one) => ['  before', `${one.version.id} from ${minute(one.at)}, release ${one.release}`]),
    ...held.map((one) => ['  held', `${one.version} since ${minute(one.at)}, release ${one.release}: ${one.reason}`]),
  ];
  return [app.app, ...table(rows)];
}
