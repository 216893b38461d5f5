import { z } from 'zod';

/* What Neon's API answers, as far as it is used. */

const branch = z.object({
  id: z.string(),
  name: z.string(),
  parent_id: z.string().optional(),
  parent_timestamp: z.string().optional(),
  current_state: z.string(),
  logical_size: z.number().optional(),
  created_at: z.string(),
});
export type Branch = z.output<typeof branch>;

const operation = z.object({ id: z.string(), status: z.string(), error: z.string().optional() });

export const branchSchema = z.object({ branch, operations: z.array(operation).optional() });
export const branchesSchema = z.object({ branches: z.array(branch), pagination: z.object({ next: z.string().optional() }).optional() });
export const operationSchema = z.object({ operation });
export const projectSchema = z.object({ project: z.object({ history_retention_seconds: z.number() }) });
export const uriSchema = z.object({ uri: z.string() });
export const errorSchema = z.object({ message: z.string() });
