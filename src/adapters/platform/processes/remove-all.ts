import { join } from 'node:path';
import { FencedError, OutsideError } from '../../../core/errors.ts';
import type { AppRef } from '../../../core/app/run.ts';
import type { Context } from './context.ts';
import { foldersIn, versionsOf } from './observe.ts';
import { retireVersion } from './retire.ts';

/** Goes by folders and not by `observe`, because a version whose records are damaged may still run. */
export async function removeAll(context: Context, scope: Partial<AppRef>, drainMs: number, fence: number): Promise<void> {
  const refs = await refsIn(context.dir, scope);
  const versions = (
    await Promise.all(refs.map(async (ref) => (await versionsOf(context.dir, ref)).map((version) => ({ ref, version }))))
  ).flat();
  const ends = await Promise.allSettled(versions.map(({ ref, version }) => retireVersion(context, ref, version, drainMs, fence)));
  const failed = ends.flatMap((end, i) => (end.status === 'rejected' ? [{ of: versions[i], reason: end.reason as unknown }] : []));
  if (failed.length === 0) return;
  const fenced = failed.find(({ reason }) => reason instanceof FencedError);
  if (fenced !== undefined) throw fenced.reason;
  const said = failed.map(
    ({ of, reason }) =>
      `${of?.ref.environment}/${of?.ref.app} ${of?.version}: ${reason instanceof Error ? reason.message : String(reason)}`,
  );
  throw new OutsideError(
    'REMOVE_INCOMPLETE',
    `${failed.length} of ${versions.length} versions could not be retired: ${said.join('; ')}`,
    'The others are. Do what is said there, and try again.',
  );
}

async function refsIn(dir: string, { environment, app }: Partial<AppRef>): Promise<AppRef[]> {
  const environments = environment === undefined ? await foldersIn(dir) : [environment];
  const refs = environments.map(async (name) => {
    const apps = app === undefined ? await foldersIn(join(dir, name)) : [app];
    return apps.map((one) => ({ environment: name, app: one }));
  });
  return (await Promise.all(refs)).flat();
}
