import { z } from 'zod';
import { UserError } from '../core/errors.ts';
import type { ServerParts } from './parts.ts';
import type { Route } from './route.ts';
import { route } from './route.ts';

const answer = z.object({ partialSuccess: z.object({ rejectedDataPoints: z.string(), errorMessage: z.string() }).optional() });

/** Where apps report their metrics to: OTEL_EXPORTER_OTLP_ENDPOINT=<control plane>/otlp, protocol http/json. */
export function otlpRoutes({ metrics }: ServerParts): readonly Route[] {
  if (metrics === undefined) return [];
  return [
    route({
      method: 'POST',
      url: '/otlp/v1/metrics',
      id: 'takeMetrics',
      group: 'operations',
      summary: 'Metrics of apps, as OTLP/JSON.',
      body: z.looseObject({}),
      answer,
      async handle({ body }) {
        const taken = metrics.take(body);
        if (taken === null)
          throw new UserError(
            'OTLP_INVALID',
            'this is no ExportMetricsServiceRequest',
            'Set OTEL_EXPORTER_OTLP_METRICS_PROTOCOL=http/json.',
          );
        if (taken.rejected === 0) return {};
        return { partialSuccess: { rejectedDataPoints: String(taken.rejected), errorMessage: taken.reason } };
      },
    }),
  ];
}
