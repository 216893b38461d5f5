import { z } from 'zod';
import { OutsideError } from '../../../core/errors.ts';

/** What a physical backup consists of; stored last, which is what makes it complete. */
const manifestSchema = z.object({
  format: z.literal(1),
  id: z.string(),
  kind: z.enum(['full', 'diff', 'incr']),
  reason: z.string(),
  startedAt: z.number(),
  endedAt: z.number(),
  server: z.object({ major: z.number(), systemId: z.string(), segmentBytes: z.number(), checksums: z.boolean(), superuser: z.string() }),
  wal: z.object({ timeline: z.number(), startLsn: z.string(), stopLsn: z.string() }),
  /** Folders, also the empty ones. */
  folders: z.array(z.string()),
  /** Stored objects: each one the gzipped contents of its files, one after another. */
  bundles: z.array(
    z.object({
      key: z.string(),
      bytes: z.number(),
      sha256: z.string(),
      files: z.array(z.object({ path: z.string(), bytes: z.number(), sha256: z.string() })),
    }),
  ),
  /** Small files that PostgreSQL hands out at the end of a backup. */
  texts: z.record(z.string(), z.string()),
  damaged: z.array(z.string()),
});

export type Manifest = z.output<typeof manifestSchema>;
export type Bundle = Manifest['bundles'][number];

/** @throws OutsideError BACKUP_MANIFEST_CHANGED */
export function parseManifest(text: string, where: string): Manifest {
  try {
    return manifestSchema.parse(JSON.parse(text));
  } catch (error) {
    throw new OutsideError(
      'BACKUP_MANIFEST_CHANGED',
      `${where} is not a manifest that Sluice has written`,
      'Use the copy at the second location, or an earlier backup.',
      error,
    );
  }
}
