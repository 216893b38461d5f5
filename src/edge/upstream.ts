import { connect, type Socket } from 'node:net';
import type { Endpoint } from '../ports/edge.ts';

/** A connection to one endpoint, idle or carrying what its owner sends. */
export interface Upstream<Owner> {
  readonly socket: Socket;
  readonly key: string;
  /** It has carried a request before: the other side may be closing it just now. */
  isReused: boolean;
  idleSince: number;
  owner: Owner | null;
}

/** What happens on a connection, told to its owner. */
export interface UpstreamEvents<Owner> {
  data(owner: Owner, chunk: Buffer): void;
  drain(owner: Owner): void;
  /** The other side has sent all it will. */
  end(owner: Owner): void;
  /** The connection is gone. */
  closed(owner: Owner): void;
}

export interface UpstreamPool<Owner> {
  /** An idle connection that was used within `maxIdleMs`, or null. */
  take(endpoint: Endpoint, now: number, maxIdleMs: number): Upstream<Owner> | null;
  /** Open a new one; at most one of the two is called. */
  open(endpoint: Endpoint, onOpen: (upstream: Upstream<Owner>) => void, onRefused: () => void): { cancel(): void };
  give(upstream: Upstream<Owner>, now: number): void;
  /** Close connections nobody used for a while, and those to endpoints no longer wanted. */
  sweep(now: number, wanted: ReadonlySet<string>): void;
  close(): void;
}

/** Node's server closes idle connections after 5 s: be earlier, so that no request meets a closing one. */
export const MAX_IDLE_MS = 4_000;
const MAX_IDLE_PER_ENDPOINT = 256;

export function endpointKey(endpoint: Endpoint): string {
  return `${endpoint.host}:${endpoint.port}`;
}

export function createUpstreamPool<Owner>(events: UpstreamEvents<Owner>): UpstreamPool<Owner> {
  const idle = new Map<string, Upstream<Owner>[]>();
  let isClosed = false;

  function forget(upstream: Upstream<Owner>): void {
    const list = idle.get(upstream.key);
    const at = list?.indexOf(upstream) ?? -1;
    if (at !== -1) list?.splice(at, 1);
  }

  function wire(socket: Socket, key: string): Upstream<Owner> {
    const upstream: Upstream<Owner> = { socket, key, isReused: false, idleSince: 0, owner: null };
    socket.on('data', (chunk: Buffer) => {
      if (upstream.owner !== null) events.data(upstream.owner, chunk);
      // Bytes nobody asked for: not a connection to trust with the next request.
      else socket.destroy();
    });
    socket.on('drain', () => {
      if (upstream.owner !== null) events.drain(upstream.owner);
    });
    socket.on('end', () => {
      if (upstream.owner !== null) return events.end(upstream.owner);
      forget(upstream);
      socket.destroy();
    });
    socket.on('close', () => {
      forget(upstream);
      const { owner } = upstream;
      upstream.owner = null;
      if (owner !== null) events.closed(owner);
    });
    return upstream;
  }

  return {
    take(endpoint, now, maxIdleMs) {
      const list = idle.get(endpointKey(endpoint));
      const newest = list?.at(-1);
      // The newest first: were it too old, so would be all others.
      if (list === undefined || newest === undefined || now - newest.idleSince > maxIdleMs) return null;
      list.pop();
      return newest;
    },
    open(endpoint, onOpen, onRefused) {
      const socket = connect({ host: endpoint.host, port: endpoint.port, noDelay: true, allowHalfOpen: true });
      let isSettled = false;
      socket.on('error', () => {
        if (isSettled) return;
        isSettled = true;
        onRefused();
      });
      socket.once('connect', () => {
        if (isSettled) return;
        isSettled = true;
        onOpen(wire(socket, endpointKey(endpoint)));
      });
      return {
        cancel() {
          isSettled = true;
          socket.destroy();
        },
      };
    },
    give(upstream, now) {
      upstream.owner = null;
      upstream.isReused = true;
      upstream.idleSince = now;
      if (isClosed || upstream.socket.destroyed || upstream.socket.readableEnded) return void upstream.socket.destroy();
      const list = idle.get(upstream.key);
      if (list === undefined) idle.set(upstream.key, [upstream]);
      else if (list.length < MAX_IDLE_PER_ENDPOINT) list.push(upstream);
      else upstream.socket.destroy();
    },
    sweep(now, wanted) {
      for (const [key, list] of idle) {
        const stale = list.filter((upstream) => !wanted.has(key) || now - upstream.idleSince > MAX_IDLE_MS);
        for (const upstream of stale) {
          forget(upstream);
          upstream.socket.destroy();
        }
        if (list.length === 0) idle.delete(key);
      }
    },
    close() {
      isClosed = true;
      for (const list of idle.values()) for (const upstream of list) upstream.socket.destroy();
      idle.clear();
    },
  };
}
