import { statSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import type { Instance } from './adopt.ts';
import type { Limits } from './limits.ts';
import type { VersionPaths } from './paths.ts';
import { replaceFile, type ProcessIdentity, type SupervisorState, type Wanted } from './records.ts';

/** What a supervisor is told when it starts. */
export interface Supervision {
  /** Folder of the version. */
  readonly folder: string;
  readonly portsFolder: string;
  /** What to run; null when there is nothing left to do but stop it. */
  readonly program: Program | null;
  readonly limits: Limits;
}

export interface Program {
  /** Absolute path of the program, then its arguments. */
  readonly command: readonly string[];
  /** Secrets included; they live in the memory of the supervisor and of the app only. */
  readonly env: Readonly<Record<string, string>>;
}

/** The instances of one version and what their supervisor knows about them. */
export interface Crew {
  readonly supervision: Supervision;
  readonly paths: VersionPaths;
  readonly wanted: Wanted;
  readonly supervisor: ProcessIdentity;
  readonly instances: readonly Instance[];
  /** Instances whose end is told to us (our children) or being dealt with; that of others (adopted) is looked for. */
  readonly attended: Set<Instance>;
  /** Starts under way or waiting for their time. */
  readonly starting: Set<Promise<void>>;
  phase: SupervisorState['phase'];
  /** Numbers of the instances that are to run; null: all. */
  only: readonly number[] | null;
  /** Instances that wait for their start or are being started, and those being stopped because they are not to run any more. */
  readonly busy: Set<Instance>;
  /** Stamp of `state.json` as we wrote it, to notice that somebody damaged it. */
  written: string;
  /** Called after each write to the outside; a test ends the process there. */
  readonly wrote: (what: string) => void;
}

export function isAsked(crew: Crew, instance: Instance): boolean {
  return crew.phase === 'running' && (crew.only === null || crew.only.includes(Number(instance.id)));
}

export function instanceFolder(crew: Crew, instance: Instance): string {
  return join(crew.paths.instances, instance.id);
}

export function instanceLog(crew: Crew, instance: Instance): string {
  return join(crew.paths.logs, `${instance.id}.log`);
}

/** @throws the file system's error, with the old state still there. */
export function save(crew: Crew): void {
  const { wanted, supervisor, phase, instances } = crew;
  const state: SupervisorState = { format: 1, artifact: wanted.artifact, supervisor, phase, instances };
  replaceFile(crew.paths.state, `${JSON.stringify(state, null, 2)}\n`);
  crew.written = stampOf(crew.paths.state);
  crew.wrote('state');
}

/** A full disk must not end supervision: the record is written again at the next look. */
export function trySave(crew: Crew): void {
  try {
    save(crew);
  } catch (error) {
    crew.written = '';
    complain(error);
  }
}

/** Changes whenever somebody writes or replaces the file. */
export function stampOf(path: string): string {
  const stat = statSync(path, { throwIfNoEntry: false, bigint: true });
  return stat === undefined ? 'none' : `${stat.ino}/${stat.mtimeNs}/${stat.size}`;
}

let lastComplaint = '';

/** To the supervisor's own log, once while nothing else happens; a disk too full for that must not end it either. */
export function complain(error: unknown): void {
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
  if (text === lastComplaint) return;
  lastComplaint = text;
  try {
    // Not the stream: it would tell of its own failure by an event that ends the process.
    writeSync(2, `${new Date().toISOString()} ${text}\n`);
  } catch {
    // Nothing more can be done.
  }
}
