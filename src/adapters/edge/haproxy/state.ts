import { createHash } from 'node:crypto';
import { copyFile, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { writeAtomic } from '../../../lib/atomic-file.ts';
import { type KeeperState, stateSchema } from './schema.ts';

const fileSchema = z.object({ checksum: z.string(), state: stateSchema });

export interface StateFile {
  load(): Promise<KeeperState | null>;
  save(state: KeeperState): Promise<void>;
}

/** What the edge was last told. Written whole or not at all; the one before is kept for the day the newest is damaged from outside. */
export function stateFile(dir: string): StateFile {
  const path = join(dir, 'state.json');
  const previous = join(dir, 'state.previous.json');
  return {
    load: async () => (await read(path)) ?? read(previous),
    async save(state) {
      const content = JSON.stringify({ checksum: checksumOf(state), state });
      await writeAtomic(path, content, { mode: 0o600, meanwhile: () => copyFile(path, previous).catch(() => {}) });
    },
  };
}

async function read(path: string): Promise<KeeperState | null> {
  try {
    const { checksum, state } = fileSchema.parse(JSON.parse(await readFile(path, 'utf8')));
    return checksum === checksumOf(state) ? state : null;
  } catch {
    return null;
  }
}

function checksumOf(state: KeeperState): string {
  return createHash('sha256').update(JSON.stringify(state)).digest('hex');
}
