import { createHash } from 'node:crypto';
import { copyFile, link, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { diskError, writeAtomic } from '../lib/atomic-file.ts';
import type { EdgeIntent } from '../core/app/traffic.ts';

const endpoint = z.object({ host: z.string().min(1), port: z.int().min(1).max(65_535) });

/** One app's intent, as it comes over the control protocol and as it is kept on disk. */
export const edgeIntent = z.object({
  app: z.string().min(1),
  fence: z.number(),
  routes: z.array(z.object({ host: z.string().nullable(), pathPrefix: z.string() })),
  versions: z.array(z.object({ id: z.string().min(1), weight: z.number(), endpoints: z.array(endpoint) })),
  sticky: z.union([
    z.object({ by: z.literal('cookie') }),
    z.object({ by: z.literal('header'), header: z.string().min(1) }),
    z.object({ by: z.literal('none') }),
  ]),
});

/** The rules, as they come over the control protocol. */
export const edgeRules = z.object({
  trustedProxies: z.array(z.string()),
  pinFrom: z.array(z.string()),
  limits: z.object({
    headBytes: z.int().min(1),
    bodyBytes: z.int().min(0).nullable(),
    connections: z.int().min(1).nullable(),
    connectionsPerAddress: z.int().min(1).nullable(),
    bodyRate: z.number().min(0),
  }),
  timeouts: z.object({ headMs: z.number(), idleMs: z.number(), bodyMs: z.number(), answerMs: z.number() }),
});

const stored = z.object({
  intents: z.array(edgeIntent),
  /** Highest fence accepted, also of apps that were removed: a late caller must not bring one back. */
  fences: z.record(z.string(), z.number()),
});
const stateFile = z.object({ checksum: z.string(), state: z.unknown() });

export interface StoredState {
  readonly intents: readonly EdgeIntent[];
  readonly fences: Readonly<Record<string, number>>;
}

export interface LoadedState extends StoredState {
  /** What was wrong with the files, for people; null when nothing was. */
  readonly problem: string | null;
}

export interface EdgeState {
  load(): Promise<LoadedState>;
  /** @throws OutsideError DISK_FULL; the state stored before is kept. */
  save(state: StoredState): Promise<void>;
}

const NOTHING: StoredState = { intents: [], fences: {} };

/**
 * What the edge was last told, so that it serves the same after its own restart. Written whole or not at all; the
 * state before it is kept, for the day the newest is damaged from outside.
 */
export function edgeStateFile(dir: string): EdgeState {
  const path = join(dir, 'state.json');
  const previous = join(dir, 'state.previous.json');
  return {
    async load() {
      const newest = await read(path);
      if (newest.state !== null) return { ...newest.state, problem: null };
      const older = await read(previous);
      if (older.state !== null) {
        const problem = `${path} is ${newest.isMissing ? 'missing' : 'damaged'}; serving the state before it. Apply the present release again to be sure.`;
        return { ...older.state, problem };
      }
      if (newest.isMissing && older.isMissing) return { ...NOTHING, problem: null };
      await rename(path, `${path}.damaged`).catch(() => {});
      return {
        ...NOTHING,
        problem: `${path} is damaged and there is no good copy of it (kept as state.json.damaged); no app is routed until it is applied again.`,
      };
    },
    async save(state) {
      const content = JSON.stringify({ checksum: checksumOf(state), state });
      await writeAtomic(path, content, { mode: 0o600, meanwhile: () => keepAs(path, previous) });
    },
  };
}

/** A second name for the file, which stays when the first is replaced: cheaper than a copy, and never half done. */
async function keepAs(path: string, other: string): Promise<void> {
  const temporary = `${other}.tmp`;
  try {
    await rm(temporary, { force: true });
    await link(path, temporary).catch(() => copyFile(path, temporary));
    await rename(temporary, other);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw diskError(error, other);
  }
}

async function read(path: string): Promise<{ state: StoredState | null; isMissing: boolean }> {
  try {
    const { checksum, state } = stateFile.parse(JSON.parse(await readFile(path, 'utf8')));
    return { state: checksum === checksumOf(state) ? stored.parse(state) : null, isMissing: false };
  } catch (error) {
    return { state: null, isMissing: (error as NodeJS.ErrnoException).code === 'ENOENT' };
  }
}

function checksumOf(state: unknown): string {
  return createHash('sha256').update(JSON.stringify(state)).digest('hex');
}
