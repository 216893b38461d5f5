import { randomBytes, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import type { AddressInfo, Server } from 'node:net';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { writeAtomic } from '../lib/atomic-file.ts';
import { secretKey } from '../lib/secret-key.ts';
import { startTimeOf } from '../lib/process-identity.ts';
import { DEFAULT_RULES } from '../core/edge/rules.ts';
import type { EdgeRules } from '../core/app/traffic.ts';
import { CONTROL_PROTOCOL, createControl } from './control.ts';
import { createDataPath } from './server.ts';
import { edgeRules, edgeStateFile, type LoadedState } from './state-file.ts';
import { createTable, type Table } from './table.ts';

const STOP_MS = 10_000;

/** How the adapter finds a running edge: `<dir>/edge.json`. */
export interface EdgeRecord {
  readonly protocol: number;
  readonly pid: number;
  readonly startTime: string;
  readonly host: string;
  readonly port: number;
  readonly controlPort: number;
  readonly token: string;
  readonly rules: EdgeRules;
}

/** Exit code when the data port is taken: by another edge of this folder, or by a stranger. */
export const PORT_TAKEN = 98;

const { values } = parseArgs({
  options: {
    dir: { type: 'string' },
    host: { type: 'string', default: '127.0.0.1' },
    port: { type: 'string', default: '0' },
    rules: { type: 'string' },
  },
});
if (values.dir === undefined) throw new Error('--dir is missing');
await run(values.dir, values.host, Number(values.port));

async function run(dir: string, host: string, port: number): Promise<void> {
  const epoch = randomUUID();
  const token = randomBytes(32).toString('hex');
  const state = edgeStateFile(dir);
  const key = await secretKey(join(dir, 'place.key'));
  const table = createTable(epoch, [key.readInt32LE(0), key.readInt32LE(4), key.readInt32LE(8), key.readInt32LE(12)]);
  let rules = values.rules === undefined ? DEFAULT_RULES : edgeRules.parse(JSON.parse(values.rules));
  const data = createDataPath(table, { rules });
  // Before the port is open, so that no request finds an empty table.
  for (const intent of (await state.load()).intents) table.apply(intent);
  const dataPort = await listen(data.server, host, port);
  // And again: until now another edge could have had the port, and with it the right to change the state.
  const loaded = await state.load();
  if (loaded.problem !== null) console.error(`edge: ${loaded.problem}`);
  restore(table, loaded);

  const control = createControl({ table, state, loaded, token, epoch, configure });
  const controlPort = await listen(control, '127.0.0.1', 0);
  const startTime = (await startTimeOf(process.pid)) ?? '';
  await announce();

  /** Say where this edge is, and by which rules it goes. */
  async function announce(): Promise<void> {
    const record: EdgeRecord = { protocol: CONTROL_PROTOCOL, pid: process.pid, startTime, host, port: dataPort, controlPort, token, rules };
    await writeAtomic(join(dir, 'edge.json'), JSON.stringify(record), { mode: 0o600 });
  }

  async function configure(wanted: EdgeRules): Promise<void> {
    data.configure(wanted);
    rules = wanted;
    await announce();
  }

  function stop(): void {
    data.stop();
    control.close();
    control.closeAllConnections();
    // Requests under way may finish; then the process has nothing left to do and ends by itself.
    setTimeout(() => process.exit(0), STOP_MS).unref();
  }
  process.on('SIGTERM', stop);
  // A terminal's Ctrl-C is meant for the command in it, not for the data path.
  process.on('SIGINT', () => {});
  process.on('SIGHUP', () => {});
  // One connection that goes wrong must not take all others with it.
  process.on('uncaughtException', (error) => console.error('edge:', error));
}

function restore(table: Table, { intents }: LoadedState): void {
  for (const { app } of table.intents()) if (!intents.some((intent) => intent.app === app)) table.remove(app);
  for (const intent of intents) table.apply(intent);
}

async function listen(server: Server, host: string, port: number): Promise<number> {
  const refused = (error: NodeJS.ErrnoException): void => {
    console.error(`edge: cannot listen on ${host}:${port}: ${error.message}`);
    process.exit(error.code === 'EADDRINUSE' ? PORT_TAKEN : 1);
  };
  server.once('error', refused);
  server.listen({ port, host, backlog: 1024 });
  await once(server, 'listening');
  server.off('error', refused);
  // Too many open files, for example: that connection is lost, the others go on.
  server.on('error', (error) => console.error(`edge: cannot accept a connection: ${error.message}`));
  return (server.address() as AddressInfo).port;
}
