import { setTimeout as sleep } from 'node:timers/promises';
import { type Operations, openOperations, type OperationsOptions } from './operations.ts';

export interface WorkerOptions extends OperationsOptions {
  /** Time between two looks for new events, ms (200). */
  readonly everyMs?: number;
  readonly signal: AbortSignal;
  readonly warn: (message: string) => void;
}

/** Work that is waiting: `build` runs beside `tail`, which must not be kept waiting. */
const RETIRE_EVERY = 50;
const BACKOFF_MS = 500;

/**
 * Do whatever the database says is to be done: fold what is being built, tail what is complete, remove what has had
 * its time. Any number of these may run; each takes what no other has.
 */
export async function runWorker(options: WorkerOptions): Promise<void> {
  const { signal, warn } = options;
  const operations = await opened(options);
  if (operations === null) return;
  try {
    await Promise.all([buildLoop(operations, signal, warn), tailLoop(operations, options.everyMs ?? 200, signal, warn)]);
  } finally {
    await operations.close();
  }
}

async function opened(options: WorkerOptions): Promise<Operations | null> {
  while (!options.signal.aborted) {
    try {
      return await openOperations(options);
    } catch (error) {
      options.warn(messageOf(error));
      await pause(BACKOFF_MS * 2, options.signal);
    }
  }
  return null;
}

async function buildLoop(operations: Operations, signal: AbortSignal, warn: (message: string) => void): Promise<void> {
  while (!signal.aborted) {
    try {
      const waiting = (await operations.builds()).filter(({ phase, paused, error }) => phase === 'catchUp' && !paused && error === null);
      for (const build of waiting) await operations.build(build, signal);
    } catch (error) {
      if (!signal.aborted) warn(messageOf(error));
    }
    await pause(BACKOFF_MS, signal);
  }
}

async function tailLoop(operations: Operations, everyMs: number, signal: AbortSignal, warn: (message: string) => void): Promise<void> {
  for (let looks = 0; !signal.aborted; looks += 1) {
    try {
      await operations.tail();
      if (looks % RETIRE_EVERY === 0) await operations.retire();
      await pause(everyMs, signal);
    } catch (error) {
      if (!signal.aborted) warn(messageOf(error));
      await pause(BACKOFF_MS, signal);
    }
  }
}

const pause = (ms: number, signal: AbortSignal): Promise<void> => sleep(ms, undefined, { signal }).catch(() => {});
const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
