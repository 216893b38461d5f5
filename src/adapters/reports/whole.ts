import type { Format, ReportContent } from '../../core/gates/contents.ts';
import type { ReadContext, ReportReader } from '../../ports/reports.ts';
import type { z } from 'zod';
import { damaged, gather, problemOf } from './damage.ts';
import { asUtf8 } from './encoding.ts';

/** A reader of a format that is taken in as a whole. `parse` throws for whatever it cannot make sense of. */
export function wholeReader(
  format: Format,
  parse: (bytes: Uint8Array, context: ReadContext) => ReportContent | Promise<ReportContent>,
): ReportReader {
  return {
    format,
    async read(chunks, context) {
      try {
        return { content: await parse(await gather(asUtf8(chunks)), context) };
      } catch (error) {
        if (context.signal.aborted) throw context.signal.reason;
        return problemOf(error);
      }
    },
  };
}

/** The value as the schema has it. @throws Unreadable with the first place that is not so. */
export function checked<T>(schema: z.ZodType<T>, value: unknown): T {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const [first] = parsed.error.issues;
  const place = first?.path.map(String).join('.') ?? '';
  throw damaged(`${place === '' ? 'it' : place.slice(0, 100)} is not as the format has it (${first?.message.slice(0, 150) ?? ''}).`);
}
