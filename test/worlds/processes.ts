import { mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { mkdirSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ProcessesOptions, processesPlatform } from '../../src/adapters/platform/processes/index.ts';
import { startTimeOf } from '../../src/lib/process-identity.ts';
import { removeTree } from '../../src/lib/unfinished.ts';
import { built } from './built.ts';
import type { DeployTarget, ObservedInstance, Platform } from '../../src/ports/platform.ts';
import type { AppRef, RunSpec } from '../../src/core/app/run.ts';
import type { ControlOptions, PlatformUnderTest, TargetKind } from '../contracts/platform.ts';
import { SECRET_NAME } from '../contracts/platform.ts';

/**
 * A real app whose first arguments say how it behaves. Each start is written down with its pid, so that tests
 * can count starts without asking the platform.
 */
const APP = `
import { appendFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { createServer as createSocketServer } from 'node:net';
import { spawn } from 'node:child_process';
const [behaviour = 'good', argument = ''] = process.argv.slice(2);
const { PORT, SLUICE_VERSION, STARTS } = process.env;
appendFileSync(STARTS, process.pid + '\\n');
let status = 200;
const listen = () => {
  if (PORT === undefined) return setInterval(() => {}, 1000);
  createServer((request, response) => {
    if (request.url === '/redirect') response.writeHead(302, { location: '/nowhere' });
    else response.statusCode = request.url === '/nowhere' ? 404 : status;
    if (request.url === '/never') return;
    response.end(request.url === '/env' ? JSON.stringify(process.env) : process.pid + ' ' + process.cwd());
  }).listen(Number(PORT), '127.0.0.1', () => console.log('version ' + SLUICE_VERSION + ' listens'));
};
const sockets = (answer, port = PORT, host = '127.0.0.1') =>
  createSocketServer((socket) => { socket.on('error', () => {}); answer(socket); }).listen({ port: Number(port), host });
const behaviours = {
  good: listen,
  // Listens, but elsewhere than it was told to.
  'other-port': () => { process.env.PORT = '0'; createServer((_, response) => response.end()).listen(Number(argument), '127.0.0.1'); },
  'other-address': () => createServer((_, response) => response.end()).listen({ port: Number(PORT), host: argument }),
  nowhere: () => setInterval(() => {}, 1000),
  // Accepts connections and does not speak HTTP.
  mute: () => sockets((socket) => socket.resume()),
  'hangs-up': () => sockets((socket) => socket.once('data', () => socket.end())),
  greets: () => sockets((socket) => socket.end('220 mail.example ESMTP\\r\\n')),
  tls: () => sockets((socket) => socket.once('data', () => socket.end(Buffer.from([21, 3, 1, 0, 2, 2, 70])))),
  http2: () => sockets((socket) => socket.write(Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]))),
  // Its child, not itself, listens.
  child: () => spawn(process.execPath, ['app.mjs', 'good'], { stdio: 'inherit' }),
  status: () => createServer((_, response) => { response.statusCode = Number(argument); response.end(); }).listen(Number(PORT), '127.0.0.1'),
  sick: () => { status = 500; listen(); },
  slow: () => setTimeout(listen, Number(argument)),
  crash: () => { console.error('cannot go on: ' + (process.env.TOKEN ?? 'no token')); process.exit(3); },
  'crash-later': () => { listen(); setTimeout(() => process.exit(4), Number(argument)); },
  stubborn: () => { process.on('SIGTERM', () => console.log('no')); listen(); },
  family: () => {
    const code = "process.on('SIGTERM', () => setTimeout(() => process.exit(), " + argument + ")); setInterval(() => {}, 1000); console.log('child ' + process.pid)";
    spawn(process.execPath, ['-e', code], { stdio: 'inherit' });
    listen();
  },
  chatty: () => { listen(); let n = 0; setInterval(() => { for (let i = 0; i < 20; i++) console.log('line ' + n++ + ' ' + 'x'.repeat(50)); }, 20); },
};
behaviours[behaviour]();
`;

export interface ProcessesWorld extends PlatformUnderTest {
  readonly dir: string;
  /** Folder that every artifact of this world is. */
  readonly artifact: string;
  readonly supervisorEntry: URL;
  /** Entry of a supervisor that may be killed at a chosen write. */
  readonly mortalSupervisor: URL;
  /** Entry of a control plane that is killed at a chosen write. */
  readonly mortalControl: URL;
  platform(options?: Partial<ProcessesOptions>): Platform;
  /** A version whose app behaves so, see above. */
  behaving(ref: AppRef, version: string, behaviour: readonly string[], run?: Partial<RunSpec>): DeployTarget;
  /** Pids of all starts of a version, oldest first. */
  pids(ref: AppRef, version: string): Promise<number[]>;
  /** Folder of a version. */
  folder(ref: AppRef, version: string): string;
}

/** A folder of its own with the processes platform in it. Supervisors run as they do when Sluice is built. */
export async function processesWorld(): Promise<ProcessesWorld> {
  const root = await mkdtemp(join(tmpdir(), 'sluice-processes-'));
  const artifact = join(root, 'artifact');
  const starts = join(root, 'starts');
  const dir = join(root, 'platform');
  for (const folder of [artifact, starts]) mkdirSync(folder);
  await writeFile(join(artifact, 'app.mjs'), APP);

  const { folder: code, url } = await built([
    'src/supervisor/main.ts',
    'test/worlds/mortal-supervisor.ts',
    'test/worlds/mortal-control.ts',
  ]);
  const supervisorEntry = url('src/supervisor/main.ts');

  const platform = (options: Partial<ProcessesOptions> = {}): Platform =>
    processesPlatform({ dir, artifacts: { folder: async () => artifact }, env: process.env, supervisorEntry, ...options });
  const startsFile = (ref: AppRef, version: string): string => join(starts, `${ref.environment}.${ref.app}.${version}`);
  const behaving = (
    ref: AppRef,
    version: string,
    behaviour: readonly string[],
    { env = {}, ...run }: Partial<RunSpec> = {},
  ): DeployTarget => ({
    ...ref,
    version,
    artifact: { kind: 'folder', digest: 'sha256:0123' },
    settings: {
      command: ['node', 'app.mjs', ...behaviour],
      instances: 1,
      listens: true,
      drainMs: 5_000,
      ...run,
    },
    env: { STARTS: startsFile(ref, version), ...env },
    health: { path: '/up', intervalMs: 100, timeoutMs: 5_000 },
    fence: 1,
  });
  const pids = async (ref: AppRef, version: string): Promise<number[]> => {
    const text = await readFile(startsFile(ref, version), 'utf8').catch(() => '');
    return text.split('\n').filter(Boolean).map(Number);
  };
  return {
    dir,
    artifact,
    supervisorEntry,
    mortalSupervisor: url('test/worlds/mortal-supervisor.ts'),
    mortalControl: url('test/worlds/mortal-control.ts'),
    platform,
    behaving,
    pids,
    folder: (ref, version) => join(dir, ref.environment, ref.app, version),
    control: ({ env, onWrite }: ControlOptions = {}) =>
      platform({ env: { ...process.env, ...env }, ...(onWrite === undefined ? {} : { onWrite }) }),
    mistaken: { command: [], instances: 1, listens: true, drainMs: 0 },
    target: (ref, version, kind) => targetOf(behaving, ref, version, kind),
    starts: async (ref, version) => (await pids(ref, version)).length,
    running: async (ref, version) => (await living(await pids(ref, version))).length,
    greeting: (version) => `version ${version} listens`,
    stop: async () => {
      await platform().removeAll({}, 0, Number.MAX_SAFE_INTEGER);
      for (const folder of [root, code]) await removeTree(folder);
    },
  };
}

function targetOf(behaving: ProcessesWorld['behaving'], ref: AppRef, version: string, kind: TargetKind): DeployTarget {
  switch (kind) {
    case 'good':
      return behaving(ref, version, ['good']);
    case 'sick':
      return behaving(ref, version, ['sick']);
    case 'broken':
      return behaving(ref, version, [], { command: ['./no-such-program'] });
    case 'secret':
      return behaving(ref, version, ['good'], { env: { TOKEN: { fromEnv: SECRET_NAME } } });
  }
}

async function living(pids: readonly number[]): Promise<number[]> {
  const alive = await Promise.all(pids.map(startTimeOf));
  return pids.filter((_, i) => alive[i] !== null);
}

/** Process of an instance that runs; 0, which is none, where it does not. */
export function pidOf(instance: ObservedInstance | undefined): number {
  return Number(/^pid (\d+)/.exec(instance?.detail ?? '')?.[1] ?? 0);
}

/** Identity of the supervisor of a version, as it wrote it down. */
export function supervisorPid(folder: string): number {
  const state = JSON.parse(readFileSync(join(folder, 'state.json'), 'utf8')) as { supervisor: { pid: number } };
  return state.supervisor.pid;
}
