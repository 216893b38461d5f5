import { text } from 'node:stream/consumers';
import type { FlushPolicy } from '../../../core/data/projections/shards.ts';
import type { StoreConfig } from '../stores.ts';
import { runWorker } from './worker.ts';

/*
 * A process of its own for folding: it keeps a core busy for as long as a rebuild takes, and runs code of the workspace.
 * It is told on standard input what to work on, says on standard error what is wrong, and ends with whoever started it.
 */
export interface WorkerOrder {
  readonly url: string;
  readonly schema: string;
  readonly store: StoreConfig;
  readonly everyMs?: number;
  readonly flush?: FlushPolicy;
}

const order = JSON.parse(await text(process.stdin)) as WorkerOrder;
const stop = new AbortController();
for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => stop.abort());
// The channel to whoever started it closes with them, however they end.
process.on('disconnect', () => stop.abort());

await runWorker({ ...order, signal: stop.signal, warn: (message) => process.stderr.write(`${message}\n`) });
process.exit(0);
