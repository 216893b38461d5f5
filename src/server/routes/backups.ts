import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import type { Progress } from '../../ports/backup.ts';
import { UserError } from '../../core/errors.ts';
import { type Problem, problemOf } from '../http/problems.ts';
import { type Route, route } from '../http/route.ts';

/** Backups as the API knows them; handed in by the composition root. */
export interface BackupsFace {
  overview(): Promise<readonly object[]>;
  /** `source`: null = the only one there is. @throws UserError BACKUP_SOURCE_UNKNOWN */
  take(source: string | null, options: { readonly by: string; readonly say?: Progress }, signal: AbortSignal): Promise<object>;
  verify(source: string | null, options: { readonly backup: string | null }, signal: AbortSignal): Promise<object>;
  drill(
    source: string | null,
    options: { readonly by: string; readonly seed?: number; readonly say?: Progress },
    signal: AbortSignal,
  ): Promise<object>;
  restore(
    source: string | null,
    options: {
      readonly to: number | null;
      readonly backup: string | null;
      readonly into: string;
      readonly by: string;
      readonly fromCopy?: boolean;
      readonly say?: Progress;
    },
    signal: AbortSignal,
  ): Promise<object>;
  runbook(): Promise<string>;
}

interface Operation {
  readonly id: string;
  readonly kind: string;
  readonly startedAt: number;
  readonly state: 'running' | 'done' | 'failed';
  /** The steps so far, for people; the last one says how far it is. */
  readonly steps: readonly string[];
  readonly result: object | null;
  readonly problem: Problem | null;
}

const KEPT = 50;
const source = z.string().max(63).optional().describe('Name of the source; left out: the only one there is.');
const by = z.string().min(1).max(200).describe('Who asks, for the audit log.');
const plain = z.looseObject({});
const operation = z
  .object({
    id: z.string(),
    kind: z.string(),
    startedAt: z.number(),
    state: z.enum(['running', 'done', 'failed']),
    steps: z.array(z.string()).describe('The steps so far, for people; the last one says how far it is.'),
    result: plain.nullable(),
    problem: plain.nullable().describe('Why it failed, as problem details.'),
  })
  .meta({ id: 'BackupOperation', description: 'Something that takes a while. Ask for it again until it is no longer running.' });

/** What was said, without how far it is. */
function stepOf(said: string | undefined): string | undefined {
  return said?.replace(/\d+ %.*$/, '');
}

/** What takes minutes is begun by a POST and asked for by its id. */
export function backupRoutes(parts: { readonly backups?: BackupsFace }): readonly Route[] {
  const operations = new Map<string, Operation>();
  const face = (): BackupsFace => {
    if (parts.backups === undefined)
      throw new UserError('BACKUPS_UNAVAILABLE', 'this control plane makes no backups', 'Ask the one that does.');
    return parts.backups;
  };
  const begin = (kind: string, work: (signal: AbortSignal, say: Progress) => Promise<object>): Operation => {
    const started: Operation = {
      id: randomUUID(),
      kind,
      startedAt: Date.now(),
      state: 'running',
      steps: [],
      result: null,
      problem: null,
    };
    operations.set(started.id, started);
    const [oldest] = operations.keys();
    if (operations.size > KEPT && oldest !== undefined) operations.delete(oldest);
    const steps: string[] = [];
    const become = (now: Partial<Operation>) => operations.set(started.id, { ...started, steps: [...steps], ...now });
    const say: Progress = (progress) => {
      if (stepOf(steps.at(-1)) === stepOf(progress)) steps.pop();
      steps.push(progress);
      become({});
    };
    work(AbortSignal.timeout(LONGEST_MS), say).then(
      (result) => become({ state: 'done', result }),
      (error: unknown) => become({ state: 'failed', problem: problemOf(error) }),
    );
    return started;
  };
  return [
    route({
      method: 'GET',
      url: '/v1/backups',
      id: 'listBackups',
      group: 'operations',
      summary: 'Every source that is backed up: its backups, the moments that can be restored, the last drill, and alarms.',
      answer: z.object({ sources: z.array(plain) }),
      handle: async () => ({ sources: await face().overview() }),
    }),
    route({
      method: 'POST',
      url: '/v1/backups/take',
      id: 'takeBackup',
      group: 'operations',
      summary: 'Take a backup now, and verify it.',
      body: z.object({ source, by }),
      answer: operation,
      handle: async ({ body }) => begin('take', (signal, say) => face().take(body.source ?? null, { by: body.by, say }, signal)),
    }),
    route({
      method: 'POST',
      url: '/v1/backups/verify',
      id: 'verifyBackup',
      group: 'operations',
      summary: 'Read a backup and the log after it, and compare with what was written.',
      body: z.object({ source, backup: z.string().optional().describe('Its id; left out: the newest.') }),
      answer: operation,
      handle: async ({ body }) => begin('verify', (signal) => face().verify(body.source ?? null, { backup: body.backup ?? null }, signal)),
    }),
    route({
      method: 'POST',
      url: '/v1/backups/restore',
      id: 'restoreBackup',
      group: 'operations',
      summary: 'Make a copy of a source as it was at a moment. The source itself is not touched.',
      body: z.object({
        source,
        by,
        to: z.number().optional().describe('The moment, ms since the epoch; left out: the newest there is.'),
        backup: z.string().optional().describe('The backup to begin from; left out: the one that fits.'),
        fromCopy: z.boolean().optional().describe('From the second location alone, as if the first were lost.'),
        into: z.string().min(1).describe('A new folder on the machine of the control plane, or the name of a new branch.'),
      }),
      answer: operation,
      handle: async ({ body }) =>
        begin('restore', (signal, say) =>
          face().restore(
            body.source ?? null,
            {
              to: body.to ?? null,
              backup: body.backup ?? null,
              into: body.into,
              by: body.by,
              say,
              ...(body.fromCopy === undefined ? {} : { fromCopy: body.fromCopy }),
            },
            signal,
          ),
        ),
    }),
    route({
      method: 'POST',
      url: '/v1/backups/drill',
      id: 'drill',
      group: 'operations',
      summary: 'Act as if a source were lost: restore it beside, compare, and measure against the objectives.',
      body: z.object({ source, by, seed: z.number().int().min(0).optional().describe('Picks the random moment; left out: by lot.') }),
      answer: operation,
      handle: async ({ body }) =>
        begin('drill', (signal, say) =>
          face().drill(body.source ?? null, { by: body.by, say, ...(body.seed === undefined ? {} : { seed: body.seed }) }, signal),
        ),
    }),
    route({
      method: 'GET',
      url: '/v1/backups/operations/:id',
      id: 'backupOperation',
      group: 'operations',
      summary: 'How something that was begun goes.',
      params: z.object({ id: z.string() }),
      answer: operation,
      async handle({ params }) {
        const found = operations.get(params.id);
        if (found !== undefined) return found;
        throw new UserError(
          'OPERATION_UNKNOWN',
          `nothing with the id ${params.id} is known`,
          'The control plane was started anew meanwhile: see `sluice backup list`, and begin again.',
        );
      },
    }),
    route({
      method: 'GET',
      url: '/v1/backups/runbook',
      id: 'runbook',
      group: 'operations',
      summary: 'What to do after corruption, a bad release, and the loss of a region or a data centre, made from the real configuration.',
      answer: z.object({ markdown: z.string() }),
      handle: async () => ({ markdown: await face().runbook() }),
    }),
  ];
}

const LONGEST_MS = 12 * 3_600_000;
