import type { ReportContent } from '../../core/gates/contents.ts';
import { damaged, Unreadable } from './damage.ts';
import { jsonOf } from './encoding.ts';
import { k6Schema } from './schema.ts';
import { checked, wholeReader } from './whole.ts';

/**
 * Figures of a performance test: k6's summary (`handleSummary` or `--summary-export`), or any JSON of numbers. Names are
 * `http_req_duration.p(95)`, or the keys on the way to a number joined by dots.
 */
export const k6Reader = wholeReader('k6', parseMetrics);

function parseMetrics(bytes: Uint8Array): ReportContent {
  const value = jsonOf(bytes);
  if (!isObject(value)) throw damaged('it is no object of figures.');
  const metrics = new Map<string, number>();
  const broken: string[] = [];
  if (isObject(value['metrics'])) {
    for (const [name, metric] of Object.entries(checked(k6Schema, value).metrics)) {
      const { thresholds, values, ...rest } = metric;
      numbers(isObject(values) ? values : rest, name, metrics, 0);
      if (thresholds !== undefined) broken.push(...brokenOf(name, thresholds));
    }
  } else numbers(value, '', metrics, 0);
  if (metrics.size === 0) throw new Unreadable('empty', 'it has no figure.');
  return { kind: 'metrics', metrics, broken };
}

const DEEPEST = 20;

function numbers(value: Readonly<Record<string, unknown>>, at: string, into: Map<string, number>, depth: number): void {
  if (depth > DEEPEST) throw damaged('its figures are nested too deep.');
  for (const [key, item] of Object.entries(value)) {
    const name = at === '' ? key : `${at}.${key}`;
    if (typeof item === 'number') into.set(name, item);
    else if (isObject(item)) numbers(item, name, into, depth + 1);
  }
}

/** k6 says `{ ok }` in its summary, and in an export whether the threshold last failed. */
function brokenOf(name: string, thresholds: unknown): string[] {
  if (!isObject(thresholds)) throw damaged(`the thresholds of ${name} are not as k6 has them.`);
  return Object.entries(thresholds).flatMap(([rule, said]) => {
    if (typeof said === 'boolean') return said ? [`${name} ${rule}`] : [];
    if (isObject(said) && typeof said['ok'] === 'boolean') return said['ok'] ? [] : [`${name} ${rule}`];
    throw damaged(`the threshold ${rule} of ${name} is not as k6 has them.`);
  });
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
