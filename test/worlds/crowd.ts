import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { selfCommand } from '../../src/lib/spawn-self.ts';

export interface CrowdOrder {
  readonly port: number;
  readonly clients: number;
  /** Number of the process among those of its crowd. */
  readonly number: number;
}

export interface CrowdCount {
  open: number;
  sentAway: number;
}

/** Many clients who do nothing, or do it slowly: silent, with a head or a body that trickles, idle after an answer, deaf to one. */
export interface Crowd {
  /** How many are connected now, and how often one was sent away. */
  count(): CrowdCount;
  stop(): Promise<void>;
}

/** A process may open only so many files. */
export const CLIENTS_A_PROCESS = 5_000;

export function startCrowd(port: number, clients: number): Crowd {
  const counts: CrowdCount[] = [];
  const children = Array.from({ length: Math.ceil(clients / CLIENTS_A_PROCESS) }, (_, number): ChildProcess => {
    const order: CrowdOrder = { port, clients: Math.min(CLIENTS_A_PROCESS, clients - number * CLIENTS_A_PROCESS), number };
    const [program = '', ...args] = selfCommand(new URL('crowd-process.ts', import.meta.url));
    const child = spawn(program, [...args, JSON.stringify(order)], { stdio: ['pipe', 'pipe', 'inherit'] });
    createInterface({ input: child.stdout }).on('line', (line) => (counts[number] = JSON.parse(line) as CrowdCount));
    return child;
  });
  const total = (of: (count: CrowdCount) => number): number => counts.reduce((sum, count) => sum + of(count), 0);
  return {
    count: () => ({ open: total(({ open }) => open), sentAway: total(({ sentAway }) => sentAway) }),
    async stop() {
      await Promise.all(
        children.map(async (child) => {
          const ended = once(child, 'exit');
          if (child.exitCode === null && child.kill('SIGKILL')) await ended;
        }),
      );
    },
  };
}
