import { randomUUID } from 'node:crypto';
import { link, readFile, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isAlive, startTimeOf } from '../lib/process-identity.ts';

/**
 * A lock among the processes of one machine that survives the death of its owner.
 *
 * Each owner makes the next generation, `.<name>.lock.<n>`, with `link`: only one can, and nobody ever sees a
 * half-written one. The highest generation counts; it is free when its file says so by its name, or when the
 * process that made it (pid and start time) is gone. The highest is never deleted, so two that break the same
 * stale lock cannot both succeed: the slower one finds its generation taken, or a higher one beside it.
 */
export interface HeldLock {
  /** Grows with each owner: a fencing token. */
  readonly token: number;
  release(): Promise<void>;
}

interface Owner {
  readonly pid: number;
  readonly startTime: string;
  readonly nonce: string;
}

interface Generation {
  readonly token: number;
  readonly free: boolean;
}

/** What this very process holds: its own pid alone does not tell a held lock from a forgotten one. */
const heldHere = new Set<string>();

/** The lock, or null when somebody alive has it. */
export async function tryLock(folder: string, name: string): Promise<HeldLock | null> {
  const before = await generations(folder, name);
  const top = before.at(-1);
  if (top !== undefined && !top.free && (await ownerOf(folder, name, top.token)) !== null) return null;
  const token = (top?.token ?? 0) + 1;
  const owner: Owner = { pid: process.pid, startTime: (await startTimeOf(process.pid)) ?? '', nonce: randomUUID() };
  heldHere.add(owner.nonce);
  const claimed = await claim(folder, name, token, owner).catch((error: unknown) => {
    heldHere.delete(owner.nonce);
    throw error;
  });
  if (!claimed) {
    heldHere.delete(owner.nonce);
    return null;
  }
  const older = (await generations(folder, name)).filter((other) => other.token < token);
  await Promise.all(older.map((other) => rm(fileOf(folder, name, other), { force: true })));
  return {
    token,
    async release() {
      heldHere.delete(owner.nonce);
      await rename(fileOf(folder, name, { token, free: false }), fileOf(folder, name, { token, free: true }));
    },
  };
}

/** Who holds the lock now, null when nobody alive does. */
export async function lockOwner(folder: string, name: string): Promise<Owner | null> {
  const top = (await generations(folder, name)).at(-1);
  return top === undefined || top.free ? null : ownerOf(folder, name, top.token);
}

async function claim(folder: string, name: string, token: number, owner: Owner): Promise<boolean> {
  const temporary = join(folder, `.${name}.${owner.nonce}.tmp`);
  const file = fileOf(folder, name, { token, free: false });
  try {
    await writeFile(temporary, JSON.stringify(owner), { mode: 0o600 });
    await link(temporary, file);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return false;
    throw error;
  } finally {
    await rm(temporary, { force: true });
  }
  // While we looked, the same generation may have come and gone, and its successors too.
  const overtaken = (await generations(folder, name)).some((other) => other.token > token || (other.token === token && other.free));
  if (overtaken) await rm(file, { force: true });
  return !overtaken;
}

/** Oldest first; of one generation, the held file before the free one. */
async function generations(folder: string, name: string): Promise<Generation[]> {
  const prefix = `.${name}.lock.`;
  const found: Generation[] = [];
  for (const entry of await readdir(folder)) {
    const match = entry.startsWith(prefix) ? /^(\d+)(\.free)?$/.exec(entry.slice(prefix.length)) : null;
    if (match !== null) found.push({ token: Number(match[1]), free: match[2] !== undefined });
  }
  return found.toSorted((a, b) => a.token - b.token || Number(a.free) - Number(b.free));
}

/** The owner of a generation if it lives. */
async function ownerOf(folder: string, name: string, token: number): Promise<Owner | null> {
  let owner: Owner;
  try {
    owner = JSON.parse(await readFile(fileOf(folder, name, { token, free: false }), 'utf8')) as Owner;
  } catch {
    return null;
  }
  if (owner.pid === process.pid && !heldHere.has(owner.nonce)) return null;
  return (await isAlive(owner.pid, owner.startTime)) ? owner : null;
}

function fileOf(folder: string, name: string, { token, free }: Generation): string {
  return join(folder, `.${name}.lock.${token}${free ? '.free' : ''}`);
}
