import { z } from 'zod';
import { UserError } from '../../core/errors.ts';
import type { MetricQuery } from '../../ports/metric-source.ts';

/** Settings of one source, checked. @throws UserError `METRIC_SOURCE_INVALID`, with all mistakes. */
export function settingsOf<T>(kind: string, schema: z.ZodType<T>, settings: object): T {
  const parsed = schema.safeParse(settings);
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.map(({ path, message }) => `${['source', ...path].join('.')}: ${message}`);
  throw new UserError(
    'METRIC_SOURCE_INVALID',
    `the settings of the ${kind} metric source are wrong: ${problems.join('; ')}`,
    'docs/metrics.md shows what each source takes.',
  );
}

/** A value that may be a secret of the control plane's environment. */
export const secret = z.union([z.string(), z.strictObject({ fromEnv: z.string() })]);
export type Secret = z.infer<typeof secret>;

/** @throws UserError `METRIC_SECRET_MISSING` */
export function headersOf(headers: Readonly<Record<string, Secret>>, env: NodeJS.ProcessEnv): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).map(([name, value]) => {
      if (typeof value === 'string') return [name, value];
      const found = env[value.fromEnv];
      if (found !== undefined) return [name, found];
      throw new UserError(
        'METRIC_SECRET_MISSING',
        `a metric source needs ${value.fromEnv}, which the control plane does not have`,
        `Set ${value.fromEnv} where the control plane is started.`,
      );
    }),
  );
}

/** `{{app}}`, `{{environment}}`, `{{version}}` and what else is given, filled in. */
export function filled(
  text: string,
  query: MetricQuery,
  version: string,
  more: Readonly<Record<string, string | number>> = {},
  escape: (value: string) => string = (value) => value,
): string {
  const values: Record<string, string | number> = { app: query.app, environment: query.environment, version, ...more };
  return text.replaceAll(/\{\{\s*(\w+)\s*\}\}/g, (whole, name: string) =>
    Object.hasOwn(values, name) ? escape(String(values[name])) : whole,
  );
}

/** A duration of the configuration: `"5s"`, or ms. */
export const duration = z.union([
  z.number().min(0),
  z
    .string()
    .regex(/^\d+(ms|s|m|h)$/, 'a time such as "5s"')
    .transform((text) => Number.parseInt(text, 10) * { ms: 1, s: 1000, m: 60_000, h: 3_600_000 }[/[a-z]+$/.exec(text)?.[0] ?? 'ms']!),
]);

/** That nothing has ever matched what stands for errors is no doubt, for there has never been one. */
export const errorsMayBeAbsent = z.boolean().default(false);
