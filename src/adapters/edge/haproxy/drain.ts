import type { Layout } from './layout.ts';
import { backendOf } from './layout.ts';
import type { LogStream } from './log-stream.ts';
import type { Master } from './master.ts';
import { allBackends, busyOf, type OldAnswer } from './observation.ts';
import { leftovers, readHolding, say } from './runtime.ts';

/** How long a backend keeps its servers after its version has gone: requests just assigned still look for one, ms. */
const REST_MS = 1_000;

/** What is on its way out: servers of versions taken out, and workers replaced by a reload. */
export interface Drain {
  /** These versions have just been taken out. */
  note(tokens: readonly string[]): void;
  /** Backends too fresh from their last version to be given to another. */
  resting(): string[];
  /** These workers have been replaced: their last requests go through the new one. */
  retire(workers: readonly number[], serial: number): Promise<void>;
  ask(line: string): Promise<OldAnswer[]>;
  /** Remove what nothing is under way in any more. @returns whether HAProxy may hold something else now. */
  sweep(layout: () => Layout, runtimeSocket: string): Promise<boolean>;
  /** HAProxy has started afresh. */
  reset(): void;
}

export function createDrain(master: Pick<Master, 'tell' | 'workers'>, log: Pick<LogStream, 'leave'>): Drain {
  const freedAt = new Map<string, number>();
  const old = new Map<number, number>();
  /** Servers from the configuration file, which HAProxy turns off but cannot forget. */
  const fixed = new Set<string>();
  let isTidy = false;

  async function sweepServers(layout: Layout, runtimeSocket: string): Promise<boolean> {
    if (isTidy) return false;
    const busy = new Set(busyOf(await allBackends(runtimeSocket)));
    let left = 0;
    let hasChanged = false;
    for (const { backend, name, isOn } of leftovers(layout, await readHolding(runtimeSocket))) {
      const server = `${backend}/${name}`;
      const isRetired = !layout.servers.has(backend);
      if (fixed.has(server) && !isOn) continue;
      left += 1;
      if (isRetired && (busy.has(backend) || (freedAt.get(backend) ?? 0) + REST_MS > Date.now())) continue;
      hasChanged = true;
      const said = await say(runtimeSocket, `${isOn ? `disable server ${server}; ` : ''}del server ${server}`);
      if (/only servers added at runtime/i.test(said)) fixed.add(server);
    }
    isTidy = left === 0;
    return hasChanged;
  }

  async function sweepWorkers(): Promise<void> {
    if (old.size === 0) return;
    const alive = (await master.workers())?.old ?? [...old.keys()];
    for (const worker of old.keys()) {
      const connections = alive.includes(worker)
        ? frontendConnections(await master.tell(worker, 'show stat edge 1 -1').catch(() => ''))
        : 0;
      if (connections === 0) log.leave(worker);
      if (!alive.includes(worker)) old.delete(worker);
    }
  }

  return {
    note(tokens) {
      for (const token of tokens) freedAt.set(backendOf(token), Date.now());
      isTidy = false;
    },
    resting: () => [...freedAt].filter(([, at]) => at + REST_MS > Date.now()).map(([backend]) => backend),
    async retire(workers, serial) {
      isTidy = false;
      fixed.clear();
      for (const worker of workers) {
        if (!old.has(worker)) old.set(worker, serial);
        await master.tell(worker, 'set map mode.map relay 1');
      }
    },
    async ask(line) {
      return Promise.all([...old].map(async ([worker, serial]) => ({ serial, text: await master.tell(worker, line).catch(() => '') })));
    },
    async sweep(layout, runtimeSocket) {
      const hasChanged = await sweepServers(layout(), runtimeSocket);
      await sweepWorkers();
      return hasChanged;
    },
    reset() {
      isTidy = false;
      fixed.clear();
      old.clear();
      freedAt.clear();
    },
  };
}

function frontendConnections(text: string): number {
  const row = text.split('\n').find((line) => line.startsWith('edge,FRONTEND,'));
  return row === undefined ? 0 : Number(row.split(',')[4]);
}
