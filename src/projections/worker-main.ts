import { text } from 'node:stream/consumers';
import type { FlushPolicy } from '../core/data/projections/shards.ts';
import { SluiceError } from '../core/errors.ts';
import { type Code, load } from './code.ts';
import type { StoreConfig } from './stores.ts';
import { openOperations, type VersionId } from './operations.ts';
import { runWorker } from './worker.ts';

/*
 * A process of its own for folding: it keeps a core busy for as long as a rebuild takes, and runs code of the workspace.
 * It is told on standard input what to work on, says on standard error what is wrong, and ends with the process that started it.
 */
export interface WorkerOrder {
  readonly url: string;
  readonly schema: string;
  readonly store: StoreConfig;
  readonly everyMs?: number;
  readonly flush?: FlushPolicy;
  /** One piece of work instead of all there is. */
  readonly job?: Job;
}

export type Job =
  | { readonly kind: 'inspect'; readonly code: Code }
  | { readonly kind: 'start'; readonly code: Code; readonly shards: number }
  | { readonly kind: 'verify'; readonly id: VersionId }
  | { readonly kind: 'switch'; readonly id: VersionId; readonly keepMs: number }
  | { readonly kind: 'coverage'; readonly code: Code };

export type JobAnswer =
  | { readonly value: unknown }
  | {
      readonly error: {
        readonly blame: 'user' | 'outside' | 'fenced';
        readonly code: string;
        readonly message: string;
        readonly hint: string | null;
      };
    };

async function perform(order: WorkerOrder, job: Job, signal: AbortSignal): Promise<unknown> {
  if (job.kind === 'inspect') {
    const { name, version } = await load(job.code);
    return { name, version };
  }
  const operations = await openOperations(order);
  try {
    switch (job.kind) {
      case 'start': {
        const { projection, version } = await operations.start(job.code, job.shards);
        return { name: projection, version };
      }
      case 'verify':
        return await operations.verify(job.id);
      case 'switch':
        return await operations.switch(job.id, { keepMs: job.keepMs, signal });
      case 'coverage':
        return await operations.coverage(await load(job.code));
    }
  } finally {
    await operations.close();
  }
}

async function answer(order: WorkerOrder, job: Job, signal: AbortSignal): Promise<JobAnswer> {
  try {
    return { value: await perform(order, job, signal) };
  } catch (error) {
    if (error instanceof SluiceError) {
      const { blame, code, message, hint } = error;
      return { error: { blame, code, message, hint } };
    }
    const message = error instanceof Error ? error.message : String(error);
    return {
      error: {
        blame: 'outside',
        code: 'PROJECTION_DATABASE',
        message: `the database of the projection says: ${message}`,
        hint: 'See that it can be reached directly, and with enough rights.',
      },
    };
  }
}

const order = JSON.parse(await text(process.stdin)) as WorkerOrder;
const stop = new AbortController();
for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => stop.abort());
// The channel to the parent process closes when the parent ends, in whatever way.
process.on('disconnect', () => stop.abort());

if (order.job === undefined) await runWorker({ ...order, signal: stop.signal, warn: (message) => process.stderr.write(`${message}\n`) });
else {
  const made = await answer(order, order.job, stop.signal);
  await new Promise<void>((resolve) => void process.send?.(made, () => resolve()));
}
process.exit(0);
