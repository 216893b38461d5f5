import { createHash } from 'node:crypto';
import { copyFile, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { writeAtomic } from '../adapters/_shared/atomic-file.ts';
import type { EdgeIntent } from '../ports/edge.ts';

const endpoint = z.object({ host: z.string().min(1), port: z.int().min(1).max(65_535) });

/** One app's intent, as it comes over the control protocol and as it is kept on disk. */
export const edgeIntent = z.object({
  app: z.string().min(1),
  fence: z.number(),
  routes: z.array(z.object({ host: z.string().nullable(), pathPrefix: z.string().startsWith('/') })),
  versions: z
    .array(z.object({ id: z.string().min(1), weight: z.number().min(0).max(100), endpoints: z.array(endpoint) }))
    .refine((versions) => versions.length === 0 || Math.abs(versions.reduce((sum, { weight }) => sum + weight, 0) - 100) < 1e-6, 'the weights must sum to 100'),
  sticky: z.union([z.object({ by: z.literal('cookie') }), z.object({ by: z.literal('header'), header: z.string().min(1) }), z.object({ by: z.literal('none') })]),
});

const stateFile = z.object({ checksum: z.string(), intents: z.array(edgeIntent) });

export interface EdgeState {
  load(): Promise<readonly EdgeIntent[]>;
  save(intents: readonly EdgeIntent[]): Promise<void>;
}

/**
 * What the edge was last told, so that it serves the same after its own restart. Written whole or not at all; the
 * version before is kept, for the day the newest is damaged from outside.
 */
export function edgeStateFile(dir: string): EdgeState {
  const path = join(dir, 'state.json');
  const previous = join(dir, 'state.previous.json');
  return {
    async load() {
      return (await read(path)) ?? (await read(previous)) ?? [];
    },
    async save(intents) {
      await copyFile(path, previous).catch(() => {});
      await writeAtomic(path, JSON.stringify({ checksum: checksumOf(intents), intents }), { mode: 0o600 });
    },
  };
}

async function read(path: string): Promise<readonly EdgeIntent[] | null> {
  try {
    const { checksum, intents } = stateFile.parse(JSON.parse(await readFile(path, 'utf8')));
    return checksum === checksumOf(intents) ? intents : null;
  } catch {
    return null;
  }
}

function checksumOf(intents: readonly EdgeIntent[]): string {
  return createHash('sha256').update(JSON.stringify(intents)).digest('hex');
}
