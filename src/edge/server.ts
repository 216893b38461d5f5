import { createServer, type Server } from 'node:net';
import { type ClientConnection, type ClientContext, type EdgeLimits, serveClient } from './client.ts';
import type { Table } from './table.ts';
import { createUpstreamPool, endpointKey } from './upstream.ts';

export const DEFAULT_LIMITS: EdgeLimits = { headMs: 15_000, idleMs: 75_000, responseMs: 60_000, connectMs: 3_000 };

const SWEEP_MS = 1_000;

/** The data path: listens, and serves every client connection from the table. */
export function createDataPath(table: Table, limits: EdgeLimits): { readonly server: Server; stop(): void } {
  const clients = new Set<ClientConnection>();
  const pool = createUpstreamPool();
  const now = () => performance.timeOrigin + performance.now();
  const context: ClientContext = { table, pool, limits, ejected: new Map(), now };

  const server = createServer({ noDelay: true }, (socket) => {
    const client = serveClient(socket, context, () => clients.delete(client));
    clients.add(client);
  });

  const sweeper = setInterval(() => {
    const at = now();
    for (const client of clients) client.sweep(at);
    const wanted = new Set(table.intents().flatMap(({ versions }) => versions.flatMap(({ endpoints }) => endpoints.map(endpointKey))));
    pool.sweep(at, wanted);
    for (const [key, until] of context.ejected) if (until <= at) context.ejected.delete(key);
  }, SWEEP_MS);
  sweeper.unref();

  return {
    server,
    stop() {
      server.close();
      clearInterval(sweeper);
      for (const client of clients) client.retire();
      pool.close();
    },
  };
}
