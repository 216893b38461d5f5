import { z } from 'zod';
import type { Reading } from '../../core/analysis/reading.ts';
import type { MetricQuery } from '../../ports/metric-source.ts';
import { advanced, type Counted, countersOf, NOTHING, unreadable } from './counters.ts';

/** Settings of every source that answers with JSON. */
export const jsonSettings = {
  /** `total`: counters since the version started. `since`: what happened between `{{from}}` and `{{to}}`. */
  counts: z.enum(['total', 'since']).default('total'),
  /** Where in the answer the numbers are, as `data.orders.total`. */
  requests: z.string().default('requests'),
  errors: z.string().default('errors'),
  /** Pairs of upper edge (ms) and count, or an object of them; each counted once. */
  latency: z.string().default('latency'),
  bucketsMs: z.unknown().optional(),
};

export interface JsonSettings {
  readonly counts: 'total' | 'since';
  readonly requests: string;
  readonly errors: string;
  readonly latency: string;
}

const pairs = z.union([z.array(z.tuple([z.number(), z.number()])), z.record(z.string(), z.number())]);

/** @throws OutsideError `METRICS_UNREADABLE` */
function countedIn(json: unknown, settings: JsonSettings): Counted {
  const requests = at(json, settings.requests);
  const errors = at(json, settings.errors);
  if (typeof requests !== 'number') throw unreadable(`there is no number at ${settings.requests}`);
  if (typeof errors !== 'number') throw unreadable(`there is no number at ${settings.errors}`);
  const found = at(json, settings.latency);
  if (found === undefined || found === null) return { requests, errors, latency: new Map() };
  const parsed = pairs.safeParse(found);
  if (!parsed.success) throw unreadable(`what is at ${settings.latency} is neither a list of [ms, count] nor an object of them`);
  const list = Array.isArray(parsed.data)
    ? parsed.data
    : Object.entries(parsed.data).map(([edge, count]) => [Number(edge), count] as const);
  const latency = new Map<number, number>();
  for (const [edge, count] of list) {
    if (Number.isNaN(edge)) throw unreadable(`an edge at ${settings.latency} is not a number`);
    latency.set(edge, (latency.get(edge) ?? 0) + count);
  }
  return { requests, errors, latency };
}

function at(json: unknown, path: string): unknown {
  return path
    .split('.')
    .reduce<unknown>(
      (value, key) => (typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[key] : undefined),
      json,
    );
}

/** Asks for each version, and makes counters of the answers; `null` means that nothing is known of a version. */
export async function readingFrom(
  query: MetricQuery,
  settings: JsonSettings,
  previous: Reading | null,
  now: number,
  ask: (version: string, window: { readonly from: number; readonly to: number }) => Promise<unknown>,
): Promise<Reading> {
  const isSince = settings.counts === 'since';
  const window = { from: previous?.at ?? now, to: now };
  if (isSince && previous === null) {
    return { epoch: 'since', at: now, versions: Object.fromEntries(query.versions.map((id) => [id, countersOf(NOTHING)])) };
  }
  if (isSince && now <= window.from && previous !== null) return previous;
  const entries = await Promise.all(
    query.versions.map(async (version) => {
      const answer = await ask(version, window);
      const before = previous?.versions[version];
      // Out of sight is not begun again: what was counted stays counted.
      if (answer === null) return before === undefined ? [] : [[version, before] as const];
      const counted = countedIn(answer, settings);
      return [[version, isSince ? advanced(before, counted) : countersOf(counted)] as const];
    }),
  );
  return { epoch: isSince ? 'since' : 'total', at: now, versions: Object.fromEntries(entries.flat()) };
}
