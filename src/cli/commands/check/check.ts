import { writeFile } from 'node:fs/promises';
import { Option } from 'commander';
import { environmentNames } from '../../../config/resolve/resolve.ts';
import { OutsideError } from '../../../core/errors.ts';
import { markdownOf } from '../../../core/gates/markdown.ts';
import type { CheckOutcome } from '../../../core/gates/report.ts';
import { sarifOf } from '../../../core/gates/sarif.ts';
import { reportText } from '../../view/check.ts';
import { EXIT } from '../../session/exit.ts';
import type { Session } from '../../session/session.ts';
import { command, numberOf } from '../../session/session.ts';
import { duration, plural } from '../../view/words.ts';

interface CheckOptions {
  readonly app?: readonly string[];
  readonly changed?: boolean;
  readonly since?: string;
  readonly env?: string;
  readonly failFast?: boolean;
  readonly force?: boolean;
  readonly jobs?: string;
  readonly markdown?: string;
  readonly sarif?: string;
}

export const check = command<CheckOptions>({
  help: 'The same checks and gates as in CI and before a release; no control plane is needed. A check whose inputs have passed before is\nnot run again. Exit code 3 when a check or a gate failed.\n\n  $ sluice check\n  $ sluice check --changed --since origin/main --markdown summary.md --sarif findings.sarif',
  options: [
    new Option('--app <names...>', 'only these apps'),
    new Option('--changed', 'only apps that differ from the base, themselves or in what they depend on'),
    new Option('--since <commit>', 'what lines are new against (otherwise where the branch began, or the commit before)'),
    new Option('-e, --env <name>', 'environment whose build settings count (or SLUICE_ENV; otherwise the last one of the configuration)'),
    new Option('--fail-fast', 'stop everything at the first check that fails'),
    new Option('--force', 'run everything, whatever has passed before'),
    new Option('--jobs <number>', 'commands at a time (otherwise as many as there are processors)'),
    new Option('--markdown <file>', 'write a summary for a pull request there'),
    new Option('--sarif <file>', 'write all findings there, as SARIF 2.1.0'),
  ],
  async run(session, { options }) {
    const dir = await session.workspace();
    const stop = new AbortController();
    const dispose = session.terminal.onInterrupt(() =>
      stop.abort(new OutsideError('INTERRUPTED', 'The checks were stopped.', 'What had passed by then is not run again.')),
    );
    try {
      const { checkWorkspace } = await import('../../../compose/checks.ts');
      const jobs = numberOf('--jobs', options.jobs, 0);
      const checked = await checkWorkspace(
        {
          dir,
          version: session.version,
          apps: options.app ?? [],
          changed: options.changed === true,
          since: options.since ?? null,
          environment: options.env ?? session.env['SLUICE_ENV'] ?? (await lastEnvironment(dir)),
          failFast: options.failFast === true,
          force: options.force === true,
          concurrency: jobs === 0 ? null : jobs,
          onCheck: (app, name, outcome) => outcome !== null && session.say(line(session, app, name, outcome)),
        },
        stop.signal,
      );
      const { reports, before, unchanged, base, commit } = checked;
      const beforeOf = (app: string) => before.get(app) ?? null;
      if (options.markdown !== undefined) await write(options.markdown, markdownOf(reports, beforeOf));
      if (options.sarif !== undefined) await write(options.sarif, `${JSON.stringify(sarifOf(reports, session.version), null, 1)}\n`);
      const failed = reports.filter((one) => one.verdict === 'failed');
      const exit = failed.length === 0 ? EXIT.ok : EXIT.failed;
      const texts = reports.map((one) => reportText(one, beforeOf(one.app), session.terminal.colour));
      const left = unchanged.length === 0 ? [] : [`Unchanged: ${unchanged.join(', ')}.`];
      const verdict =
        failed.length === 0 ? `${plural(reports.length, 'app')} passed.` : `Failed: ${failed.map((one) => one.app).join(', ')}.`;
      return {
        exit,
        data: { verdict: failed.length === 0 ? 'passed' : 'failed', commit, base, reports, unchanged, exitCode: exit },
        text: [...texts, ...left, verdict].join('\n\n'),
      };
    } finally {
      dispose();
    }
  },
});

/** As a rule production: what a release there would reuse. */
async function lastEnvironment(dir: string): Promise<string> {
  const { loadConfig } = await import('../../../config/load/load.ts');
  return environmentNames(await loadConfig(dir)).at(-1) ?? 'production';
}

function line({ terminal }: Session, app: string, name: string, { result, reused, ms }: CheckOutcome): string {
  const how = result === 'passed' ? terminal.colour('green', reused ? 'passed before' : 'passed') : terminal.colour('red', result);
  return `${app} ${name}: ${how}${reused ? '' : ` in ${duration(ms)}`}`;
}

async function write(file: string, text: string): Promise<void> {
  await writeFile(file, text).catch((error: NodeJS.ErrnoException) => {
    throw new OutsideError(
      'CHECK_OUTPUT_UNWRITABLE',
      `${file} could not be written: ${error.message}.`,
      'Name a file in a folder that is there.',
      error,
    );
  });
}
