import { z } from 'zod';
import type { MetricSource } from '../../ports/metric-source.ts';
import { fetchJson } from './fetch-json.ts';
import { jsonSettings, readingFrom } from './json-counters.ts';
import { duration, filled, headersOf, secret, settingsOf } from './settings.ts';

export interface WebSourceOptions {
  readonly env: NodeJS.ProcessEnv;
  readonly now: () => number;
}

const schema = z.strictObject({
  kind: z.literal('web'),
  url: z.string().regex(/^https?:\/\//, 'an address that begins with http:// or https://'),
  headers: z.record(z.string(), secret).default({}),
  timeout: duration.default(8000),
  ...jsonSettings,
});

/** JSON over HTTP, asked for once a version. */
export function webSource({ env, now }: WebSourceOptions): MetricSource {
  return {
    kind: 'web',
    check: (settings) => void settingsOf('web', schema, settings),
    async start() {},
    collect(query, previous, signal) {
      const settings = settingsOf('web', schema, query.settings);
      const headers = headersOf(settings.headers, env);
      return readingFrom(query, settings, previous, now(), (version, window) =>
        fetchJson(new URL(filled(settings.url, query, version, window, encodeURIComponent)), {
          headers,
          signal,
          timeoutMs: settings.timeout,
        }),
      );
    },
    async stop() {},
  };
}
