import { connect, type Socket } from 'node:net';
import { RING } from './config.ts';

/** Reads the lines that HAProxy writes about finished requests, of every worker that still has some to come. */
export interface LogStream {
  /**
   * Read what the worker now on the runtime socket writes. `fromStart`: what it has already written too.
   * A worker read already is not read twice.
   */
  follow(worker: number, fromStart: boolean): void;
  isFollowing(worker: number): boolean;
  /** Stop reading a worker: HAProxy ends an old one only when nobody is connected to it any more. */
  leave(worker: number): void;
  close(): void;
}

/** `onLost`: a worker being read has ended, or has cut the connection. */
export function createLogStream(runtimeSocket: string, onLine: (line: string) => void, onLost: () => void): LogStream {
  const sockets = new Map<number, Socket>();

  function leave(worker: number): void {
    sockets.get(worker)?.destroy();
    sockets.delete(worker);
  }

  return {
    follow(worker, fromStart) {
      if (sockets.has(worker)) return;
      const socket = connect(runtimeSocket);
      sockets.set(worker, socket);
      let rest = '';
      socket.on('data', (chunk) => {
        const lines = (rest + chunk.toString('latin1')).split('\n');
        rest = lines.pop() ?? '';
        for (const line of lines) onLine(line);
      });
      socket.on('error', () => socket.destroy());
      socket.on('close', () => {
        if (sockets.get(worker) !== socket) return;
        sockets.delete(worker);
        onLost();
      });
      // The connection must stay half open to our side: HAProxy takes its end for "stop".
      socket.write(`show events ${RING} -w${fromStart ? '' : ' -n'}\n`);
    },
    isFollowing: (worker) => sockets.has(worker),
    leave,
    close() {
      for (const worker of sockets.keys()) leave(worker);
    },
  };
}
