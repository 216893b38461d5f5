import { setTimeout as sleep } from 'node:timers/promises';
import { Option } from 'commander';
import { OutsideError, UserError } from '../../../core/errors.ts';
import type { ProjectionStatus, ProjectionVersion, SwitchedReport, VerificationReport } from '../../../ports/projections.ts';
import type { Client } from '../../control-plane/client.ts';
import { EXIT } from '../../session/exit.ts';
import { environmentOption } from '../../session/options.ts';
import { environmentOf } from '../../session/pick.ts';
import { progressWords, projectionsOf } from './projections-view.ts';
import { type Answer, command, numberOf, type Session } from '../../session/session.ts';
import { count } from '../../view/words.ts';
import { verificationLines } from './verify.ts';

interface Options {
  readonly env?: string;
  readonly shards?: string;
  readonly detach?: boolean;
  readonly switch?: boolean;
  readonly back?: boolean;
  readonly pause?: boolean;
  readonly cancel?: boolean;
}

const LOOK_MS = 700;
const SAY_MS = 5_000;

export const dbRebuild = command<Options>({
  help: 'Builds what the module says now, verifies it, and with --switch lets readers see it. It goes on when this program ends;\nrun it again to go on after --pause, or after an error was corrected. Exit code 3 when the new version is not right.',
  options: [
    environmentOption(),
    new Option('--shards <number>', 'parts that are built side by side'),
    new Option('--switch', 'when it is right, let readers see it'),
    new Option('--back', 'let readers see the version before again'),
    new Option('--pause', 'stop building; the same command without it goes on'),
    new Option('--cancel', 'remove the newest version'),
    new Option('--detach', 'do not wait for the end'),
  ],
  async run(session, { args: [name = ''], options }) {
    const chosen = ['switch', 'back', 'pause', 'cancel', 'detach'].filter((key) => options[key as keyof Options] === true);
    if (chosen.length > 1) throw new UserError('USAGE', `--${chosen.join(' and --')} do not go together`, 'Give one of them.');
    const client = await session.client();
    const environment = await environmentOf(session, client, options.env);
    const asked = { environment, name };
    if (options.pause === true) return done('paused', await client.post<ProjectionVersion>('/v1/projections/pause', asked));
    if (options.cancel === true) return done('removed', await client.post<ProjectionVersion>('/v1/projections/cancel', asked));
    if (options.back === true)
      return switched(name, await client.post<SwitchedReport>('/v1/projections/switch', { ...asked, to: 'previous' }));
    const shards = options.shards === undefined ? {} : { shards: numberOf('--shards', options.shards, 2) };
    const id = await client.post<ProjectionVersion>('/v1/projections/rebuild', { ...asked, ...shards });
    if (options.detach === true) return done('being built', id);
    return finish(session, client, environment, id, options.switch === true);
  },
});

const done = (what: string, id: ProjectionVersion): Answer => ({
  exit: EXIT.ok,
  data: { ...id, exitCode: EXIT.ok },
  text: `${id.name} version ${id.version}: ${what}`,
});

function switched(name: string, report: SwitchedReport): Answer {
  const missing = report.missing.length === 0 ? '' : `; ${report.missing.join(', ')} are NULL in it`;
  return { exit: EXIT.ok, data: { ...report, exitCode: EXIT.ok }, text: `Readers of ${name} see version ${report.to} now${missing}` };
}

async function finish(session: Session, client: Client, environment: string, id: ProjectionVersion, isSwitching: boolean): Promise<Answer> {
  await built(session, client, environment, id);
  const report = await client.post<VerificationReport>('/v1/projections/verify', { environment, ...id });
  const lines = [`${id.name} version ${id.version} is complete.`, ...verificationLines(report)];
  const exit = report.passed ? EXIT.ok : EXIT.failed;
  if (!report.passed || !isSwitching) return { exit, data: { ...id, verification: report, exitCode: exit }, text: lines.join('\n') };
  const after = switched(
    id.name,
    await client.post<SwitchedReport>('/v1/projections/switch', { environment, name: id.name, to: id.version }),
  );
  return { exit, data: { ...id, verification: report, switched: after.data, exitCode: exit }, text: [...lines, after.text].join('\n') };
}

/** Wait for the end of the catch-up, saying how far it is now and then. */
async function built(session: Session, client: Client, environment: string, { name, version }: ProjectionVersion): Promise<void> {
  for (let said = session.now(); ;) {
    const status = (await projectionsOf(client, environment)).find((one) => one.name === name && one.version === version);
    if (status?.phase === 'tail') return;
    refuse(name, version, status);
    if (session.now() - said >= SAY_MS) {
      said = session.now();
      session.say(`${name} version ${version}: ${progressWords(status)}, ${count(status.progress?.events ?? 0)} events`);
    }
    await sleep(LOOK_MS);
  }
}

function refuse(name: string, version: number, status: ProjectionStatus | undefined): asserts status is ProjectionStatus {
  if (status === undefined)
    throw new UserError(
      'PROJECTION_UNKNOWN',
      `version ${version} of ${name} was removed while it was being built`,
      'Somebody has cancelled it.',
    );
  if (status.phase === 'stopped')
    throw new OutsideError(
      'PROJECTION_STOPPED',
      status.error ?? 'the build stands still',
      'Correct the projection; then remove this version with --cancel, or raise its number.',
    );
  if (status.phase === 'paused')
    throw new UserError('PROJECTION_PAUSED', `version ${version} of ${name} was paused`, `sluice db rebuild ${name} goes on.`);
}
