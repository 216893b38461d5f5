import type { Condition, Measure } from '../../core/analysis/policy.ts';
import type { EdgeRoute } from '../../core/app/traffic.ts';
import type { StatusRange } from '../../core/app/run.ts';

export const DURATION = /^(\d+(?:\.\d+)?) ?(ms|s|m|h|d)$/;
const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** `"30s"`, `"5m"`, `"250ms"`, `"1.5h"`, or a number of milliseconds → ms; null when it is none of these. */
export function parseDuration(value: string | number): number | null {
  if (typeof value === 'number') return Number.isFinite(value) && value >= 0 ? Math.round(value) : null;
  const match = DURATION.exec(value);
  const unit = UNIT_MS[match?.[2] ?? ''];
  return match === null || unit === undefined ? null : Math.round(Number(match[1]) * unit);
}

export const SIZE = /^(\d+(?:\.\d+)?) ?(B|KiB|MiB|GiB)$/;
const UNIT_BYTES: Readonly<Record<string, number>> = { B: 1, KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3 };

/** `"32KiB"`, `"1.5MiB"`, or a number of bytes → bytes; null when it is none of these. */
export function parseSize(value: string | number): number | null {
  if (typeof value === 'number') return Number.isInteger(value) && value >= 0 ? value : null;
  const [, amount, unit = ''] = SIZE.exec(value) ?? [];
  const bytes = UNIT_BYTES[unit];
  return amount === undefined || bytes === undefined ? null : Math.round(Number(amount) * bytes);
}

export const STATUS = /^(?:([1-5])xx|([1-5]\d\d)(?:-([1-5]\d\d))?)$/;

/** `204`, `"204"`, `"2xx"` or `"200-399"` as HTTP statuses, both ends included; null when it is none of these. */
export function parseStatus(value: string | number): StatusRange | null {
  const [, hundreds, from, to = from] = STATUS.exec(String(value)) ?? [];
  if (hundreds !== undefined) return { from: Number(hundreds) * 100, to: Number(hundreds) * 100 + 99 };
  return from === undefined || Number(from) > Number(to) ? null : { from: Number(from), to: Number(to) };
}

/**
 * A command line as arguments, without a shell: spaces part, '…' and "…" hold together, \ takes the next
 * letter as it is (inside "…" only before " and \). Nothing is expanded. Null when a quote stays open.
 */
export function splitArgv(line: string): string[] | null {
  const words: string[] = [];
  let word: string | null = null;
  let quote: string | null = null;
  for (let i = 0; i < line.length; i += 1) {
    const letter = line.charAt(i);
    const next = line.charAt(i + 1);
    if (quote === null && /\s/.test(letter)) {
      if (word !== null) words.push(word);
      word = null;
    } else if (quote === null && (letter === '"' || letter === "'")) {
      quote = letter;
      word ??= '';
    } else if (letter === quote) {
      quote = null;
    } else if (letter === '\\' && (quote === null || (quote === '"' && (next === '"' || next === '\\')))) {
      if (next === '') return null;
      word = (word ?? '') + next;
      i += 1;
    } else {
      word = (word ?? '') + letter;
    }
  }
  if (quote !== null) return null;
  return word === null ? words : [...words, word];
}

/** What a shell would act on in a command line that no shell reads; null when there is nothing of the kind. */
export function shellSyntax(argv: readonly string[]): string | null {
  return argv.find((word) => /^(&&|\|\|?|;|&|[0-9]?>{1,2}|<)$/.test(word) || /^[^'"]*\$[({A-Za-z_]/.test(word)) ?? null;
}

const COMPARES = ['<', '<=', '>', '>='] as const;
export const CONDITION = /^(<=|>=|<|>)\s*(\d+(?:\.\d+)?)\s*(%|ms|s)?(?:\s+(of baseline))?$/;

/** `"< 1 %"`, `"<= 300 ms"`, `"<= 110 % of baseline"`; null when it is none of these. */
export function parseCondition(text: string): Condition | null {
  const match = CONDITION.exec(text);
  if (match === null) return null;
  const [, sign, digits, unit, relative] = match;
  const compare = COMPARES.find((known) => known === sign);
  if (compare === undefined) return null;
  if (relative !== undefined && (unit === 'ms' || unit === 's')) return null;
  const value = unit === '%' ? Number((Number(digits) / 100).toPrecision(12)) : unit === 's' ? Number(digits) * 1000 : Number(digits);
  return { compare, value, of: relative === undefined ? 'candidate' : 'ratio' };
}

export const MEASURE = /^(errorRate|p(?=.*[1-9])\d{1,2}(?:\.\d+)?)$/;

/** `"errorRate"`, or a latency quantile: `"p95"`, `"p99.9"`. */
export function parseMeasure(text: string): Measure | null {
  if (!MEASURE.test(text)) return null;
  if (text === 'errorRate') return { kind: 'errorRate' };
  return { kind: 'latency', quantile: Number((Number(text.slice(1)) / 100).toPrecision(12)) };
}

export const ROUTE = /^([A-Za-z0-9.-]+)?(\/[^\s?#]*)?$/;

/** `"/api"`, `"shop.example.com"`, `"shop.example.com/api"`; null when it is none of these. */
export function parseRoute(text: string): EdgeRoute | null {
  const match = ROUTE.exec(text);
  if (match === null || text === '') return null;
  return route(match[1] ?? null, match[2] ?? '/');
}

export function route(host: string | null, prefix: string): EdgeRoute {
  return { host: host === null ? null : host.toLowerCase(), pathPrefix: prefix.length > 1 ? prefix.replace(/\/+$/, '') || '/' : '/' };
}

/** A duration that has been checked, in ms. */
export function ms(value: string | number | undefined): number {
  const parsed = value === undefined ? null : parseDuration(value);
  if (parsed === null) throw new TypeError(`unchecked duration ${String(value)}`);
  return parsed;
}

/** Without the keys that are undefined, so that a spread keeps the defaults below them. */
export function defined<T extends object>(value: T | undefined): { [K in keyof T]?: Exclude<T[K], undefined> } {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- taking undefined away is what the type says
  return Object.fromEntries(Object.entries(value ?? {}).filter(([, item]) => item !== undefined)) as {
    [K in keyof T]?: Exclude<T[K], undefined>;
  };
}
