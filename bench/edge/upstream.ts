import { spawn } from 'node:child_process';
import { once } from 'node:events';

/** The least an app can be: a process that answers every request with its name. */
export interface Upstream {
  readonly name: string;
  readonly port: number;
  readonly url: string;
  stop(): void;
}

const PROGRAM = `
const { createServer } = require('node:http');
const server = createServer((request, response) => response.end(process.argv[1]));
server.keepAliveTimeout = 60000;
server.listen(0, '127.0.0.1', () => process.send(server.address().port));
process.on('disconnect', () => process.exit());
`;

export async function upstream(name: string): Promise<Upstream> {
  const child = spawn(process.execPath, ['-e', PROGRAM, name], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  const [port] = (await once(child, 'message')) as [number];
  return { name, port, url: `http://127.0.0.1:${port}/`, stop: () => void child.kill() };
}
