import { z } from 'zod';
import { configSchema } from '../schema/workspace.ts';

/** The configuration's JSON Schema, for editors of `sluice.config.json` and `.yaml`. Draft 7 is what they all read. */
export function jsonSchema(): Record<string, unknown> {
  const { $schema, ...rest } = z.toJSONSchema(configSchema, { target: 'draft-7', io: 'input' }) as Record<string, unknown>;
  return { $schema, $id: 'sluice.schema.json', title: 'Configuration of a Sluice workspace', ...rest };
}
