import { setTimeout as sleep } from 'node:timers/promises';
import { Option } from 'commander';
import type { BackupRecord, Finding } from '../../../core/backup/catalog.ts';
import { OutsideError, UserError } from '../../../core/errors.ts';
import type { Session } from '../../session/session.ts';

export const backupOption = (): Option => new Option('--backup <id>', 'this backup instead of the newest that fits');

interface Operation<T> {
  readonly id: string;
  readonly state: 'running' | 'done' | 'failed';
  readonly steps: readonly string[];
  readonly result: T | null;
  readonly problem: { readonly code: string; readonly detail: string; readonly hint: string | null; readonly status: number } | null;
}

/** Begin something and wait until it is over, however long that takes. */
export async function perform<T>(session: Session, kind: 'take' | 'verify' | 'restore' | 'drill', body: object): Promise<T> {
  const client = await session.client();
  let operation = await client.post<Operation<T>>(`/v1/backups/${kind}`, body);
  let [told, said, saidAt] = [0, '', 0];
  for (let pause = 100; operation.state === 'running'; pause = Math.min(1_000, pause * 1.3)) {
    await sleep(pause);
    operation = await client.get<Operation<T>>(`/v1/backups/operations/${operation.id}`);
    const { steps } = operation;
    // A line a step, and one every few seconds within it: a log that people read afterwards stays short.
    const isLate = steps.length === told && steps.at(-1) !== said && Date.now() - saidAt > SAY_EVERY_MS;
    for (const step of steps.slice(isLate ? -1 : told)) {
      session.say(step);
      [said, saidAt] = [step, Date.now()];
    }
    told = steps.length;
  }
  const { problem, result } = operation;
  if (problem !== null) throw new (problem.status < 500 ? UserError : OutsideError)(problem.code, problem.detail, problem.hint);
  if (result === null) throw new Error(`${kind} ended without a result`);
  return result;
}

const SAY_EVERY_MS = 5_000;

/** `--to`: a moment in the past. @throws UserError USAGE */
export function momentOf(text: string | undefined, now: number): number | null {
  if (text === undefined || text === 'now' || text === 'latest') return null;
  const at = Date.parse(text);
  if (Number.isNaN(at))
    throw new UserError('USAGE', `--to ${text} is not a moment`, 'For example 2026-01-31T08:15:00Z, or "2026-01-31 08:15:00+01".');
  if (at > now) throw new UserError('USAGE', `--to ${text} is in the future`, 'Leave --to out for the newest there is.');
  return at;
}

export function findingLines(session: Session, findings: readonly Finding[]): string[] {
  return findings.map(
    ({ code, severity, message, hint }) =>
      `  ${session.terminal.colour(severity === 'fail' ? 'red' : 'yellow', code)} ${message}\n    ${hint}`,
  );
}

/** `2.4 GB` */
export function size(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  let value = bytes;
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${value >= 100 || unit === 0 ? value.toFixed(0) : value.toFixed(1)} ${units[unit] ?? ''}`;
}

export function backupLine({ id, kind, startedAt, endedAt, bytes, storedBytes, reason }: BackupRecord): string {
  const stored = storedBytes > 0 && storedBytes !== bytes ? `, ${size(storedBytes)} stored` : '';
  return `${id}: ${kind}, ${size(bytes)}${stored}, took ${((endedAt - startedAt) / 1000).toFixed(1)} s, ${reason}`;
}

export function second(at: number): string {
  return `${new Date(at).toISOString().slice(0, 19)}Z`;
}
