import { z } from 'zod';

const lsn = z.object({ start: z.string().nullable(), stop: z.string().nullable() });

/** What `pgbackrest info --output=json` says, as far as it is used. */
export const infoSchema = z.array(
  z.object({
    name: z.string(),
    status: z.object({ code: z.number(), message: z.string() }),
    backup: z.array(
      z.object({
        label: z.string(),
        type: z.enum(['full', 'diff', 'incr']),
        reference: z.array(z.string()).nullish(),
        prior: z.string().nullish(),
        timestamp: z.object({ start: z.number(), stop: z.number() }),
        lsn,
        archive: z.object({ start: z.string().nullable(), stop: z.string().nullable() }),
        info: z.object({ size: z.number(), repository: z.object({ delta: z.number() }) }),
        database: z.object({ 'repo-key': z.number() }),
        error: z.boolean().nullish(),
        annotation: z.record(z.string(), z.string()).nullish(),
      }),
    ),
    archive: z.array(
      z.object({ id: z.string(), min: z.string().nullable(), max: z.string().nullable(), database: z.object({ 'repo-key': z.number() }) }),
    ),
    repo: z.array(z.object({ key: z.number() })).optional(),
  }),
);

export type Stanza = z.output<typeof infoSchema>[number];
