import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';

/**
 * Ports are taken below the range from which systems hand out ports by themselves (Linux 32768, macOS 49152),
 * so that no outgoing connection of a stranger sits on one; and reserved by a file each, so that two versions
 * of ours that both have not begun to listen never share one.
 */
export interface PortRange {
  readonly from: number;
  readonly to: number;
}

export const DEFAULT_PORTS: PortRange = { from: 20_000, to: 31_999 };

const TRIES = 200;

/**
 * A port that nobody listens on, reserved for `owner` (a folder). Keeps `wanted` while that is possible.
 * @throws Error when no port of the range is free.
 */
export async function reservePort(folder: string, owner: string, wanted: number | null, range: PortRange): Promise<number> {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  if (wanted !== null && reserve(folder, owner, wanted) && (await isFree(wanted))) return wanted;
  if (wanted !== null) release(folder, owner, wanted);
  const size = range.to - range.from + 1;
  const start = Math.floor(Math.random() * size);
  for (let i = 0; i < Math.min(size, TRIES); i++) {
    const port = range.from + ((start + i) % size);
    if (port === wanted || !reserve(folder, owner, port)) continue;
    if (await isFree(port)) return port;
    release(folder, owner, port);
  }
  throw new Error(`no free port between ${range.from} and ${range.to}`);
}

/** Give back every port reserved for owners inside this folder. */
export function releasePorts(folder: string, ownersIn: string): void {
  for (const port of entries(folder)) {
    if (ownerOf(folder, port)?.startsWith(ownersIn) === true) rmSync(join(folder, port), { force: true });
  }
}

function reserve(folder: string, owner: string, port: number): boolean {
  try {
    writeFileSync(join(folder, String(port)), owner, { flag: 'wx', mode: 0o600 });
    return true;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return ownerOf(folder, String(port)) === owner;
    throw error;
  }
}

function release(folder: string, owner: string, port: number): void {
  if (ownerOf(folder, String(port)) === owner) rmSync(join(folder, String(port)), { force: true });
}

function ownerOf(folder: string, port: string): string | null {
  try {
    return readFileSync(join(folder, port), 'utf8');
  } catch {
    return null;
  }
}

function entries(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

/** Asked of all addresses, since an app may listen on any of them; on IPv4 alone where there is no IPv6. */
async function isFree(port: number): Promise<boolean> {
  const answer = await listenOnce(port, '::');
  return (answer === 'no such address' ? await listenOnce(port, '0.0.0.0') : answer) === 'free';
}

function listenOnce(port: number, host: string): Promise<'free' | 'taken' | 'no such address'> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', (error: NodeJS.ErrnoException) => {
      resolve(error.code === 'EAFNOSUPPORT' || error.code === 'EADDRNOTAVAIL' ? 'no such address' : 'taken');
    });
    server.listen({ port, host, exclusive: true }, () => server.close(() => resolve('free')));
  });
}
