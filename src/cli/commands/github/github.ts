import { readFile } from 'node:fs/promises';
import { Option } from 'commander';
import { UserError } from '../../../core/errors.ts';
import { publicUrl, reportsOf } from '../../../core/source-control/reports.ts';
import type { ReleaseState } from '../../../engine/face.ts';
import type { HostRef } from '../../../ports/source-control.ts';
import type { CheckRunReport } from '../../../core/source-control/report-types.ts';
import { EXIT } from '../../session/exit.ts';
import { environmentOption } from '../../session/options.ts';
import { environments } from '../../session/pick.ts';
import { type Answer, command, type Session } from '../../session/session.ts';

const SURROUNDINGS = 'GITHUB_REPOSITORY and GITHUB_TOKEN say where and who (in a workflow only the token has to be handed on).';
const CONCLUSIONS = ['success', 'failure', 'neutral', 'cancelled', 'skipped', 'timed_out', 'action_required'] as const;

export const comment = command<{ readonly pr?: string; readonly key: string }>({
  help: `${SURROUNDINGS}\n\n  $ sluice check --changed --markdown checks.md; sluice github comment checks.md --pr 12 --key checks`,
  options: [
    new Option('--pr <number>', 'the pull request (needed)'),
    new Option('--key <name>', 'which of our comments it is').default('sluice'),
  ],
  async run(session, { args, options }) {
    const body = await textOf(args[0] ?? '');
    return said(await (await github(session)).comment({ change: numberOption('--pr', options.pr), key: options.key, body }));
  },
});

export const check = command<{
  readonly conclusion?: string;
  readonly summary?: string;
  readonly sarif?: string;
  readonly title?: string;
  readonly commit?: string;
}>({
  help: `${SURROUNDINGS} Checks take the token of a workflow or of an app, not a person's.\n\n  $ sluice github check gates --conclusion failure --summary checks.md --sarif findings.sarif`,
  options: [
    new Option('--conclusion <word>', 'how it ended (otherwise it runs still)').choices(CONCLUSIONS),
    new Option('--title <text>', 'one line'),
    new Option('--summary <file>', 'Markdown'),
    new Option('--sarif <file>', 'findings to note in the files'),
    new Option('--commit <id>', 'the commit (otherwise GITHUB_SHA)'),
  ],
  async run(session, { args, options }) {
    const { readAnnotations } = await import('../../../compose/github.ts');
    const [name = ''] = args;
    const conclusion = CONCLUSIONS.find((one) => one === options.conclusion) ?? null;
    const report: CheckRunReport = {
      commit: commitOf(options.commit ?? session.env['GITHUB_SHA']),
      name,
      conclusion,
      title: options.title ?? (conclusion === null ? `${name} runs` : `${name}: ${conclusion}`),
      summary: options.summary === undefined ? '' : await textOf(options.summary),
      annotations: options.sarif === undefined ? [] : await readAnnotations(options.sarif),
      detailsUrl: runUrl(session.env),
    };
    return said(await (await github(session)).check(report));
  },
});

export const deployment = command<object>({
  help: `${SURROUNDINGS} Run it as often as you like: a release is one deployment.\n\n  $ sluice github deployment r-42`,
  options: [],
  async run(session, { args }) {
    const client = await session.client();
    const state = await client.get<ReleaseState>(`/v1/releases/${encodeURIComponent(args[0] ?? '')}`);
    const known = await environments(client);
    const environmentUrl = publicUrl(known.find((one) => one.name === state.plan.environment)?.url ?? null);
    const report = reportsOf(state, { environmentUrl, releaseUrl: runUrl(session.env) })?.deployment;
    if (report === undefined) throw noCommit('what was built');
    return said(await (await github(session)).deployment(report));
  },
});

export const protect = command<{ readonly run?: string; readonly env?: string; readonly reject?: boolean; readonly reason?: string }>({
  help: `${SURROUNDINGS} The token must be that of the app that is the rule.\n\n  $ sluice github protect --run 77 -e production --reason "gates passed"`,
  options: [
    new Option('--run <number>', 'the run that waits (needed)'),
    environmentOption(),
    new Option('--reject', 'no, instead of yes'),
    new Option('--reason <text>', 'why; shown at GitHub'),
  ],
  async run(session, { options }) {
    const environment = options.env ?? session.env['SLUICE_ENV'] ?? '';
    if (environment === '') throw new UserError('USAGE', 'which environment?', 'Say -e <environment>.');
    const state = options.reject === true ? 'rejected' : 'approved';
    await (
      await github(session)
    ).protection({ run: numberOption('--run', options.run), environment, state, comment: options.reason ?? `${state} by ${session.by}` });
    return { exit: EXIT.ok, data: { state, environment }, text: `${environment} is ${state}` };
  },
});

async function github(session: Session) {
  const { connectGithub } = await import('../../../compose/github.ts');
  return connectGithub(session.env);
}

function said(ref: HostRef): Answer {
  return {
    exit: EXIT.ok,
    data: ref,
    text: `${ref.done === 'nothing' ? 'nothing to do' : ref.done}${ref.url === null ? '' : `: ${ref.url}`}`,
  };
}

async function textOf(file: string): Promise<string> {
  return readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    throw new UserError('USAGE', `${file} cannot be read: ${error.message}`, 'Give a file of Markdown.');
  });
}

function numberOption(option: string, value: string | undefined): number {
  if (value !== undefined && /^[1-9]\d{0,15}$/.test(value)) return Number(value);
  throw new UserError(
    'USAGE',
    `${option} ${value ?? 'is missing'}${value === undefined ? '' : ' is not a number'}`,
    `For example ${option} 12.`,
  );
}

function commitOf(value: string | undefined): string {
  if (value !== undefined && /^[0-9a-f]{40,64}$/.test(value)) return value;
  throw noCommit(value ?? 'what was built');
}

function noCommit(value: string): UserError {
  return new UserError('USAGE', `${value} is no full id of a commit`, 'GitHub knows commits only: commit, push, and try again.');
}

/** The run of a workflow that this is part of. */
function runUrl(env: NodeJS.ProcessEnv): string | null {
  const [server, repository, run] = [env['GITHUB_SERVER_URL'], env['GITHUB_REPOSITORY'], env['GITHUB_RUN_ID']];
  return server === undefined || repository === undefined || run === undefined ? null : `${server}/${repository}/actions/runs/${run}`;
}
