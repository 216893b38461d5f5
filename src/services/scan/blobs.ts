import { spawn } from 'node:child_process';
import { scanFailed } from './git.ts';
import { MOST_BYTES } from './read.ts';

/**
 * Contents of blobs of the repository, in the order of their ids, from one process; null for one that is larger than `MOST_BYTES`.
 * @throws UserError `SCAN_GIT_FAILED` for one that is not there.
 */
export async function* blobsOf(dir: string, ids: readonly string[]): AsyncGenerator<Buffer | null> {
  if (ids.length === 0) return;
  const child = spawn('git', ['cat-file', '--batch'], { cwd: dir, stdio: ['pipe', 'pipe', 'ignore'] });
  child.on('error', () => {});
  child.stdin.on('error', () => {});
  child.stdin.end(ids.map((id) => `${id}\n`).join(''));
  try {
    let rest = Buffer.alloc(0);
    const source = child.stdout[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
    const more = async (): Promise<void> => {
      const { done, value } = await source.next();
      if (done === true) throw scanFailed('cat-file', 'it ended too early');
      rest = Buffer.concat([rest, value]);
    };
    for (const id of ids) {
      while (!rest.includes(10)) await more();
      const line = rest.subarray(0, rest.indexOf(10)).toString('utf8');
      rest = rest.subarray(line.length + 1);
      const size = Number(/ blob (\d+)$/.exec(line)?.[1] ?? Number.NaN);
      if (Number.isNaN(size)) throw scanFailed('cat-file', `${id} is not in this clone`);
      const parts: Buffer[] = [];
      // The content, and the newline behind it.
      for (let left = size + 1; left > 0;) {
        if (rest.length === 0) await more();
        const part = rest.subarray(0, left);
        if (size <= MOST_BYTES) parts.push(part);
        rest = rest.subarray(part.length);
        left -= part.length;
      }
      yield size > MOST_BYTES ? null : Buffer.concat(parts).subarray(0, size);
    }
  } finally {
    child.kill();
  }
}
