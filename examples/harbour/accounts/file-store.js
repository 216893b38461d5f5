// Append-only events in a file that several processes share without a lock. A line is `{ id, stream, after, events }`: `events`
// follow the first `after` events of `stream`. Of two lines that follow the same event the one that stands first counts,
// so whoever appends looks afterwards whether it was theirs.
import { randomUUID } from 'node:crypto';
import { mkdir, open } from 'node:fs/promises';
import { dirname } from 'node:path';

export async function fileStore(path) {
  await mkdir(dirname(path), { recursive: true });
  const file = await open(path, 'a+');
  const streams = new Map();
  const pending = new Map();
  let offset = 0;
  let reading = Promise.resolve();

  /** Take in what has been appended since, by whomever. */
  function catchUp() {
    reading = reading
      .catch(() => {})
      .then(async () => {
        const { size } = await file.stat();
        if (size <= offset) return;
        const { buffer, bytesRead } = await file.read(Buffer.alloc(size - offset), 0, size - offset, offset);
        const end = buffer.subarray(0, bytesRead).lastIndexOf('\n') + 1;
        for (const line of buffer.subarray(0, end).toString('utf8').split('\n')) take(line);
        offset += end;
      });
    return reading;
  }

  function take(line) {
    const entry = parse(line);
    if (entry === null) return;
    const events = streams.get(entry.stream) ?? [];
    if (entry.after !== events.length) return;
    streams.set(entry.stream, [...events, ...entry.events]);
    if (pending.has(entry.id)) pending.set(entry.id, true);
  }

  async function read(stream) {
    await catchUp();
    return streams.get(stream) ?? [];
  }

  return {
    read,
    /** False when somebody else was faster. */
    async append(stream, after, events) {
      if ((await read(stream)).length !== after) return false;
      const id = randomUUID();
      pending.set(id, false);
      try {
        // The line break in front ends a line that a crash cut off.
        await file.write(`\n${JSON.stringify({ id, stream, after, events })}\n`);
        await file.datasync();
        await catchUp();
        return pending.get(id);
      } finally {
        pending.delete(id);
      }
    },
    close: () => file.close(),
  };
}

/** Null for an empty line and for one that was cut off: nobody was told that it counts. */
function parse(line) {
  try {
    return JSON.parse(line);
  } catch {
    return null;
  }
}
