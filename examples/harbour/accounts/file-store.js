// Append-only events in a file: one JSON line each, written with O_APPEND and fsync. Several processes share it; a lock
// file makes "read the version, then append" one step.
import { mkdir, open, readFile, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const LOCK_WAIT_MS = 5_000;

export async function fileStore(path) {
  await mkdir(dirname(path), { recursive: true });

  async function read(stream) {
    const text = await readFile(path, 'utf8').catch(() => '');
    // A line without its end is one that a crash cut off: it was never answered for.
    const lines = text.slice(0, text.lastIndexOf('\n') + 1).split('\n').filter(Boolean);
    return lines.map((line) => JSON.parse(line)).filter((event) => event.stream === stream);
  }

  return {
    read,
    async append(stream, expected, events) {
      const unlock = await lock(`${path}.lock`);
      try {
        if ((await read(stream)).length !== expected) return false;
        const file = await open(path, 'a');
        try {
          await file.write(events.map((event, index) => `${JSON.stringify({ stream, version: expected + index + 1, ...event })}\n`).join(''));
          await file.sync();
        } finally {
          await file.close();
        }
        return true;
      } finally {
        await unlock();
      }
    },
    close: async () => {},
  };
}

async function lock(path) {
  const until = Date.now() + LOCK_WAIT_MS;
  for (;;) {
    try {
      const file = await open(path, 'wx');
      await file.write(String(process.pid));
      await file.close();
      return () => rm(path, { force: true });
    } catch (error) {
      if (error.code !== 'EEXIST') throw error;
      if (await isOrphan(path)) await rm(path, { force: true });
      if (Date.now() > until) throw Object.assign(new Error('the account is busy'), { status: 503 });
      await sleep(2);
    }
  }
}

/** The process that took the lock has died. */
async function isOrphan(path) {
  const pid = Number(await readFile(path, 'utf8').catch(() => ''));
  if (!pid) return false;
  try {
    process.kill(pid, 0);
    return false;
  } catch {
    return true;
  }
}
