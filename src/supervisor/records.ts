import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import type { RunSpec } from '../core/app/run.ts';

/*
 * The files through which control plane and supervisor speak. Each has one writer: `wanted.json` the control
 * plane (under the app's lock), `state.json` the version's supervisor. They are checked by hand, without a
 * schema library: the supervisor reads them too, and has to start quickly and stay small.
 */

export interface Wanted {
  readonly format: 1;
  readonly state: 'running' | 'retired';
  readonly fence: number;
  /** Time between SIGTERM and SIGKILL, ms. */
  readonly drainMs: number;
  readonly environment: string;
  readonly app: string;
  readonly version: string;
  readonly artifact: string;
  /** Settings with secrets by name only; null when they were lost before the version was retired. */
  readonly run: RunSpec | null;
  /** Numbers of the instances that are to run; left out: all. */
  readonly only?: readonly number[];
}

export interface SupervisorState {
  readonly format: 1;
  readonly artifact: string;
  readonly supervisor: ProcessIdentity;
  readonly phase: 'running' | 'retiring' | 'retired';
  readonly instances: readonly InstanceState[];
}

export interface ProcessIdentity {
  readonly pid: number;
  readonly startTime: string;
}

export interface InstanceState {
  readonly id: string;
  /** Loopback port reserved for it, kept across restarts while nobody else takes it. */
  readonly port: number | null;
  readonly process: ProcessIdentity | null;
  /** Start of the current run, ms since epoch. */
  readonly startedAt: number | null;
  readonly state: 'running' | 'backoff' | 'stopped';
  /** Not yet tried by the supervisor that wrote this. */
  readonly pending: boolean;
  readonly starts: number;
  /** Runs in a row that ended before they were stable. */
  readonly quickEnds: number;
  readonly lastEnd: string | null;
}

export function readWanted(path: string): Wanted | null {
  const value = readObject(path);
  if (value === null || (value['state'] !== 'running' && value['state'] !== 'retired')) return null;
  const texts = ['environment', 'app', 'version', 'artifact'].every((key) => typeof value[key] === 'string');
  const numbers = ['fence', 'drainMs'].every((key) => typeof value[key] === 'number');
  return texts && numbers && (value['run'] === null || isRun(value['run'])) ? (value as unknown as Wanted) : null;
}

export function readState(path: string): SupervisorState | null {
  const value = readObject(path);
  if (value === null || typeof value['artifact'] !== 'string' || !isIdentity(value['supervisor'])) return null;
  if (!['running', 'retiring', 'retired'].includes(String(value['phase']))) return null;
  const { instances } = value;
  return Array.isArray(instances) && instances.every(isInstance) ? (value as unknown as SupervisorState) : null;
}

/**
 * Replace a file in one step. Without fsync, unlike `writeAtomic`: what it says about processes is void after
 * the machine has stopped, and a supervisor must not wait for a busy disk before each start.
 */
export function replaceFile(path: string, content: string): void {
  const temporary = `${path}.${process.pid}.tmp`;
  try {
    writeFileSync(temporary, content, { mode: 0o600 });
    renameSync(temporary, path);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
}

function readObject(path: string): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(readFileSync(path, 'utf8'));
    return isObject(value) && value['format'] === 1 ? value : null;
  } catch {
    return null;
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isRun(value: unknown): boolean {
  return (
    isObject(value) &&
    Array.isArray(value['command']) &&
    isObject(value['env']) &&
    typeof value['instances'] === 'number' &&
    typeof value['listens'] === 'boolean'
  );
}

function isIdentity(value: unknown): boolean {
  return isObject(value) && typeof value['pid'] === 'number' && typeof value['startTime'] === 'string';
}

function isInstance(value: unknown): boolean {
  if (!isObject(value) || typeof value['id'] !== 'string') return false;
  const numbers = ['starts', 'quickEnds'].every((key) => typeof value[key] === 'number');
  return (
    numbers && (value['process'] === null || isIdentity(value['process'])) && (value['port'] === null || typeof value['port'] === 'number')
  );
}
