import { Command, CommanderError } from 'commander';
import { SluiceError } from '../core/errors.ts';
import { COMMANDS, GROUPS } from './command-table.ts';
import { EXIT, exitOfError } from './session/exit.ts';
import { COMMON, type CommonOptions } from './session/options.ts';
import type { Answer, CommandDefinition, CommandEntry, Session } from './session/session.ts';
import type { Terminal } from './session/terminal.ts';

export interface Program {
  /** Run a command line (without the program's own name) and return the exit code. Never throws. */
  run(argv: readonly string[]): Promise<number>;
}

/** What runs one command once commander has read its options. */
type Runner = (definition: CommandDefinition, args: readonly string[], options: CommonOptions & Record<string, unknown>) => Promise<void>;

/** Reads a command line, loads the one command that it names, and runs it. */
export function createProgram(version: string, terminal: Terminal, openSession: (options: CommonOptions) => Session): Program {
  return {
    async run(argv) {
      let exit: number = EXIT.ok;
      const asked = argv.length === 0 ? ['--help'] : [...argv];
      const entry = entryOf(asked);
      const loaded = entry === undefined ? [] : [[entry, await entry.load()] as const];
      const program = commandTree(version, terminal, new Map(loaded), async (definition, args, options) => {
        const session = openSession(options);
        exit = await perform(session, () => definition.run(session, { args, options, commands: COMMANDS }));
      });
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

/** The command that a command line names; none where it names a group, nothing, or something unknown. */
function entryOf(argv: readonly string[]): CommandEntry | undefined {
  const [first, second] = argv[0] === 'help' ? argv.slice(1) : argv;
  return COMMANDS.find(({ path }) => path[0] === first && (path[1] === undefined || path[1] === second));
}

/** Commander's tree of all commands. Only those that are loaded have options and can be run. */
export function commandTree(
  version: string,
  terminal: Pick<Terminal, 'out' | 'err'>,
  loaded: ReadonlyMap<CommandEntry, CommandDefinition>,
  runner: Runner,
): Command {
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
  for (const entry of COMMANDS) {
    const own = place(program, entry).summary(entry.summary).description(entry.summary);
    const definition = loaded.get(entry);
    if (definition !== undefined) define(own, definition, runner);
  }
  return program;
}

function define(own: Command, definition: CommandDefinition, runner: Runner): void {
  if (definition.help !== '') own.addHelpText('after', `\n${definition.help}`);
  for (const option of [...definition.options, ...COMMON()]) own.addOption(option);
  own.action(async (...given: unknown[]) => {
    const options = given.at(-2) as CommonOptions & Record<string, unknown>;
    const args = (given.slice(0, -2) as (string | string[] | undefined)[]).flat().filter((value) => value !== undefined);
    await runner(definition, args, options);
  });
}

/** Commander has said on stderr what is wrong; a script that asked for JSON gets that too. */
function usageExit(error: CommanderError, argv: readonly string[], terminal: Terminal): number {
  if (argv.includes('--json')) {
    const problem = { code: 'USAGE', message: error.message.replace(/^error: /, ''), hint: '`sluice help` lists the commands.' };
    terminal.out(`${JSON.stringify({ error: problem, exitCode: EXIT.usage })}\n`);
  }
  return EXIT.usage;
}

function place(program: Command, { path, args }: CommandEntry): Command {
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
