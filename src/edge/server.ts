import { createServer, type Server } from 'node:net';
import { type Client, retire, serveClient, sweepClient } from './client.ts';
import { upstreamEvents } from './dispatch.ts';
import type { DataContext, EdgeLimits } from './exchange.ts';
import type { Table } from './table.ts';
import { createUpstreamPool, endpointKey } from './upstream.ts';

export const DEFAULT_LIMITS: EdgeLimits = { headMs: 15_000, idleMs: 75_000, bodyMs: 60_000, responseMs: 60_000, connectMs: 3_000 };

const SWEEP_MS = 500;

export interface DataPath {
  readonly server: Server;
  /** Take no more connections; requests under way may finish. */
  stop(): void;
}

/** The data path: listens, and serves every client connection from the table. */
export function createDataPath(table: Table, options: { readonly limits: EdgeLimits; readonly trustForwarded: boolean }): DataPath {
  const clients = new Set<Client>();
  const pool = createUpstreamPool(upstreamEvents);
  const context: DataContext = { ...options, table, pool, ejected: new Map(), now: () => performance.now() };

  const server = createServer({ noDelay: true, allowHalfOpen: true, keepAlive: true, keepAliveInitialDelay: 60_000 }, (socket) => {
    clients.add(serveClient(socket, context, (client) => clients.delete(client)));
  });

  const sweeper = setInterval(() => {
    const now = context.now();
    for (const client of clients) sweepClient(client, now);
    const wanted = new Set(table.intents().flatMap(({ versions }) => versions.flatMap(({ endpoints }) => endpoints.map(endpointKey))));
    pool.sweep(now, wanted);
    for (const [key, until] of context.ejected) if (until <= now) context.ejected.delete(key);
  }, SWEEP_MS);
  sweeper.unref();

  return {
    server,
    stop() {
      server.close();
      for (const client of clients) retire(client);
      pool.close();
    },
  };
}
