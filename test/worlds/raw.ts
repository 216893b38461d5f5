import type { AddressInfo, Socket } from 'node:net';
import { connect, createServer } from 'node:net';
import type { Endpoint } from '../../src/core/app/traffic.ts';

/** A version that keeps every byte it gets, and answers with bytes. */
export interface Recorder {
  readonly endpoint: Endpoint;
  /** Send bytes to an edge. @returns what comes back until an answer is whole and nothing follows, or the edge closes. */
  ask(url: string, request: string): Promise<string>;
  /** All bytes that came since the last `ask` began. */
  got(): string;
  /** What it answers from now on. */
  answer(text: string): void;
  stop(): Promise<void>;
}

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';
/** A request has ended when nothing more of it comes for so long, ms. */
const REQUEST_QUIET_MS = 15;
const ANSWER_QUIET_MS = 60;
const PATIENCE_MS = 10_000;

export async function recorder(): Promise<Recorder> {
  let got = '';
  let answer = OK;
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    let timer: NodeJS.Timeout | undefined;
    socket.on('error', () => {});
    socket.on('close', () => sockets.delete(socket));
    socket.on('data', (chunk) => {
      got += chunk.toString('latin1');
      clearTimeout(timer);
      timer = setTimeout(() => socket.write(answer, 'latin1'), REQUEST_QUIET_MS);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    endpoint: { host: '127.0.0.1', port: (server.address() as AddressInfo).port },
    ask(url, request) {
      got = '';
      return talk(Number(new URL(url).port), request);
    },
    got: () => got,
    answer: (text) => {
      answer = text;
    },
    async stop() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function talk(port: number, request: string): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true });
    let back = '';
    let quiet: NodeJS.Timeout | undefined;
    const patience = setTimeout(() => socket.destroy(), PATIENCE_MS);
    socket.on('error', () => {});
    socket.on('data', (chunk) => {
      back += chunk.toString('latin1');
      clearTimeout(quiet);
      quiet = setTimeout(() => socket.destroy(), ANSWER_QUIET_MS);
    });
    socket.on('close', () => {
      clearTimeout(quiet);
      clearTimeout(patience);
      resolve(back);
    });
    socket.write(request, 'latin1');
  });
}
