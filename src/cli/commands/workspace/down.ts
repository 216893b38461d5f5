import { rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Option } from 'commander';
import { OutsideError, UserError } from '../../../core/errors.ts';
import type { ReleaseRow } from '../../../engine/face.ts';
import { createClient } from '../../control-plane/client.ts';
import { EXIT } from '../../session/exit.ts';
import { controlPlanePath, ensureLocal, findLocal, readControlPlane } from '../../control-plane/local.ts';
import { endOrphans } from '../../control-plane/orphans.ts';
import { yesOption } from '../../session/options.ts';
import { isRunning } from '../../control-plane/process.ts';
import { type Answer, command, type Session } from '../../session/session.ts';

interface DownOptions {
  readonly all?: boolean;
  readonly yes?: boolean;
}

const PATIENCE_MS = 60_000;

export const down = command<DownOptions>({
  help: 'Releases under way go on when it is started again. With --all the apps, the edges and the embedded\ndatabase end as well (what is on disk stays): that is asked first.',
  options: [new Option('--all', 'apps, edges and the embedded database as well: nothing serves afterwards'), yesOption()],
  async run(session, { options }) {
    if (session.env['SLUICE_URL'])
      throw new UserError('USAGE', '`sluice down` ends the control plane of a workspace, not a remote one', 'Unset SLUICE_URL.');
    const workspace = await session.workspace();
    if (options.all === true) await confirm(session, workspace, options.yes);
    if (options.all === true && !(await isThere(join(workspace, '.sluice')))) return orphansAlone(workspace);
    const target =
      options.all === true
        ? await ensureLocal({ workspace, version: session.version, self: session.self, env: session.env, say: session.say })
        : await runningOne(workspace);
    const file = await readControlPlane(workspace);
    if (target === null || file === null) {
      const ended = file !== null && (await isRunning(file.pid, file.startTime)) ? await endByForce(session, file) : null;
      return answer(ended === null ? 'no control plane runs here' : ended, ended !== null);
    }
    const client = await createClient({ locate: async () => target });
    const { releases } = await client.get<{ releases: ReleaseRow[] }>('/v1/releases', { active: true });
    if (releases.length > 0)
      session.say(`Under way and left as they are: ${releases.map((row) => `${row.id} (${row.environment})`).join(', ')}.`);
    const { message } = await client.post<{ message: string }>('/v1/shutdown', { all: options.all === true });
    session.say(`${message.slice(0, 1).toUpperCase()}${message.slice(1)}.`);
    if (!(await isGone(file.pid, file.startTime, PATIENCE_MS)))
      throw new OutsideError(
        'CONTROL_PLANE_UNRESPONSIVE',
        `the control plane (pid ${file.pid}) has not ended after ${PATIENCE_MS / 1000} s`,
        'Run `sluice down` again: it is then ended by force.',
      );
    await rm(controlPlanePath(workspace), { force: true });
    if (options.all !== true) return answer('the control plane has ended', true);
    const orphans = await endOrphans(workspace);
    return answer(`everything of this workspace has ended${orphans === 0 ? '' : `, ${orphans} processes without a record among it`}`, true);
  },
});

/** The folder was deleted while things ran: there is nothing to ask, but what ran may still run. */
async function orphansAlone(workspace: string): Promise<Answer> {
  const ended = await endOrphans(workspace);
  return answer(ended === 0 ? 'nothing of this workspace runs' : `${ended} processes without a record have ended`, ended > 0);
}

async function isThere(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

function answer(message: string, ended: boolean): Answer {
  return { exit: EXIT.ok, data: { ended, message, exitCode: EXIT.ok }, text: `${message.slice(0, 1).toUpperCase()}${message.slice(1)}.` };
}

/** Null also when it runs but does not answer: then it is ended by force. */
async function runningOne(workspace: string) {
  try {
    return await findLocal(workspace, null);
  } catch (error) {
    if (error instanceof OutsideError) return null;
    throw error;
  }
}

async function confirm(session: Session, workspace: string, yes: boolean | undefined): Promise<void> {
  if (yes === true) return;
  if (!session.canAsk)
    throw new UserError(
      'CONFIRMATION_NEEDED',
      'to end all apps and edges has to be confirmed, and nobody can be asked here',
      'Add --yes when it is meant.',
    );
  const typed = await session.terminal.ask(
    `End all apps, edges and the database of ${workspace}? Nothing will serve afterwards. Type ${session.terminal.colour('bold', 'down')}: `,
  );
  if (typed?.trim() !== 'down') throw new UserError('NOT_CONFIRMED', 'not confirmed: everything goes on', null);
}

async function endByForce(session: Session, { pid, startTime }: { readonly pid: number; readonly startTime: string }): Promise<string> {
  for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
    session.say(`It does not answer: ${signal} to pid ${pid}.`);
    // Looked at again just before: the pid may have been given to another program.
    if (await isRunning(pid, startTime)) process.kill(pid, signal);
    if (await isGone(pid, startTime, signal === 'SIGTERM' ? 10_000 : 5000)) return 'the control plane has been ended by force';
  }
  throw new OutsideError('CONTROL_PLANE_UNRESPONSIVE', `the control plane (pid ${pid}) cannot be ended`, 'End it by hand.');
}

async function isGone(pid: number, startTime: string, ms: number): Promise<boolean> {
  for (const deadline = Date.now() + ms; Date.now() < deadline; await sleep(50)) if (!(await isRunning(pid, startTime))) return true;
  return false;
}
