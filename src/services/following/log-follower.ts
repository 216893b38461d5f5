import { hostname } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Engine } from '../../engine/face.ts';

/** What those have in common that follow the log and tell others about it. */

const FIRST_RETRY_MS = 500;
const LONGEST_RETRY_MS = 60_000;

/** Whether this is the oldest control plane that lives: of several, that one speaks. */
export async function isOldest(engine: Pick<Engine, 'controlPlanes'>): Promise<boolean> {
  const alive = (await engine.controlPlanes()).filter((one) => one.alive);
  const [oldest] = alive.toSorted((a, b) => a.startedAt - b.startedAt || (a.id < b.id ? -1 : 1));
  return oldest === undefined || (oldest.pid === process.pid && oldest.host === hostname());
}

export async function newestPosition(engine: Pick<Engine, 'events'>): Promise<number> {
  for (let last = 0; ;) {
    const page = await engine.events({ after: last, limit: 1_000 });
    last = page.at(-1)?.position ?? last;
    if (page.length < 1_000) return last;
  }
}

/** Again and again until it works or there is no more need; says once that it does not. */
export async function persistently<T>(
  { warn }: { warn(message: string): void },
  trouble: string,
  signal: AbortSignal,
  work: () => Promise<T>,
): Promise<T | undefined> {
  for (let tries = 0; !signal.aborted; tries += 1) {
    try {
      return await work();
    } catch (error) {
      if (signal.aborted) return undefined;
      if (tries === 0) warn(`${trouble}: ${textOf(error)}`);
      await pause(retryPause(tries), signal);
    }
  }
  return undefined;
}

/** Time before the next try, ms. */
export function retryPause(tries: number): number {
  return Math.min(LONGEST_RETRY_MS, FIRST_RETRY_MS * 2 ** tries);
}

export function pause(forMs: number, signal: AbortSignal): Promise<void> {
  return sleep(forMs, undefined, { signal, ref: false }).catch(() => {});
}

export function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
