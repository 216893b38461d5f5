import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { writeAtomic } from './atomic-file.ts';

const BYTES = 16;

/**
 * A secret that stays the same for good, in a file for its owner alone; made when there is none, or when the file is damaged.
 * @throws OutsideError DISK_FULL
 */
export async function secretKey(path: string): Promise<Buffer> {
  const text = await readFile(path, 'latin1').catch(() => '');
  if (/^[0-9a-f]{32}\n?$/.test(text)) return Buffer.from(text.trim(), 'hex');
  const key = randomBytes(BYTES);
  await writeAtomic(path, `${key.toString('hex')}\n`, { mode: 0o600 });
  return key;
}
