import { randomBytes, timingSafeEqual } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createServer as createSocketServer } from 'node:net';
import { parseArgs } from 'node:util';
import { z } from 'zod';
import { SluiceError } from '../../../core/errors.ts';
import type { EdgeRules } from '../../../core/app/traffic.ts';
import { writeAtomic } from '../../../lib/atomic-file.ts';
import { secretKey } from '../../../lib/secret-key.ts';
import { startTimeOf } from '../../../lib/process-identity.ts';
import { createKeeper, type Keeper } from './keeper.ts';
import { becomeKeeper } from './lock.ts';
import { PROTOCOL } from './protocol.ts';
import { stateFile } from './state.ts';

const { values } = parseArgs({
  options: {
    dir: { type: 'string' },
    host: { type: 'string' },
    port: { type: 'string' },
    binary: { type: 'string' },
    slots: { type: 'string' },
    options: { type: 'string' },
    rules: { type: 'string' },
    descriptors: { type: 'string' },
  },
});
const text = (name: keyof typeof values): string => z.string().parse(values[name], { error: () => `--${name} is missing` });
const appBody = z.object({ app: z.string(), fence: z.number().default(0) });

process.chdir(text('dir'));
if (!(await becomeKeeper('.'))) process.exit(0);

const host = text('host');
const file = stateFile('.');
const port = (await file.load())?.port ?? 0;
const options = {
  binary: text('binary'),
  host,
  port: Number(text('port')) || port || (await freePort(host)),
  slots: Number(text('slots')),
  rules: JSON.parse(text('rules')) as EdgeRules,
  placeKey: (await secretKey('place.key')).toString('base64'),
  descriptors: Number(text('descriptors')),
};
const known = await file.load();
if (known === null || known.port !== options.port)
  await file.save({ ...(known ?? { serial: 0, slots: options.slots, apps: {} }), port: options.port });
const keeper = await createKeeper(options, file);
const started = keeper.ensure();
const token = randomBytes(24).toString('hex');

const server = createServer((request, response) => {
  if (!isAllowed(request)) return respond(response, 401, null);
  answer(request).then(
    (body) => respond(response, 200, body),
    (error: unknown) => respond(response, 500, errorBody(error)),
  );
});
server.keepAliveTimeout = 60_000;
server.listen(0, '127.0.0.1', () => void announce());
for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => leave(keeper));
// One that cannot start says why to the command that is asking, and goes; the next command starts another.
started.catch(() => setTimeout(() => leave(keeper), 500));

async function announce(): Promise<void> {
  const startTime = (await startTimeOf(process.pid)) ?? '';
  await writeAtomic(
    'keeper.json',
    JSON.stringify({ pid: process.pid, startTime, controlPort: (server.address() as AddressInfo).port, token }),
    { mode: 0o600 },
  );
}

async function answer(request: IncomingMessage): Promise<unknown> {
  const body = await readBody(request);
  if (request.url === '/quit') return void setImmediate(() => leave(keeper));
  await started;
  if (request.url === '/health') return { pid: process.pid, protocol: PROTOCOL, options: text('options'), host, port: options.port };
  if (request.url === '/apply') return keeper.apply(body);
  if (request.url === '/ensure') return keeper.ensure();
  if (request.url === '/stop') {
    await keeper.stop();
    setImmediate(() => leave(keeper));
    return null;
  }
  const { app, fence } = appBody.parse(body);
  if (request.url === '/observe') return keeper.observe(app);
  if (request.url === '/stats') return keeper.stats(app);
  if (request.url === '/remove') return keeper.remove(app, fence);
  throw new Error(`the keeper does not know ${request.url}`);
}

function leave(leaving: Keeper): void {
  leaving.close();
  void rm('keeper.json', { force: true }).finally(() => process.exit(0));
}

function errorBody(error: unknown): Record<string, unknown> {
  if (error instanceof SluiceError) return { blame: error.blame, code: error.code, message: error.message, hint: error.hint };
  return { blame: 'bug', code: 'BUG', message: error instanceof Error ? (error.stack ?? error.message) : String(error), hint: null };
}

function respond(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body ?? null));
}

function isAllowed(request: IncomingMessage): boolean {
  const given = Buffer.from(request.headers.authorization ?? '');
  const wanted = Buffer.from(`Bearer ${token}`);
  return given.length === wanted.length && timingSafeEqual(given, wanted);
}

async function readBody(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return JSON.parse(Buffer.concat(chunks).toString() || 'null');
}

/** A port nobody has now; kept in the state from then on. */
function freePort(at: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createSocketServer();
    probe.once('error', reject);
    probe.listen(0, at, () => {
      const { port: free } = probe.address() as AddressInfo;
      probe.close(() => resolve(free));
    });
  });
}
