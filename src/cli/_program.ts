import { Command, CommanderError, Option } from 'commander';
import { SluiceError } from '../core/errors.ts';
import { EXIT, exitOfError } from './_exit.ts';
import type { Answer, CommandDefinition, Session } from './_session.ts';
import type { Terminal } from './_terminal.ts';
import { abort } from './abort.ts';
import { approvals } from './approvals.ts';
import { affected } from './affected.ts';
import { ANALYSIS_COMMANDS, ANALYSIS_GROUP } from './analysis.ts';
import { approve } from './approve.ts';
import { apps } from './apps.ts';
import { auditVerify } from './audit-verify.ts';
import { BACKUP_COMMANDS, BACKUP_GROUP } from './backup.ts';
import { check } from './check.ts';
import { DB_COMMANDS, DB_GROUP } from './db.ts';
import { checklist } from './checklist.ts';
import { deploy } from './deploy.ts';
import { doctor } from './doctor.ts';
import { down } from './down.ts';
import { GITHUB_COMMANDS, GITHUB_GROUP } from './github.ts';
import { history } from './history.ts';
import { holdLift } from './hold-lift.ts';
import { init } from './init.ts';
import { logs } from './logs.ts';
import { manifest } from './manifest.ts';
import { pause } from './pause.ts';
import { plan } from './plan.ts';
import { promoteEnv } from './promote-env.ts';
import { promote } from './promote.ts';
import { reject } from './reject.ts';
import { resume } from './resume.ts';
import { retry } from './retry.ts';
import { rollback } from './rollback.ts';
import { scan } from './scan.ts';
import { server } from './server.ts';
import { status } from './status.ts';

/** Every command, in the order in which they are shown. */
export const COMMANDS: readonly CommandDefinition[] = [
  check,
  scan,
  init,
  apps,
  affected,
  plan,
  deploy,
  status,
  promote,
  pause,
  resume,
  approvals,
  approve,
  reject,
  abort,
  retry,
  rollback,
  promoteEnv,
  checklist,
  history,
  manifest,
  logs,
  ...ANALYSIS_COMMANDS,
  ...DB_COMMANDS,
  ...BACKUP_COMMANDS,
  ...GITHUB_COMMANDS,
  holdLift,
  auditVerify,
  doctor,
  server,
  down,
];

const GROUPS: Readonly<Record<string, string>> = {
  analysis: ANALYSIS_GROUP,
  audit: 'Look into the audit log',
  backup: BACKUP_GROUP,
  db: DB_GROUP,
  github: GITHUB_GROUP,
  hold: 'Versions that a rollback has rejected',
};

/** Options that every command takes. */
export const COMMON = (): Option[] => [
  new Option('--json', 'print one JSON object on stdout instead of text'),
  new Option('--no-input', 'never ask anything; what would have to be asked is an error'),
  new Option('-C, --workspace <dir>', 'workspace to work on (otherwise the nearest folder upwards with a sluice.config.*)'),
];

export interface CommonOptions {
  readonly json?: boolean;
  readonly input: boolean;
  readonly workspace?: string;
}

export interface Program {
  readonly command: Command;
  /** Run a command line (without the program's own name) and return the exit code. Never throws. */
  run(argv: readonly string[]): Promise<number>;
}

/** Builds the command line out of the definitions. */
export function createProgram(version: string, terminal: Terminal, openSession: (options: CommonOptions) => Session): Program {
  let exit: number = EXIT.ok;
  const program = new Command('sluice');
  program
    .description('From commit to production on evidence, and back.')
    .version(version, '-V, --version', 'print the version')
    .enablePositionalOptions()
    .configureOutput({ writeOut: terminal.out, writeErr: terminal.err })
    .helpOption('-h, --help', 'print help')
    .helpCommand('help [command]', 'print help for a command')
    .showHelpAfterError('(`sluice help` lists the commands)')
    .addHelpText(
      'after',
      '\nExit codes: 0 ok, 1 error, 2 wrong usage, 3 evidence was bad, 4 waits for a person, 5 rolled back, 6 denied, 124 timeout, 130 interrupted.\nMore: docs/cli.md',
    );
  for (const definition of COMMANDS) {
    const own = place(program, definition);
    own.summary(definition.summary).description(definition.summary);
    if (definition.help !== '') own.addHelpText('after', `\n${definition.help}`);
    for (const option of [...definition.options, ...COMMON()]) own.addOption(option);
    own.action(async (...given: unknown[]) => {
      const options = given.at(-2) as CommonOptions & Record<string, unknown>;
      const args = (given.slice(0, -2) as (string | string[] | undefined)[]).flat().filter((value) => value !== undefined);
      const session = openSession(options);
      exit = await perform(session, () => definition.run(session, { args, options }));
    });
  }
  return {
    command: program,
    async run(argv) {
      exit = EXIT.ok;
      const asked = argv.length === 0 ? ['--help'] : [...argv];
      quiet(program);
      try {
        await program.parseAsync(asked, { from: 'user' });
        return exit;
      } catch (error) {
        if (!(error instanceof CommanderError)) throw error;
        return error.exitCode === 0 ? EXIT.ok : usageExit(error, argv, terminal);
      }
    },
  };
}

/** Commander has said on stderr what is wrong; a script that asked for JSON gets that too. */
function usageExit(error: CommanderError, argv: readonly string[], terminal: Terminal): number {
  if (argv.includes('--json')) {
    const problem = { code: 'USAGE', message: error.message.replace(/^error: /, ''), hint: '`sluice help` lists the commands.' };
    terminal.out(`${JSON.stringify({ error: problem, exitCode: EXIT.usage })}\n`);
  }
  return EXIT.usage;
}

function place(program: Command, { path, args }: CommandDefinition): Command {
  const [first = '', second] = path;
  const usage = (name: string): string => (args === '' ? name : `${name} ${args}`);
  if (second === undefined) return program.command(usage(first));
  const group = program.commands.find((one) => one.name() === first) ?? program.command(first).description(GROUPS[first] ?? '');
  return group.command(usage(second));
}

/** Commander must not end the process itself: what has been printed has to get out first. */
function quiet(command: Command): void {
  command.exitOverride();
  for (const child of command.commands) quiet(child);
}

async function perform(session: Session, run: () => Promise<Answer>): Promise<number> {
  try {
    const { exit, data, text } = await run();
    if (session.json) session.terminal.out(`${JSON.stringify(data)}\n`);
    else if (text !== '') session.terminal.out(`${text}\n`);
    return exit;
  } catch (error) {
    const exit = exitOfError(error);
    const { code, message, hint } = explain(error);
    if (session.json) session.terminal.out(`${JSON.stringify({ error: { code, message, hint }, exitCode: exit })}\n`);
    const { colour } = session.terminal;
    session.terminal.err(`${colour('red', 'Error:')} ${message} ${colour('dim', `(${code})`)}\n${hint === null ? '' : `${hint}\n`}`);
    return exit;
  }
}

function explain(error: unknown): { code: string; message: string; hint: string | null } {
  if (error instanceof SluiceError) return { code: error.code, message: error.message, hint: error.hint };
  const detail = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return { code: 'BUG', message: `This should not happen: ${detail}`, hint: 'Please report it.' };
}
