import { connect, type Socket } from 'node:net';
import type { Endpoint } from '../ports/edge.ts';

/** A connection to one endpoint, idle or carrying one exchange. */
export interface Upstream {
  readonly socket: Socket;
  readonly key: string;
  /** It has carried an exchange before: the other side may be closing it just now. */
  reused: boolean;
  idleSince: number;
  owner: UpstreamOwner | null;
}

/** Who is told what happens on a connection. */
export interface UpstreamOwner {
  onData(chunk: Buffer): void;
  onDrain(): void;
  /** The other side is gone; nothing more will come. */
  onClose(): void;
}

export interface UpstreamPool {
  /** An idle connection younger than `maxIdleMs`, or null. */
  take(endpoint: Endpoint, now: number, maxIdleMs: number): Upstream | null;
  /** Open a new one; exactly one of the two is called. */
  open(endpoint: Endpoint, onOpen: (upstream: Upstream) => void, onRefused: (error: Error) => void): { cancel(): void };
  give(upstream: Upstream, now: number): void;
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

export function createUpstreamPool(): UpstreamPool {
  const idle = new Map<string, Upstream[]>();

  function drop(upstream: Upstream): void {
    const list = idle.get(upstream.key);
    const at = list?.indexOf(upstream) ?? -1;
    if (at !== -1) list?.splice(at, 1);
  }

  function wire(socket: Socket, key: string): Upstream {
    const upstream: Upstream = { socket, key, reused: false, idleSince: 0, owner: null };
    socket.on('data', (chunk: Buffer) => {
      if (upstream.owner !== null) return upstream.owner.onData(chunk);
      // Bytes nobody asked for: not a connection to trust with the next request.
      socket.destroy();
    });
    socket.on('drain', () => upstream.owner?.onDrain());
    const gone = () => {
      drop(upstream);
      const { owner } = upstream;
      upstream.owner = null;
      owner?.onClose();
    };
    socket.on('end', gone);
    socket.on('close', gone);
    return upstream;
  }

  return {
    take(endpoint, now, maxIdleMs) {
      const list = idle.get(endpointKey(endpoint));
      while (list !== undefined && list.length > 0) {
        const upstream = list.pop() as Upstream;
        if (!upstream.socket.destroyed && upstream.socket.readable && now - upstream.idleSince < maxIdleMs) return upstream;
        upstream.socket.destroy();
      }
      return null;
    },
    open(endpoint, onOpen, onRefused) {
      const socket = connect({ host: endpoint.host, port: endpoint.port, noDelay: true });
      let settled = false;
      socket.on('error', (error) => {
        if (settled) return;
        settled = true;
        onRefused(error);
      });
      socket.once('connect', () => {
        if (settled) return;
        settled = true;
        onOpen(wire(socket, endpointKey(endpoint)));
      });
      return {
        cancel() {
          settled = true;
          socket.destroy();
        },
      };
    },
    give(upstream, now) {
      upstream.owner = null;
      upstream.reused = true;
      upstream.idleSince = now;
      const list = idle.get(upstream.key) ?? [];
      idle.set(upstream.key, list);
      if (list.length >= MAX_IDLE_PER_ENDPOINT || upstream.socket.destroyed) upstream.socket.destroy();
      else list.push(upstream);
    },
    sweep(now, wanted) {
      for (const [key, list] of idle) {
        const stale = list.filter((upstream) => !wanted.has(key) || now - upstream.idleSince > MAX_IDLE_MS);
        for (const upstream of stale) upstream.socket.destroy();
        idle.set(key, list.filter((upstream) => !stale.includes(upstream)));
        if (list.length === 0) idle.delete(key);
      }
    },
    close() {
      for (const list of idle.values()) for (const upstream of [...list]) upstream.socket.destroy();
      idle.clear();
    },
  };
}
