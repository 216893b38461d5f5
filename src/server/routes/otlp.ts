import { createGunzip } from 'node:zlib';
import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import { UserError } from '../../core/errors.ts';
import type { MetricsIntake, ServerParts } from '../parts.ts';
import type { Route } from '../http/route.ts';
import { route } from '../http/route.ts';

const answer = z.object({ partialSuccess: z.object({ rejectedDataPoints: z.string(), errorMessage: z.string() }).optional() });

/** Where apps report metrics to, after the control plane's address. */
export const OTLP_PATH = '/otlp/v1/metrics';
const PROTOBUF = 'application/x-protobuf';
/** After decompression. */
const LARGEST = 5_000_000;

/** Most OpenTelemetry SDKs speak protobuf alone, and many compress: both are read here, and answered in kind. */
export function acceptOtlp(server: FastifyInstance, metrics: MetricsIntake): void {
  server.addContentTypeParser(PROTOBUF, { parseAs: 'buffer', bodyLimit: LARGEST }, async (_request: unknown, body: Buffer) =>
    metrics.decode(body),
  );
  server.addHook('preParsing', async (request, _reply, payload) => {
    if (request.url !== OTLP_PATH || request.headers['content-encoding'] !== 'gzip') return payload;
    // What is declared is the length of what is compressed.
    delete request.headers['content-length'];
    const unpacked = createGunzip();
    payload.once('error', (error) => unpacked.destroy(error));
    return payload.pipe(unpacked);
  });
  server.addHook('onSend', async (request, reply, payload) => {
    if (request.url !== OTLP_PATH || request.headers['content-type'] !== PROTOBUF || reply.statusCode !== 200) return payload;
    const { partialSuccess } = answer.parse(JSON.parse(String(payload)));
    void reply.type(PROTOBUF);
    return Buffer.from(
      metrics.encode(
        partialSuccess === undefined ? null : { rejected: Number(partialSuccess.rejectedDataPoints), reason: partialSuccess.errorMessage },
      ),
    );
  });
}

/** Where apps report their metrics to: OTEL_EXPORTER_OTLP_ENDPOINT=<control plane>/otlp. */
export function otlpRoutes({ metrics }: ServerParts): readonly Route[] {
  if (metrics === undefined) return [];
  return [
    route({
      method: 'POST',
      url: OTLP_PATH,
      id: 'takeMetrics',
      group: 'operations',
      summary: 'Metrics of apps, as OTLP/JSON or protobuf.',
      body: z.looseObject({}),
      answer,
      async handle({ body }) {
        const taken = metrics.take(body);
        if (taken === null)
          throw new UserError(
            'OTLP_INVALID',
            'this is no ExportMetricsServiceRequest',
            'Set OTEL_EXPORTER_OTLP_METRICS_PROTOCOL=http/protobuf or http/json.',
          );
        if (taken.rejected === 0) return {};
        return { partialSuccess: { rejectedDataPoints: String(taken.rejected), errorMessage: taken.reason } };
      },
    }),
  ];
}
