// A durable queue in a folder: a job is a file in `waiting`, its receipt a file in `settled`. At least once: a job is only
// removed after its receipt is on disk; the receipt's name makes doing it twice harmless.
import { mkdir, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';

export async function openQueue(folder) {
  const [waiting, settled, broken] = ['waiting', 'settled', 'broken'].map((name) => join(folder, name));
  for (const place of [waiting, settled, broken]) await mkdir(place, { recursive: true });

  async function write(path, text) {
    const file = await open(`${path}.new`, 'w');
    await file.write(text);
    await file.sync();
    await file.close();
    await rename(`${path}.new`, path);
  }

  async function one(name, settle) {
    const receipt = join(settled, name);
    const isDone = await stat(receipt).then(
      () => true,
      () => false,
    );
    if (!isDone) {
      const job = parse(await readFile(join(waiting, name), 'utf8'));
      // Trying it again would not make it readable, and those behind it would wait for ever.
      if (job === null) return rename(join(waiting, name), join(broken, name));
      await write(receipt, JSON.stringify(await settle(job)));
    }
    await rm(join(waiting, name), { force: true });
  }

  const namesIn = async (place) => (await readdir(place)).filter((name) => name.endsWith('.json')).toSorted();
  return {
    add: (id, job) => write(join(waiting, `${id}.json`), JSON.stringify(job)),
    receipts: () => namesIn(settled),
    broken: () => namesIn(broken),
    /** Settle what waits in this worker's part of the queue, in the order of its names, until told to stop; returns how many. */
    async work(settle, isStopping, { part, parts } = { part: 0, parts: 1 }) {
      let done = 0;
      for (const name of await namesIn(waiting)) {
        if (isStopping()) break;
        if (partOf(name, parts) !== part) continue;
        await one(name, settle);
        done += 1;
      }
      return done;
    },
  };
}

/** A job is in one part of the queue, and a part has one worker. */
export function partOf(name, parts) {
  let hash = 0;
  for (const letter of name) hash = (hash * 31 + letter.charCodeAt(0)) >>> 0;
  return hash % parts;
}

function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
