import { createServer, type Server } from 'node:net';
import { descriptorLimit } from '../lib/descriptor-limit.ts';
import { DEFAULT_RULES } from '../core/edge/rules.ts';
import type { EdgeRules } from '../core/app/traffic.ts';
import { type Client, retire, serveClient, sweepClient } from './client.ts';
import { upstreamEvents } from './dispatch.ts';
import type { DataContext } from './exchange.ts';
import { liveRules } from './live-rules.ts';
import { createRoom } from './room.ts';
import type { Table } from './table.ts';
import { createUpstreamPool, endpointKey } from './upstream.ts';

const SWEEP_MS = 500;
const CONNECT_MS = 3_000;

export interface DataPathOptions {
  readonly rules?: EdgeRules;
  /** For a connection to a version, ms. */
  readonly connectMs?: number;
  /** How many descriptors this process may have open. */
  readonly descriptors?: number;
}

export interface DataPath {
  readonly server: Server;
  /** Follow other rules from now on; requests under way too. */
  configure(rules: EdgeRules): void;
  /** Take no more connections; requests under way may finish. */
  stop(): void;
}

/** The data path: listens, and serves every client connection from the table. */
export function createDataPath(table: Table, options: DataPathOptions = {}): DataPath {
  const clients = new Set<Client>();
  const pool = createUpstreamPool(upstreamEvents);
  const context: DataContext = {
    table,
    pool,
    rules: liveRules(options.rules ?? DEFAULT_RULES),
    connectMs: options.connectMs ?? CONNECT_MS,
    ejected: new Map(),
    now: () => performance.now(),
    makeRoom: () => room.makeRoom(),
  };
  const room = createRoom({
    clients,
    pool,
    descriptors: options.descriptors ?? descriptorLimit(),
    rules: () => context.rules,
    now: context.now,
  });
  let refused = 0;

  const server = createServer({ noDelay: true, allowHalfOpen: true, keepAlive: true, keepAliveInitialDelay: 60_000 }, (socket) => {
    const client = serveClient(socket, context, room.leave);
    if (room.admit(client)) return;
    refused += 1;
    socket.destroy();
  });

  const sweeper = setInterval(() => {
    const now = context.now();
    for (const client of clients) sweepClient(client, now);
    const wanted = new Set(table.intents().flatMap(({ versions }) => versions.flatMap(({ endpoints }) => endpoints.map(endpointKey))));
    pool.sweep(now, wanted);
    for (const [key, until] of context.ejected) if (until <= now) context.ejected.delete(key);
    if (refused > 0) console.error(`edge: ${refused} connections refused: ${clients.size} are open, and all are in use`);
    refused = 0;
  }, SWEEP_MS);
  sweeper.unref();

  return {
    server,
    configure(rules) {
      context.rules = liveRules(rules);
    },
    stop() {
      server.close();
      for (const client of clients) retire(client);
      pool.close();
    },
  };
}
