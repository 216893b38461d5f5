// A durable queue in a folder: a job is a file in `waiting`, its receipt a file in `settled`. At least once: a job is only
// removed after its receipt is on disk; the receipt's name makes doing it twice harmless.
import { mkdir, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';

export async function openQueue(folder) {
  const waiting = join(folder, 'waiting');
  const settled = join(folder, 'settled');
  await mkdir(waiting, { recursive: true });
  await mkdir(settled, { recursive: true });

  async function write(path, text) {
    const file = await open(`${path}.tmp`, 'w');
    await file.write(text);
    await file.sync();
    await file.close();
    await rename(`${path}.tmp`, path);
  }

  return {
    add: (id, job) => write(join(waiting, `${id}.json`), JSON.stringify(job)),
    receipts: async () => (await readdir(settled)).filter((name) => name.endsWith('.json')),
    /** Settle every waiting job until told to stop; returns how many. */
    async work(settle, isStopping) {
      let done = 0;
      for (const name of (await readdir(waiting)).filter((entry) => entry.endsWith('.json')).toSorted()) {
        if (isStopping()) break;
        const receipt = join(settled, name);
        const isDone = await stat(receipt).then(() => true, () => false);
        if (!isDone) await write(receipt, JSON.stringify(await settle(JSON.parse(await readFile(join(waiting, name), 'utf8')))));
        await rm(join(waiting, name), { force: true });
        done += 1;
      }
      return done;
    },
  };
}
