import { Option } from 'commander';
import type { Manifest } from '../../../engine/face.ts';
import { affectedWords, refuseUnknownApp } from '../../view/affected.ts';
import { environmentOption } from '../../session/options.ts';
import { environmentOf } from '../../session/pick.ts';
import type { Answer, Session } from '../../session/session.ts';
import { command } from '../../session/session.ts';

interface AffectedOptions {
  readonly env?: string;
  readonly since?: string;
  readonly dirty?: boolean;
  readonly explain?: string;
}

export const affected = command<AffectedOptions>({
  help: 'Compares by content: folders, dependencies, what lockfiles resolve, tool versions, build and check settings. Without --since,\neach app is compared with what is deployed of it in the environment.\n\n  $ sluice affected -e production\n  $ sluice affected --since origin/main --json\n  $ sluice affected --since HEAD~1 --explain web',
  options: [
    environmentOption(),
    new Option('--since <commit>', 'compare with this commit, branch or tag instead; needs no control plane'),
    new Option('--dirty', 'with --since: count uncommitted changes too (development only)'),
    new Option('--explain <app>', 'show the way from the app to the files that changed'),
  ],
  run: (session, { options }) => (options.since === undefined ? deployed(session, options) : since(session, options.since, options)),
});

async function since(session: Session, commit: string, options: AffectedOptions): Promise<Answer> {
  const { affectedSince } = await import('../../../compose/affected.ts');
  const dir = await session.workspace();
  const found = await affectedSince({ dir, version: session.version, since: commit, dirty: options.dirty === true });
  if (found.explain(options.explain ?? '') === null) await refuseUnknown(dir, options.explain);
  return affectedWords(found, commit, options.explain);
}

async function deployed(session: Session, options: AffectedOptions): Promise<Answer> {
  const [dir, client] = [await session.workspace(), await session.client()];
  const environment = await environmentOf(session, client, options.env);
  const manifest = await client.get<Manifest>(`/v1/manifest/${encodeURIComponent(environment)}`);
  const { affectedIn } = await import('../../../compose/affected.ts');
  const found = await affectedIn({ dir, version: session.version, environment, manifest });
  if (found.explain(options.explain ?? '') === null) await refuseUnknown(dir, options.explain);
  return affectedWords(found, environment, options.explain);
}

async function refuseUnknown(dir: string, app: string | undefined): Promise<void> {
  if (app === undefined) return;
  const { loadConfig } = await import('../../../config/load/load.ts');
  refuseUnknownApp(app, Object.keys((await loadConfig(dir)).apps));
}
