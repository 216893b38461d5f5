import { userInfo } from 'node:os';
import { resolve } from 'node:path';
import { UserError } from '../../core/errors.ts';
import { type Client, createClient, type Target } from '../control-plane/client.ts';
import { ensureLocal } from '../control-plane/local.ts';
import type { CommonOptions } from './options.ts';
import type { Session } from './session.ts';
import type { Terminal } from './terminal.ts';

/** What surrounds this program. */
export interface Surroundings {
  readonly terminal: Terminal;
  readonly env: NodeJS.ProcessEnv;
  readonly cwd: string;
  readonly version: string;
  readonly self: readonly string[];
}

/** One session: finds the workspace and the control plane when they are first needed, and once. */
export function openSession({ terminal, env, cwd, version, self }: Surroundings, options: CommonOptions): Session {
  let workspace: Promise<string> | null = null;
  let client: Promise<Client> | null = null;
  const print = (message: string): void => terminal.err(`${message}\n`);
  let through = print;
  const say = (message: string): void => through(message);
  const session: Session = {
    terminal,
    json: options.json === true,
    canAsk: options.input && terminal.canAsk,
    env,
    version,
    by: env['SLUICE_BY'] || userName(env),
    now: Date.now,
    self,
    say,
    sayThrough(listener) {
      through = listener;
      return () => {
        through = print;
      };
    },
    workspace: () => (workspace ??= findRoot(cwd, options.workspace)),
    client: () => (client ??= createClient({ locate: () => locate(session) })),
  };
  return session;
}

async function locate(session: Session): Promise<Target> {
  const { env, version, self, say } = session;
  const url = env['SLUICE_URL'];
  if (url === undefined || url === '') return ensureLocal({ workspace: await session.workspace(), version, self, env, say });
  if (!URL.canParse(url)) throw new UserError('USAGE', `SLUICE_URL "${url}" is not an address`, 'For example http://127.0.0.1:4700.');
  const token = env['SLUICE_TOKEN'];
  if (token === undefined || token === '')
    throw new UserError('UNAUTHORIZED', 'SLUICE_URL is set, but no SLUICE_TOKEN', 'Put the token of that control plane into SLUICE_TOKEN.');
  return { url, token, isLocal: false };
}

async function findRoot(cwd: string, given: string | undefined): Promise<string> {
  const { findWorkspace } = await import('../../config/load/find.ts');
  const start = resolve(cwd, given ?? '.');
  const found = await findWorkspace(start);
  if (found !== null) return found;
  throw new UserError(
    'CONFIG_NOT_FOUND',
    `there is no sluice.config.* in ${start} or above it`,
    'Go to a workspace, name one with -C, or set SLUICE_URL and SLUICE_TOKEN for a control plane elsewhere.',
  );
}

function userName(env: NodeJS.ProcessEnv): string {
  try {
    return userInfo().username;
  } catch {
    // Containers may run as a user who has no name.
    return env['USER'] || `uid ${process.getuid?.() ?? 'unknown'}`;
  }
}
