import type { AddressInfo, Socket } from 'node:net';
import { connect, createServer } from 'node:net';
import { until } from './visitor.ts';

/** A TCP connection spoken by hand, byte for byte. */
export interface Wire {
  send(text: string | Buffer): void;
  /** Everything that came so far, as latin1. */
  got(): string;
  /** Wait until what came holds; returns all of it. */
  until(holds: (got: string) => boolean, deadlineMs?: number): Promise<string>;
  /** Wait until the other side has closed; returns all that came. */
  closed(deadlineMs?: number): Promise<string>;
  readonly socket: Socket;
}

export function wire(port: number): Wire {
  return wireOf(connect({ port, host: '127.0.0.1', noDelay: true, allowHalfOpen: true }));
}

function wireOf(socket: Socket): Wire {
  let got = '';
  let isClosed = false;
  socket.on('data', (chunk) => (got += chunk.toString('latin1')));
  socket.on('error', () => {});
  socket.on('end', () => (isClosed = true));
  socket.on('close', () => (isClosed = true));
  return {
    socket,
    send: (text) => void socket.write(typeof text === 'string' ? Buffer.from(text, 'latin1') : text),
    got: () => got,
    until: (holds, deadlineMs) => until(() => got, holds, deadlineMs),
    closed: async (deadlineMs) => {
      await until(
        () => isClosed,
        (closed) => closed,
        deadlineMs,
      );
      return got;
    },
  };
}

/** A server whose connections are spoken by hand. */
export interface WireServer {
  readonly port: number;
  readonly wires: readonly Wire[];
  /** The connection with this number, once it is there. */
  wire(index: number): Promise<Wire>;
  stop(): Promise<void>;
}

export async function wireServer(onWire: (wire: Wire) => void = () => {}): Promise<WireServer> {
  const wires: Wire[] = [];
  const server = createServer({ noDelay: true, allowHalfOpen: true }, (socket) => {
    const one = wireOf(socket);
    wires.push(one);
    onWire(one);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    wires,
    wire: async (index) => {
      await until(
        () => wires.length,
        (count) => count > index,
      );
      return wires[index] as Wire;
    },
    stop: async () => {
      for (const one of wires) one.socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
