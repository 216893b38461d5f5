import { randomBytes, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdir } from 'node:fs/promises';
import type { AddressInfo, Server } from 'node:net';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { writeAtomic } from '../adapters/_shared/atomic-file.ts';
import { startTimeOf } from '../adapters/_shared/process-identity.ts';
import { createControl } from './control.ts';
import { createDataPath, DEFAULT_LIMITS } from './server.ts';
import { edgeStateFile } from './state-file.ts';
import { createTable } from './table.ts';

/** How the adapter finds a running edge: `<dir>/edge.json`. */
export interface EdgeRecord {
  readonly pid: number;
  readonly startTime: string;
  readonly host: string;
  readonly port: number;
  readonly controlPort: number;
  readonly token: string;
}

/** Exit code when the data port is taken: by another edge of this folder, or by a stranger. */
export const PORT_TAKEN = 98;

const { values } = parseArgs({
  options: { dir: { type: 'string' }, host: { type: 'string', default: '127.0.0.1' }, port: { type: 'string', default: '0' }, limits: { type: 'string', default: '{}' } },
});
if (values.dir === undefined) throw new Error('--dir is missing');
await run(values.dir, values.host, Number(values.port));

async function run(dir: string, host: string, port: number): Promise<void> {
  await mkdir(dir, { recursive: true, mode: 0o700 });
  const epoch = randomUUID();
  const token = randomBytes(32).toString('hex');
  const state = edgeStateFile(dir);
  const table = createTable(epoch);
  for (const intent of await state.load()) table.apply(intent);

  const limits = { ...DEFAULT_LIMITS, ...(JSON.parse(values.limits) as object) };
  const data = createDataPath(table, limits);
  const dataPort = await listen(data.server, host, port);
  const stop = () => {
    data.stop();
    control.close();
    control.closeAllConnections();
    // Requests under way may finish; then the process has nothing left to do and ends by itself.
    setTimeout(() => process.exit(0), 10_000).unref();
  };
  const control = createControl({ table, state, token, epoch, stop });
  const controlPort = await listen(control, '127.0.0.1', 0);
  const record: EdgeRecord = { pid: process.pid, startTime: (await startTimeOf(process.pid)) ?? '', host, port: dataPort, controlPort, token };
  await writeAtomic(join(dir, 'edge.json'), JSON.stringify(record), { mode: 0o600 });
  process.on('SIGTERM', stop);
  // A terminal's Ctrl-C is meant for the command in it, not for the data path.
  process.on('SIGINT', () => {});
  process.on('SIGHUP', () => {});
}

async function listen(server: Server, host: string, port: number): Promise<number> {
  server.on('error', (error: NodeJS.ErrnoException) => {
    console.error(`edge: cannot listen on ${host}:${port}: ${error.message}`);
    process.exit(error.code === 'EADDRINUSE' ? PORT_TAKEN : 1);
  });
  server.listen({ port, host, backlog: 1024 });
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}
