import type { EdgeStats } from '../../core/app/traffic.ts';
import type { MetricSource } from '../../ports/metric-source.ts';
import { z } from 'zod';
import { settingsOf } from './settings.ts';

export interface EdgeSourceOptions {
  readonly stats: (environment: string, app: string) => Promise<EdgeStats>;
}

const schema = z.strictObject({ kind: z.literal('edge') });

/** The data plane's own counters: every request, as users got it. */
export function edgeSource({ stats }: EdgeSourceOptions): MetricSource {
  return {
    kind: 'edge',
    check: (settings) => void settingsOf('edge', schema, settings),
    async start() {},
    async collect({ environment, app, versions }, _previous, signal) {
      const seen = await stats(environment, app);
      signal.throwIfAborted();
      return { ...seen, versions: Object.fromEntries(Object.entries(seen.versions).filter(([id]) => versions.includes(id))) };
    },
    async stop() {},
  };
}
