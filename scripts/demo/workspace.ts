import { execFile, execFileSync } from 'node:child_process';
import { cp, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { removeTree } from '../../src/lib/unfinished.ts';

const run = promisify(execFile);
const root = join(import.meta.dirname, '../..');

/** The built CLI. */
export const CLI = join(root, 'dist/cli/sluice.cjs');

/** What differs in an app's next release. */
export interface Change {
  readonly version: string;
  readonly fault?: object;
}

/** A copy of examples/harbour in a git repository of its own. */
export interface Workspace {
  readonly dir: string;
  /** Folder of the apps' data in an environment. */
  data(environment: string): string;
  readonly env: NodeJS.ProcessEnv;
  commit(message: string, changes: Readonly<Record<string, Change>>): Promise<void>;
  /** The same with what lies below `later/<name>` laid over the workspace. */
  bring(name: string, message: string, changes: Readonly<Record<string, Change>>): Promise<void>;
}

export async function prepareWorkspace(settings: Readonly<Record<string, string>>): Promise<Workspace> {
  const dir = join(root, '.make/demo/harbour');
  const data = join(dir, '.sluice/data');
  const env: NodeJS.ProcessEnv = {
    ...process.env,
    ...settings,
    HARBOUR_DATA: data,
    SLUICE_CONFIG_ENV: 'HARBOUR_*',
    SLUICE_URL: '',
    SLUICE_DATABASE_URL: '',
    SLUICE_ENV: '',
  };
  await clearAway(dir, env);
  await mkdir(dir, { recursive: true });
  await cp(join(root, 'examples/harbour'), dir, {
    recursive: true,
    filter: (path) => !/[\\/](\.sluice|__pycache__|node_modules)$/.test(path),
  });
  const git = async (...args: readonly string[]): Promise<void> => {
    await run(
      'git',
      ['-c', 'user.name=demo', '-c', 'user.email=demo@localhost', '-c', 'core.hooksPath=/dev/null', '-c', 'commit.gpgsign=false', ...args],
      { cwd: dir },
    );
  };
  await git('init', '-q', '-b', 'main');
  await git('add', '-A');
  await git('commit', '-q', '-m', 'Harbour as it begins');
  const commit = async (message: string, changes: Readonly<Record<string, Change>>): Promise<void> => {
    for (const [app, { version, fault = { kind: 'none' } }] of Object.entries(changes)) {
      await writeFile(join(dir, app, 'VERSION'), `${version}\n`);
      await writeFile(join(dir, app, 'fault.json'), `${JSON.stringify(fault)}\n`);
    }
    await git('add', '-A', '--', ...Object.keys(changes));
    await git('commit', '-q', '-m', message);
  };
  return {
    dir,
    env,
    data: (environment) => join(data, environment),
    commit,
    async bring(name, message, changes) {
      await cp(join(dir, 'later', name), dir, { recursive: true });
      await commit(message, changes);
    },
  };
}

/** An earlier demo may have been killed: whatever it left is ended and removed, its database too. */
async function clearAway(dir: string, env: NodeJS.ProcessEnv): Promise<void> {
  // Removed by a `down --all` that came to its end.
  const wasKilled = (await readFile(join(dir, '.sluice/control-plane.json'), 'utf8').catch(() => null)) !== null;
  if (wasKilled) await run(process.execPath, [CLI, 'down', '--all', '--yes', '-C', dir], { env, timeout: 60_000 });
  const location = await readFile(join(dir, '.sluice/postgres/location'), 'utf8').catch(() => null);
  if (location !== null) await rm(location.trim(), { recursive: true, force: true });
  await removeTree(dir);
}

export function hasPython(): boolean {
  try {
    execFileSync('python3', ['--version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

export async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer());
  const ports = await Promise.all(
    servers.map(
      (server) =>
        new Promise<number>((resolve) => {
          server.listen(0, '127.0.0.1', () => {
            const address = server.address();
            resolve(address !== null && typeof address === 'object' ? address.port : 0);
          });
        }),
    ),
  );
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}
