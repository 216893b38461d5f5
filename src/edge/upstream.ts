import { connect, type Socket } from 'node:net';
import type { Endpoint } from '../core/app/traffic.ts';

/** A connection to one endpoint, idle or carrying what its owner sends. */
export interface Upstream<Owner> {
  readonly socket: Socket;
  readonly key: string;
  /** It has carried a request before: the other side may be closing it just now. */
  isReused: boolean;
  idleSince: number;
  /** From when on it may carry the request of another client: until then the rest of the last answer may still come. */
  quietAt: number;
  /** From when on it may carry another request of the same client. */
  ownAt: number;
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
  /** Open connections, idle ones and those being opened too. */
  readonly size: number;
  /** `own`, when it is idle, or else an idle connection that has been silent for a while; used within `maxIdleMs`, or null. */
  take(endpoint: Endpoint, now: number, maxIdleMs: number, own: Upstream<Owner> | null): Upstream<Owner> | null;
  /** Open a new one; at most one of the two is called. */
  open(endpoint: Endpoint, onOpen: (upstream: Upstream<Owner>) => void, onRefused: () => void): { cancel(): void };
  /** It carries nothing any more; `bodiless`: after an answer that had no body, whatever its version thinks. */
  give(upstream: Upstream<Owner>, now: number, after: 'whole' | 'bodiless'): void;
  /** Close connections nobody used for a while, and those to endpoints no longer wanted. */
  sweep(now: number, wanted: ReadonlySet<string>): void;
  /** Close all idle ones. */
  shed(): void;
  close(): void;
}

/** Node's server closes idle connections after 5 s: be earlier, so that no request meets a closing one. */
export const MAX_IDLE_MS = 4_000;
const MAX_IDLE_PER_ENDPOINT = 512;
/**
 * How long a connection must have been silent after an answer before another client's request goes out on it, ms. A version that
 * sends more than it announced is heard in that time, and its connection closed: no byte of one user's answer reaches another.
 */
const QUIET_MS = 100;
/** The same after HEAD, 204 and 304, for every client: bodies that must not be there come often, and late. */
const BODILESS_QUIET_MS = 1_000;

export function endpointKey(endpoint: Endpoint): string {
  return `${endpoint.host}:${endpoint.port}`;
}

export function createUpstreamPool<Owner>(events: UpstreamEvents<Owner>): UpstreamPool<Owner> {
  /** By endpoint, the one idle for the shortest time last. */
  const idle = new Map<string, Upstream<Owner>[]>();
  let size = 0;
  let isClosed = false;

  function forget(upstream: Upstream<Owner>): boolean {
    const list = idle.get(upstream.key);
    const at = list?.lastIndexOf(upstream) ?? -1;
    if (at !== -1) list?.splice(at, 1);
    return at !== -1;
  }

  function wire(socket: Socket, key: string): Upstream<Owner> {
    const upstream: Upstream<Owner> = { socket, key, isReused: false, idleSince: 0, quietAt: 0, ownAt: 0, owner: null };
    socket.on('data', (chunk: Buffer) => {
      if (upstream.owner !== null) return events.data(upstream.owner, chunk);
      // Bytes nobody asked for: not a connection to trust with the next request.
      forget(upstream);
      socket.destroy();
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
    get size() {
      return size;
    },
    take(endpoint, now, maxIdleMs, own) {
      const key = endpointKey(endpoint);
      if (own !== null && own.key === key && own.owner === null && own.ownAt <= now && now - own.idleSince <= maxIdleMs && forget(own))
        return own;
      const list = idle.get(key) ?? [];
      for (let at = list.length - 1; at >= 0; at -= 1) {
        const one = list[at] as Upstream<Owner>;
        // The newest first: were it too old, so would be all before it.
        if (now - one.idleSince > maxIdleMs) return null;
        if (one.quietAt > now) continue;
        list.splice(at, 1);
        return one;
      }
      return null;
    },
    open(endpoint, onOpen, onRefused) {
      const socket = connect({ host: endpoint.host, port: endpoint.port, noDelay: true, allowHalfOpen: true });
      let isSettled = false;
      size += 1;
      socket.once('close', () => (size -= 1));
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
    give(upstream, now, after) {
      upstream.owner = null;
      upstream.isReused = true;
      upstream.idleSince = now;
      upstream.quietAt = now + (after === 'bodiless' ? BODILESS_QUIET_MS : QUIET_MS);
      upstream.ownAt = after === 'bodiless' ? upstream.quietAt : now;
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
    shed() {
      for (const list of idle.values()) for (const upstream of list) upstream.socket.destroy();
      idle.clear();
    },
    close() {
      isClosed = true;
      this.shed();
    },
  };
}
