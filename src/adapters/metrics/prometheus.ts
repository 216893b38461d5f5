import { z } from 'zod';
import type { Reading } from '../../core/analysis/reading.ts';
import type { MetricQuery, MetricSource } from '../../ports/metric-source.ts';
import { advanced, type Counted, doubted, NOTHING, refuseWithin, stale, unreadable } from './counters.ts';
import { fetchJson } from './fetch-json.ts';
import { bucketsOf, increaseOf, type Increase, isSeenBefore, latencyIncrease } from './prometheus-increase.ts';
import { anySeries, matrix, type Series } from './prometheus-schema.ts';
import { duration, errorsMayBeAbsent, filled, headersOf, secret, settingsOf } from './settings.ts';

export interface PrometheusOptions {
  readonly env: NodeJS.ProcessEnv;
  readonly now: () => number;
}

const selector = z
  .string()
  .regex(/^[^[\]()]+$/, 'a selector such as http_requests_total{version="{{version}}"}, without functions or a range');
const schema = z.strictObject({
  kind: z.literal('prometheus'),
  url: z.url(),
  /** Counter of everything that was done. */
  requests: selector,
  /** Counter of what went wrong. */
  errors: selector,
  /** `…_bucket` of a classic histogram, or a native one. */
  latency: selector.optional(),
  unit: z.enum(['s', 'ms']).default('s'),
  headers: z.record(z.string(), secret).default({}),
  /** Samples are taken as they were this long ago, so that none arrives late. */
  delay: duration.default(5000),
  /** Without a sample for so long there is no data. */
  stale: duration.default(60_000),
  timeout: duration.default(8000),
  bucketsMs: z.unknown().optional(),
  errorsMayBeAbsent,
});
type Settings = z.infer<typeof schema>;

/** How far back a series is looked for before it counts as new, ms. */
const LOOKBACK_MS = 300_000;

/**
 * Prometheus' own samples, added up exactly: `increase()` would guess at the ends of the window, and count some
 * twice. Resets of single instances are seen before their series are summed.
 */
export function prometheusSource({ env, now }: PrometheusOptions): MetricSource {
  return {
    kind: 'prometheus',
    check: (settings) => void settingsOf('prometheus', schema, settings),
    async start() {},
    async collect(query, previous, signal) {
      const settings = settingsOf('prometheus', schema, query.settings);
      const headers = headersOf(settings.headers, env);
      const at = now() - settings.delay;
      const since = previous?.at ?? at;
      if (at < since) return previous ?? nothing(at);
      const rangeMs = at - since + LOOKBACK_MS;
      const get = async (path: string, parameters: Readonly<Record<string, string>>) => {
        const url = new URL(`${settings.url.replace(/\/+$/, '')}/api/v1/${path}`);
        for (const [name, value] of Object.entries(parameters)) url.searchParams.set(name, value);
        return fetchJson(url, { headers, signal, timeoutMs: settings.timeout });
      };
      const ask = async (text: string, version: string) => {
        // Vector selectors are plain text here: what is filled in must not end the quotes it stands in.
        const filledIn = filled(text, query, version, {}, (value) => value.replaceAll(/["\\\n]/g, ''));
        return matrix(await get('query', { query: `${filledIn}[${Math.ceil(rangeMs / 1000)}s]`, time: (at / 1000).toFixed(3) }));
      };
      const counted = await Promise.all(
        query.versions.map(async (version) => {
          const isKnown = previous?.versions[version] !== undefined;
          const [requests, errors, latency] = await Promise.all([
            ask(settings.requests, version),
            ask(settings.errors, version),
            settings.latency === undefined ? null : ask(settings.latency, version),
          ]);
          const window = { since, at, isContinued: !isKnown || isSeenBefore(requests, since) };
          if (latency !== null) refuseOtherBuckets(latency, settings.bucketsMs, settings.unit === 's' ? 1000 : 1);
          return {
            version,
            requests: increaseOf(requests, window),
            errors: increaseOf(errors, window),
            latency: latency === null ? null : latencyIncrease(latency, window, settings.unit === 's' ? 1000 : 1),
          };
        }),
      );
      const newest = Math.max(...counted.map(({ requests }) => requests.newestAt ?? -Infinity));
      if (previous !== null || counted.some(({ requests }) => requests.newestAt !== null)) refuseStale(newest, at, settings.stale, query);
      const isVouched =
        settings.errorsMayBeAbsent ||
        counted.some(({ errors }) => errors.newestAt !== null) ||
        (await hasEverMatched(settings, query, (selector) => get('series', { 'match[]': selector, limit: '1' }), signal));
      const versions = counted
        .flatMap(({ version, requests, errors, latency }) => versionOf(version, requests, errors, latency, previous))
        .map(([version, counters]) => [version, doubted(counters, isVouched)] as const);
      return { epoch: 'prometheus', at, versions: Object.fromEntries(versions) };
    },
    async stop() {},
  };
}

/**
 * Whether a series that stands for errors has ever been kept, of any version: a selector that is mistyped matches nothing, and so
 * does one of a version that has never failed.
 */
async function hasEverMatched(
  settings: Settings,
  query: MetricQuery,
  series: (selector: string) => Promise<unknown>,
  signal: AbortSignal,
): Promise<boolean> {
  const ofAnyVersion = settings.errors.replaceAll(/(=~|=)\s*(["'`])[^"'`]*\{\{\s*version\s*\}\}[^"'`]*\2/g, '=~".+"');
  try {
    return anySeries(await series(filled(ofAnyVersion, query, '.+', {}, (value) => value.replaceAll(/["\\\n]/g, '')))) === true;
  } catch {
    signal.throwIfAborted();
    // What cannot be asked vouches for nothing.
    return false;
  }
}

function refuseOtherBuckets(series: readonly Series[], bucketsMs: unknown, toMs: number): void {
  for (const [low, high] of bucketsOf(series)) refuseWithin(bucketsMs, low * toMs, high * toMs);
}

function nothing(at: number): Reading {
  return { epoch: 'prometheus', at, versions: {} };
}

function refuseStale(newest: number, at: number, staleMs: number, query: MetricQuery): void {
  if (at - newest <= staleMs) return;
  const age = Number.isFinite(newest) ? `the newest sample is ${Math.round((at - newest) / 1000)} s old` : 'there are no samples';
  throw stale(`${age} for ${query.app} (${query.versions.join(', ')})`);
}

type Entry = readonly [string, Reading['versions'][string]];

function versionOf(
  version: string,
  requests: Increase,
  errors: Increase,
  latency: Counted['latency'] | null,
  previous: Reading | null,
): Entry[] {
  const before = previous?.versions[version];
  if (requests.newestAt === null) return before === undefined ? [] : [[version, before]];
  if (previous === null) return [[version, advanced(undefined, NOTHING)]];
  const counted = { requests: requests.total, errors: errors.total, latency: latency ?? new Map<number, number>() };
  if (!Number.isFinite(counted.requests) || !Number.isFinite(counted.errors))
    throw unreadable(`a counter of version ${version} is not a number`);
  return [[version, advanced(before, counted)]];
}
