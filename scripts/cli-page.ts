import type { Option } from 'commander';
import { EXIT } from '../src/cli/session/exit.ts';
import { COMMANDS } from '../src/cli/command-table.ts';
import { COMMON } from '../src/cli/session/options.ts';
import type { CommandEntry } from '../src/cli/session/session.ts';

const EXIT_WORDS: Readonly<Record<keyof typeof EXIT, string>> = {
  ok: 'It worked. A deploy: every app is out (`Succeeded`), or there was nothing to do. `abort`, `reject` and `rollback` of a release under way: everything is back.',
  error: 'It did not work for a technical reason (`Errored`), somebody put the release back (`Aborted`), or a request was refused.',
  usage: 'The command line is wrong, names something that does not exist, or needs `--yes`. Nothing was changed.',
  failed:
    'The evidence was bad before users had the new version (`Failed`): health, smoke test, gate. Also: `audit verify` found a broken chain.',
  waiting:
    'The release waits for a person, and nobody can be asked here; or nothing was deployed, because everything that has changed is held back; or a plan needs values of variables. The message names the commands that help.',
  rolledBack:
    'Users had some of the new version, and it was put back (`RolledBack`); or putting it back failed (`RollbackFailed`, said loudly).',
  denied: 'Not allowed: no token, a wrong one, or somebody else has to do it.',
  timeout: '`--timeout` passed. The release goes on.',
  interrupted: 'Ctrl-C or SIGTERM. The release goes on.',
};

const HEAD = `# Commands

<!-- Made from the commands: make docs -->

\`sluice\` is always a client of a control plane. In a workspace (a folder with a \`sluice.config.*\`, or below one) it uses
the workspace's own, and starts it in the background where none runs: however many commands start at once, there is
one. Its address and token stand in \`.sluice/control-plane.json\`, its log in \`.sluice/control-plane.log\`. The control plane
takes the values of \`fromEnv\` variables from the shell of each \`plan\` and \`deploy\`, from \`.env\` files, and from what it kept: [secrets.md](secrets.md).

| variable | what it means |
|---|---|
| \`SLUICE_URL\`, \`SLUICE_TOKEN\` | use the control plane at this address instead, with this token |
| \`SLUICE_ENV\` | the environment where \`-e\` is not given |
| \`SLUICE_BY\` | your name for the audit log (otherwise the name you are signed in with) |
| \`SLUICE_DATABASE_URL\` | PostgreSQL for \`sluice server\` instead of the embedded one; not \`DATABASE_URL\`, which often is the app's |
| \`NO_COLOR\`, \`FORCE_COLOR\`, \`CI\` | no colours; colours also without a terminal; nobody is there to ask |

Data goes to stdout, everything else to stderr. \`--json\` prints one object at the end; an error is
\`{"error": {"code", "message", "hint"}, "exitCode"}\`, its code explained in [errors](errors.md). With \`--events\` each event of
the release is a line of JSON as it happens, and the result is the last line.

A release is carried out by the control plane: following it changes nothing, and whoever stops looking (Ctrl-C,
\`--timeout\`, a broken connection) stops nothing. Where nobody can be asked (\`--no-input\`, no terminal, \`CI\`), a release that
waits for a person ends the command with exit code 4 instead of waiting for ever; \`--wait\` waits all the same.
`;

/** The manual, made from the definitions that parse the command line. */
export async function cliPage(): Promise<string> {
  const codes = Object.entries(EXIT).map(([name, code]) => `| ${code} | ${EXIT_WORDS[name as keyof typeof EXIT]} |`);
  return [
    HEAD,
    '## Exit codes\n',
    '| code | what it means |',
    '|---:|---|',
    ...codes,
    '\n## Options of every command\n',
    table(COMMON()),
    ...(await Promise.all(COMMANDS.map(section))),
  ].join('\n');
}

async function section({ path, args, summary, load }: CommandEntry): Promise<string> {
  const { options, help } = await load();
  const title = `\n## sluice ${[...path, ...(args === '' ? [] : [args])].join(' ')}\n\n${summary}.\n`;
  const block = help === '' ? '' : `\n\`\`\`text\n${help.trimEnd()}\n\`\`\``;
  return [title, ...(options.length === 0 ? [] : [table(options)]), ...(block === '' ? [] : [block])].join('\n');
}

function table(options: readonly Option[]): string {
  const rows = options.map((option) => `| \`${option.flags}\` | ${option.description}${option.mandatory ? ' (needed)' : ''} |`);
  return ['| option | what it means |', '|---|---|', ...rows].join('\n');
}
