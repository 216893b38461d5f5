import { spawn } from 'node:child_process';
import { closeSync, openSync, readSync, unlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { answers, type Take } from './objects.ts';
import { environmentOfGit } from './run.ts';

const PIECE = 256 * 1024;

/**
 * Thousands of files at once, by id, in the order asked for. Git hands out each file by itself, and a listener is
 * woken for each: it writes them into a file instead, which is read when it is done. False: that did not work.
 */
export async function manyObjects(dir: string, ids: readonly string[], take: Take): Promise<boolean> {
  const file = temporary();
  if (file === null) return false;
  try {
    if ((await written(dir, ids, file)) !== 0) return false;
    let next = 0;
    const found = answers((object) => take(object, next++));
    for (let at = 0; ;) {
      const piece = Buffer.allocUnsafeSlow(PIECE);
      const length = readSync(file, piece, 0, PIECE, at);
      if (length === 0) return next === ids.length;
      at += length;
      found(piece.subarray(0, length));
    }
  } finally {
    closeSync(file);
  }
}

/** A file that nobody else sees, and that is gone with us. */
function temporary(): number | null {
  const path = join(tmpdir(), `sluice-objects-${process.pid}-${Math.random().toString(36).slice(2)}`);
  try {
    const file = openSync(path, 'wx+', 0o600);
    unlinkSync(path);
    return file;
  } catch {
    return null;
  }
}

function written(dir: string, ids: readonly string[], file: number): Promise<number | null> {
  return new Promise((resolve) => {
    const child = spawn('git', ['cat-file', '--batch', '--buffer'], {
      cwd: dir,
      env: environmentOfGit({}),
      stdio: ['pipe', file, 'ignore'],
    });
    child.on('error', () => resolve(null)).on('close', resolve);
    child.stdin?.on('error', () => undefined);
    child.stdin?.end(`${ids.join('\n')}\n`);
  });
}
