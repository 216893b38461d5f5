import type { Option } from 'commander';
import { UserError } from '../../core/errors.ts';
import { parseDuration } from '../../config/schema/values.ts';
import type { Client } from '../control-plane/client.ts';
import type { Terminal } from './terminal.ts';

/** One run of the program: who asks, where, and how to answer. */
export interface Session {
  readonly terminal: Terminal;
  readonly json: boolean;
  /** Questions may be asked: somebody is there, and `--no-input` was not given. */
  readonly canAsk: boolean;
  readonly env: NodeJS.ProcessEnv;
  readonly version: string;
  /** Name for the audit log. */
  readonly by: string;
  readonly now: () => number;
  /** Root of the workspace. @throws UserError `CONFIG_NOT_FOUND` */
  workspace(): Promise<string>;
  /** The control plane; a local one is started when none runs. */
  client(): Promise<Client>;
  /** The command line that runs this program. */
  readonly self: readonly string[];
  /** A message for people, on stderr, one line. */
  say(message: string): void;
  /** Messages go there until disposed: something is being painted that they must not tear. */
  sayThrough(listener: (message: string) => void): () => void;
}

/** What a command has found out: `data` for `--json`, `text` for people. */
export interface Answer {
  readonly exit: number;
  readonly data: unknown;
  readonly text: string;
}

export interface Given<O> {
  readonly args: readonly string[];
  readonly options: O;
  /** Every command, for those that are about commands. */
  readonly commands: readonly CommandEntry[];
}

/** What a command takes, what its help says, and what it does. Its name and summary stand in `_commands.ts`. */
export interface CommandDefinition {
  /** Longer explanation and examples, shown after the options. */
  readonly help: string;
  readonly options: readonly Option[];
  readonly run: (session: Session, given: Given<Record<string, unknown>>) => Promise<Answer>;
}

/** A command as `sluice help` lists it. What else belongs to it is loaded when it is asked for, because loading all takes longer than any of them. */
export interface CommandEntry {
  /** Its words after `sluice`: one, or a group and one. */
  readonly path: readonly string[];
  /** As commander writes them: `[apps...]`, `<release>`; empty: none. */
  readonly args: string;
  /** One line, without a full stop. */
  readonly summary: string;
  readonly load: () => Promise<CommandDefinition>;
}

/** A command whose options have these types. */
export function command<O>(
  definition: Omit<CommandDefinition, 'run'> & { readonly run: (session: Session, given: Given<O>) => Promise<Answer> },
): CommandDefinition {
  return definition as CommandDefinition;
}

/** @throws UserError `USAGE`. */
export function timeoutOf(value: string | undefined): number | null {
  if (value === undefined) return null;
  const ms = parseDuration(value);
  if (ms === null || ms <= 0) throw new UserError('USAGE', `--timeout ${value} is not a duration`, 'For example 90s, 10m or 1h.');
  return ms;
}

/** @throws UserError `USAGE`. */
export function numberOf(option: string, value: string | undefined, fallback: number): number {
  if (value === undefined) return fallback;
  const number = Number(value);
  if (!Number.isInteger(number) || number < 0)
    throw new UserError('USAGE', `${option} ${value} is not a whole number`, `For example ${option} ${fallback}.`);
  return number;
}
