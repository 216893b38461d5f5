import { execFileSync, spawn } from 'node:child_process';
import { closeSync, openSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { chmod, cp, mkdir, mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { selfCommand } from '../../src/lib/spawn-self.ts';
import { removeTree } from '../../src/lib/unfinished.ts';

/** A workspace of its own in a temporary folder, with a real control plane as a process that may be killed. */
export interface World {
  readonly dir: string;
  /** Base URL of the production edge. */
  edgeUrl(): Promise<string>;
  /** Start a control plane and wait until it answers; returns its pid. */
  start(): Promise<number>;
  /** kill -9 the control plane. */
  kill(): Promise<void>;
  /** Call the API; keeps trying while no control plane answers. */
  api<T>(method: string, path: string, body?: unknown): Promise<T>;
  /** Commit another version of an app. */
  commit(app: string, version: string, fault?: object): Promise<void>;
  /** Request a deploy of what changed (of these apps) and return the release's id. */
  deploy(...apps: string[]): Promise<string>;
  /** Wait for a release's outcome, calling `each` about every 50 ms meanwhile. */
  outcome(release: string, each?: () => Promise<void>): Promise<string>;
  events(release: string): Promise<readonly { type: string; at: number; data: Record<string, unknown> }[]>;
  /** How often each version of an app was started, by its own log. */
  starts(app: string): Promise<Readonly<Record<string, number>>>;
  /** Pids of processes that belong to this workspace. */
  processes(): number[];
  /** `sluice down --all`: starts a control plane for it where none runs. */
  down(): void;
  /** Which control plane `api` talks to, by pid, when several run; otherwise the one started last. */
  use(pid: number): void;
  /** End everything and remove the folder; returns pids that were left over. */
  end(): Promise<number[]>;
}

export interface WorldOptions {
  readonly edge?: 'embedded' | 'haproxy';
  readonly bake?: string;
  readonly databaseUrl?: string;
  readonly env?: NodeJS.ProcessEnv;
  /** Apps of one's own: which of harbour's each is a copy of, and the configuration. */
  readonly apps?: Readonly<Record<string, 'accounts' | 'settler'>>;
  readonly config?: (dir: string) => object;
}

const root = join(import.meta.dirname, '../..');
const program = selfCommand(new URL('../../src/cli/main.ts', import.meta.url));
const START_MS = 60_000;

interface ControlPlaneRecord {
  readonly url: string;
  readonly token: string;
  readonly pid: number;
}

export async function createWorld(options: WorldOptions = {}): Promise<World> {
  const dir = await mkdtemp(join(tmpdir(), 'sluice-e2e-'));
  await chmod(dir, 0o755);
  for (const [name, of] of Object.entries(options.apps ?? { web: 'accounts', worker: 'settler' }))
    await cp(join(root, 'examples/harbour', of), join(dir, name), { recursive: true });
  await writeFile(join(dir, 'sluice.config.json'), JSON.stringify(options.config?.(dir) ?? configOf(dir, options), null, 2));
  await writeFile(join(dir, '.gitignore'), '.sluice/\n');
  git(dir, 'init', '-q', '-b', 'main');
  git(dir, 'add', '-A');
  git(dir, 'commit', '-q', '-m', 'one');
  let pid = 0;
  const records = new Map<number, ControlPlaneRecord>();
  let used: ControlPlaneRecord | null = null;

  const newest = async (): Promise<ControlPlaneRecord> =>
    JSON.parse(await readFile(join(dir, '.sluice/control-plane.json'), 'utf8')) as ControlPlaneRecord;
  const record = async (): Promise<ControlPlaneRecord> => used ?? (await newest());

  async function call<T>(method: string, path: string, body?: unknown): Promise<T> {
    const { url, token } = await record();
    const headers = { authorization: `Bearer ${token}`, ...(body === undefined ? {} : { 'content-type': 'application/json' }) };
    const answer = await fetch(url + path, {
      method,
      headers,
      signal: AbortSignal.timeout(20_000),
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const content = (await answer.json()) as T & { code?: string; detail?: string };
    if (!answer.ok)
      throw Object.assign(new Error(`${method} ${path}: ${answer.status} ${content.code}: ${content.detail}`), {
        refused: answer.status < 500,
        code: content.code,
      });
    return content;
  }

  async function api<T>(method: string, path: string, body?: unknown): Promise<T> {
    const until = Date.now() + START_MS;
    for (;;) {
      try {
        return await call<T>(method, path, body);
      } catch (error) {
        if ((error as { refused?: boolean }).refused === true || Date.now() > until) throw error;
        await sleep(50);
      }
    }
  }

  async function start(): Promise<number> {
    await mkdir(join(dir, '.sluice'), { recursive: true });
    const log = openSync(join(dir, '.sluice/control-plane.log'), 'a', 0o600);
    const [command = process.execPath, ...args] = program;
    const env = {
      ...process.env,
      ...options.env,
      ...(options.databaseUrl === undefined ? {} : { SLUICE_DATABASE_URL: options.databaseUrl }),
    };
    const child = spawn(command, [...args, 'server', '-C', dir], { cwd: dir, detached: true, stdio: ['ignore', log, log], env });
    closeSync(log);
    child.unref();
    pid = child.pid ?? 0;
    used = null;
    let ended = false;
    child.on('exit', () => (ended = true));
    const until = Date.now() + START_MS;
    for (;;) {
      const isMine = await record().then(
        (found) => found.pid === pid,
        () => false,
      );
      if (
        isMine &&
        (await call('GET', '/v1/health').then(
          () => true,
          () => false,
        ))
      ) {
        records.set(pid, await newest());
        return pid;
      }
      if (ended || Date.now() > until)
        throw new Error(
          `the control plane did not start:\n${(await readFile(join(dir, '.sluice/control-plane.log'), 'utf8')).slice(-2000)}`,
        );
      await sleep(25);
    }
  }

  async function eventsOf(release: string): Promise<readonly { type: string; at: number; data: Record<string, unknown> }[]> {
    const all: { type: string; at: number; stream: string; data: Record<string, unknown> }[] = [];
    for (let after = 0; ;) {
      const page = await api<{ events: typeof all; next: number }>('GET', `/v1/timeline?after=${after}&limit=1000`);
      if (page.events.length === 0) return all.filter(({ stream }) => stream === `release/${release}`);
      all.push(...page.events);
      after = page.next;
    }
  }

  function processes(): number[] {
    return readdirSync('/proc')
      .map(Number)
      .filter((candidate) => candidate > 0 && candidate !== process.pid)
      .filter((candidate) => {
        try {
          const [state = ''] = readFileSync(`/proc/${candidate}/stat`, 'utf8').split(') ').slice(1);
          return (
            !state.startsWith('Z') &&
            (readFileSync(`/proc/${candidate}/cmdline`, 'utf8').includes(dir) || readlinkSync(`/proc/${candidate}/cwd`).startsWith(dir))
          );
        } catch {
          return false;
        }
      });
  }

  function down(): void {
    const [command = process.execPath, ...args] = program;
    const env = {
      ...process.env,
      ...options.env,
      ...(options.databaseUrl === undefined ? {} : { SLUICE_DATABASE_URL: options.databaseUrl }),
    };
    execFileSync(command, [...args, 'down', '--all', '--yes', '-C', dir], { stdio: 'pipe', env, timeout: 120_000 });
  }

  return {
    dir,
    start,
    api,
    processes,
    async kill() {
      process.kill(pid, 'SIGKILL');
      while (isAlive(pid)) await sleep(5);
    },
    async edgeUrl() {
      const { environments } = await api<{ environments: { name: string; url: string | null }[] }>('GET', '/v1/environments');
      return environments.find(({ name }) => name === 'production')?.url ?? '';
    },
    async commit(app, version, fault = { kind: 'none' }) {
      await writeFile(join(dir, app, 'VERSION'), `${version}\n`);
      await writeFile(join(dir, app, 'fault.json'), JSON.stringify(fault));
      git(dir, 'commit', '-q', '-am', `${app} ${version}`);
    },
    async deploy(...apps) {
      const asked = { environment: 'production', by: 'test', ...(apps.length === 0 ? {} : { apps }) };
      const { id } = await api<{ id: string | null }>('POST', '/v1/releases', asked);
      if (id === null) throw new Error('there was nothing to deploy');
      return id;
    },
    async outcome(release, each = async () => {}) {
      const until = Date.now() + 90_000;
      for (;;) {
        const state = await api<{
          outcome: string | null;
          stage: string;
          rollouts: Record<string, { phase: string; stage: string; reason: string | null; pause: unknown }>;
        }>('GET', `/v1/releases/${release}`);
        if (state.outcome !== null && state.stage === 'closed') return state.outcome;
        const isPaused = Object.values(state.rollouts).some(({ phase }) => phase === 'Paused');
        if (isPaused || Date.now() > until) {
          const rollouts = Object.entries(state.rollouts).map(([app, { stage, phase, reason }]) => `${app}: ${stage}, ${phase}, ${reason}`);
          const log = (await eventsOf(release)).map(
            ({ at, type, data }) => `${new Date(at).toISOString().slice(11, 23)} ${type} ${JSON.stringify(data).slice(0, 300)}`,
          );
          throw new Error(
            `release ${release} ${isPaused ? 'waits for a person' : 'does not end'}: ${state.stage}; ${rollouts.join('; ')}\n${log.slice(-40).join('\n')}\n${(
              await readFile(join(dir, '.sluice/control-plane.log'), 'utf8')
            )
              .split('\n')
              .filter((line) => !line.includes('"level":30'))
              .slice(-15)
              .join('\n')}`,
          );
        }
        await each();
        await sleep(50);
      }
    },
    events: eventsOf,
    async starts(app) {
      const lines = execFileSync(
        'grep',
        ['-rhE', '--include=*.log*', '-o', '(listening on [0-9]+|settling), release .*', join(dir, '.sluice/apps')],
        { encoding: 'utf8' },
      ).split('\n');
      const mine = lines.filter((line) => (app === 'worker') === line.startsWith('settling'));
      const counts: Record<string, number> = {};
      for (const line of mine) {
        const release = line.split('release ')[1];
        if (release !== undefined) counts[release] = (counts[release] ?? 0) + 1;
      }
      return counts;
    },
    down,
    use(wanted) {
      used = records.get(wanted) ?? null;
    },
    async end() {
      try {
        down();
      } catch (error) {
        console.error(String((error as { stderr?: Buffer }).stderr ?? error));
      }
      const left = processes();
      for (const one of left) process.kill(one, 'SIGKILL');
      await removeTree(dir);
      return left;
    },
  };
}

function isAlive(pid: number): boolean {
  try {
    return !readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.startsWith('Z');
  } catch {
    return false;
  }
}

function configOf(dir: string, { edge = 'embedded', bake = '1s' }: WorldOptions): object {
  return {
    workspace: 'e2e',
    apps: {
      web: {
        path: 'web',
        run: { command: ['node', 'server.js'], drain: '5s' },
        env: { HARBOUR_DATA: join(dir, '.sluice/data') },
        health: '/up',
        routes: ['/'],
        strategy: {
          kind: 'canary',
          steps: [
            { weight: 20, bake },
            { weight: 60, bake },
          ],
          soak: '200ms',
        },
        analysis: {
          judge: 'threshold',
          interval: '200ms',
          minRequests: 10,
          // An edge that dies in so short a bake may leave it without requests, which rightly proves nothing.
          onInconclusive: 'extend',
          metrics: [{ measure: 'errorRate', success: '< 5 %', minRequests: 10 }],
        },
      },
      worker: {
        path: 'worker',
        run: { command: ['node', 'worker.js'], drain: '5s' },
        env: { HARBOUR_DATA: join(dir, '.sluice/data') },
        strategy: 'recreate',
      },
    },
    environments: { production: { edge: { kind: edge, port: 0 } } },
  };
}

function git(dir: string, ...args: readonly string[]): void {
  execFileSync('git', ['-c', 'user.name=test', '-c', 'user.email=test@localhost', ...args], { cwd: dir, stdio: 'pipe' });
}
