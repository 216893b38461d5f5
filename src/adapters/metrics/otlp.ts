import { z } from 'zod';
import type { MetricQuery, MetricSource } from '../../ports/metric-source.ts';
import { isLinearPattern, linearPattern, PATTERN_WANTED } from '../../lib/linear-pattern.ts';
import { countersOf, doubted, refuseWithin, stale } from './counters.ts';
import type { OtlpIntake, Stream } from './otlp-intake.ts';
import { duration, errorsMayBeAbsent, settingsOf } from './settings.ts';

export interface OtlpSourceOptions {
  readonly intake: OtlpIntake;
  readonly now: () => number;
}

const schema = z.strictObject({
  kind: z.literal('otlp'),
  /** Counter or histogram of everything that was done. */
  requests: z.string().default('http.server.request.duration'),
  /** Counter of what went wrong; left out: the points of `requests` whose `errorAttribute` is like `errorPattern`. */
  errors: z.string().optional(),
  errorAttribute: z.string().default('http.response.status_code'),
  errorPattern: z.string().refine(isLinearPattern, PATTERN_WANTED).default('^5'),
  /** Histogram of how long it took. */
  latency: z.string().default('http.server.request.duration'),
  /** Attribute of resource or point that names the version, as SLUICE_VERSION told it to the app. */
  version: z.string().default('service.version'),
  environment: z.string().default('deployment.environment.name'),
  /** Without a point of any version for so long there is no data. */
  stale: duration.default(120_000),
  bucketsMs: z.unknown().optional(),
  errorsMayBeAbsent,
});
type Settings = z.infer<typeof schema>;

const IN_MS: Readonly<Record<string, number>> = { s: 1000, ms: 1, us: 1e-3, ns: 1e-6, '': 1000 };

/** What apps report over OTLP/HTTP to this control plane. */
export function otlpSource({ intake, now }: OtlpSourceOptions): MetricSource {
  return {
    kind: 'otlp',
    check: (settings) => void settingsOf('otlp', schema, settings),
    async start() {},
    async collect(query) {
      const settings = settingsOf('otlp', schema, query.settings);
      const at = now();
      const known = query.versions.map((version) => ({
        version,
        streams: streamsOf(intake.streams(settings.requests), settings, query, version),
      }));
      const heardAt = Math.max(...known.flatMap(({ streams }) => streams.map((stream) => stream.heardAt)));
      if (at - heardAt > settings.stale)
        throw stale(
          `${query.app} has reported nothing ${Number.isFinite(heardAt) ? `for ${Math.round((at - heardAt) / 1000)} s` : 'so far'} (${settings.requests})`,
        );
      const isVouched = settings.errorsMayBeAbsent || tellsErrors(settings, intake);
      const versions = known
        .filter(({ streams }) => streams.length > 0)
        .map(
          ({ version, streams }) =>
            [version, doubted(countersOf(countedIn(streams, version, intake, settings, query)), isVouched)] as const,
        );
      return { epoch: intake.epoch, at, versions: Object.fromEntries(versions) };
    },
    async stop() {},
  };
}

/** Whether what stands for errors has ever been reported: a metric of theirs, or the attribute that tells them from the others. */
function tellsErrors({ errors, requests, errorAttribute }: Settings, intake: OtlpIntake): boolean {
  if (errors !== undefined) return intake.streams(errors).length > 0;
  return intake.streams(requests).some(({ attributes }) => attributes[errorAttribute] !== undefined);
}

function streamsOf(streams: readonly Stream[], settings: Settings, query: MetricQuery, version: string): Stream[] {
  return streams.filter(({ attributes }) => {
    const environment = attributes[settings.environment];
    return attributes[settings.version] === version && (environment === undefined || environment === query.environment);
  });
}

function countedIn(streams: readonly Stream[], version: string, intake: OtlpIntake, settings: Settings, query: MetricQuery) {
  const isError = linearPattern(settings.errorPattern);
  const failed =
    settings.errors === undefined
      ? streams.filter(({ attributes }) => isError.test(attributes[settings.errorAttribute] ?? ''))
      : streamsOf(intake.streams(settings.errors), settings, query, version);
  const latency = new Map<number, number>();
  for (const { buckets, edges, unit } of streamsOf(intake.streams(settings.latency), settings, query, version)) {
    const toMs = IN_MS[unit] ?? 1;
    for (const [low, high] of edges) refuseWithin(settings.bucketsMs, low * toMs, high * toMs);
    for (const [edge, count] of buckets) latency.set(edge * toMs, (latency.get(edge * toMs) ?? 0) + count);
  }
  return { requests: sum(streams), errors: sum(failed), latency };
}

function sum(streams: readonly Stream[]): number {
  return streams.reduce((total, stream) => total + stream.total, 0);
}
