import { Option } from 'commander';
import { loadConfig } from '../../../config/load/load.ts';
import { resolveEnvironment, environmentNames } from '../../../config/resolve/resolve.ts';
import { EXIT } from '../../session/exit.ts';
import { command } from '../../session/session.ts';
import { table } from '../../view/words.ts';

export const apps = command<{ readonly services?: boolean }>({
  help: 'As the configuration has them; needs no control plane. A service is an app that answers requests.\n\n  $ sluice apps\n  $ sluice apps --services --json',
  options: [new Option('--services', 'only apps that answer requests')],
  async run(session, { options }) {
    const config = await loadConfig(await session.workspace());
    const [environment] = environmentNames(config);
    const resolved = environment === undefined ? [] : resolveEnvironment(config, environment).apps;
    const rows = resolved
      .filter((app) => options.services !== true || app.run.listens)
      .map(({ app, path, platform, routes, dependsOn }) => ({
        app,
        path,
        platform,
        routes: routes.map(({ host, pathPrefix }) => `${host ?? ''}${pathPrefix}`),
        dependsOn,
      }));
    const text = table(rows.map((row) => [row.app, row.path, row.platform, row.routes.join(' ')])).join('\n');
    return { exit: EXIT.ok, data: { apps: rows }, text };
  },
});
