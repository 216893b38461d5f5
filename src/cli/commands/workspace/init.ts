import { resolve } from 'node:path';
import { Option } from 'commander';
import { LOOKED_FOR } from '../../../core/init/elsewhere.ts';
import { unifiedDiff } from '../../../core/init/diff.ts';
import type { Proposal } from '../../../core/init/propose.ts';
import { EXIT } from '../../session/exit.ts';
import { command, type Session } from '../../session/session.ts';
import { plural, table } from '../../view/words.ts';

const NO_APP = 'There is nothing to deploy: no app was found.';

interface InitOptions {
  readonly workspace?: string;
  readonly overwrite?: boolean;
  readonly dryRun?: boolean;
}

type Outcome = 'created' | 'updated' | 'unchanged' | 'kept' | 'overwritten';

export const init = command<InitOptions>({
  help: `Looks at package.json, pyproject.toml, requirements.txt, go.mod, Dockerfile, compose files, wrangler.toml and .do/app.yaml.
Run it again whenever you like: what an earlier run wrote is brought up to date, what is up to date is left alone, and what
a person has changed is kept: the difference is shown, and somebody who is there is asked.

  $ sluice init
  $ sluice init --dry-run
  $ sluice init --overwrite        # shows the differences and takes the new text all the same`,
  options: [
    new Option('--dry-run', 'only show what would be written'),
    new Option('--overwrite', 'also replace what a person has changed, after showing the difference'),
  ],
  async run(session, { options }) {
    const { planTrouble, proposeFiles, writeProposal } = await import('../../../compose/init.ts');
    const dir = resolve(options.workspace ?? '.');
    const { found, files } = await proposeFiles(dir);
    const written: { path: string; outcome: Outcome }[] = [];
    for (const file of files) {
      const outcome = await decide(session, file, options);
      if (outcome !== 'unchanged' && outcome !== 'kept' && options.dryRun !== true) await writeProposal(dir, file);
      written.push({ path: file.path, outcome });
    }
    const trouble = found.apps.length === 0 ? NO_APP : options.dryRun === true ? null : await planTrouble(dir, session.version);
    const toDecide = found.decide;
    const apps = found.apps.map(({ name, path, framework, routes }) => ({ name, path, framework, routes }));
    const lines = [
      apps.length === 0
        ? `No app was found: add one to sluice.config.ts. Looked for ${LOOKED_FOR}.`
        : `Found ${plural(apps.length, 'app')}`,
      ...table(apps.map((app) => [`  ${app.name}`, app.path, app.framework, app.routes.join(' ') || 'no route'])),
      ...found.leftOut.map((what) => `  ${what}`),
      ...(toDecide.length === 0 ? [] : ['To be decided before a deploy can work', ...toDecide.map((what) => `  ${what}`)]),
      options.dryRun === true ? 'Would be written' : 'Files',
      ...table(written.map(({ path, outcome }) => [`  ${outcome}`, path])),
      ...(trouble === null ? [] : [`sluice plan would say: ${trouble}`]),
      'Next: look through sluice.config.ts, commit, then sluice plan',
    ];
    return {
      exit: EXIT.ok,
      data: {
        apps,
        leftOut: found.leftOut,
        decide: toDecide,
        plans: options.dryRun === true && trouble === null ? null : trouble === null,
        trouble,
        files: written,
        dryRun: options.dryRun === true,
      },
      text: lines.join('\n'),
    };
  },
});

/** Nothing of a person's is replaced unseen. */
async function decide(session: Session, { path, action, before, text }: Proposal, options: InitOptions): Promise<Outcome> {
  if (action === 'create') return 'created';
  if (action === 'same') return 'unchanged';
  if (action === 'update') return 'updated';
  const { terminal } = session;
  session.say(
    unifiedDiff(path, before ?? '', text)
      .split('\n')
      .map((line) => (/^\+(?!\+)/.test(line) ? terminal.colour('green', line) : /^-(?!-)/.test(line) ? terminal.colour('red', line) : line))
      .join('\n'),
  );
  if (options.overwrite === true) return 'overwritten';
  if (!session.canAsk || options.dryRun === true) {
    session.say(`${path} is not as sluice init wrote it, and is kept (--overwrite takes the new text).`);
    return 'kept';
  }
  const answer = await terminal.ask(`Replace ${path} with this? [y/N] `);
  return answer !== null && /^y(es)?$/i.test(answer.trim()) ? 'overwritten' : 'kept';
}
