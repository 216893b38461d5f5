import { quantileMs } from '../../core/analysis/histogram.ts';
import type { Effect, Evidence, MetricVerdict, Verdict } from '../../core/analysis/sample.ts';
import { towards } from './analysis.ts';
import type { Colour } from '../session/terminal.ts';
import { count, visibleLength } from './words.ts';
import type { Seen, Served } from './counts.ts';
import type { Marks } from './marks.ts';

export interface EvidenceOptions {
  readonly columns: number;
  readonly marks: Marks;
  readonly colour: (colour: Colour, text: string) => string;
}

interface Row {
  readonly name: string;
  readonly old: string;
  readonly candidate: string;
  /** The interval of the difference; empty where there is none. */
  readonly difference: string;
  readonly shown: string;
}

/** From this width on the interval of each difference is shown. */
const WIDE = 80;
const GAUGE = 16;

/** Old beside new in numbers, and how far the judge is from a verdict. `verdict`: as it would be now. Pure. */
export function evidenceOf(
  { app, stable, candidate }: { readonly app: string; readonly stable: string; readonly candidate: string },
  seen: Seen,
  verdict: Verdict,
  options: EvidenceOptions,
): string[] {
  const { columns, marks, colour } = options;
  const rows = [...numbers(seen, verdict, options), trend(seen, marks)];
  const isWide = columns >= WIDE;
  const head = [app, `old ${stable.slice(0, 7)}`, `new ${candidate.slice(0, 7)}`, ...(isWide ? ['DIFFERENCE, 95 %'] : []), 'SHOWN'];
  const cells = rows.map((row) => [row.name, row.old, row.candidate, ...(isWide ? [row.difference] : []), row.shown]);
  return [...aligned([head, ...cells]).map((line, i) => `  ${i === 0 ? colour('dim', line) : line}`), ...gauge(verdict, options)];
}

function numbers(seen: Seen, verdict: Verdict, { marks, colour }: EvidenceOptions): Row[] {
  const { baseline, candidate } = seen;
  const metric = (name: string): MetricVerdict | undefined => verdict.metrics.find((one) => one.name === name);
  const row = (name: string, of: (served: Served) => string, its: MetricVerdict | undefined): Row => ({
    name,
    old: of(baseline),
    candidate: of(candidate),
    difference: differenceText(its?.evidence?.effect ?? null),
    shown: its === undefined ? '' : shownText(its, marks, colour),
  });
  const quantile = (q: number) => (served: Served) => milliseconds(quantileMs(served.latency, q));
  return [
    row('requests', ({ requests }) => count(requests), undefined),
    row(
      'errors',
      ({ errors, requests }) => (requests === 0 ? 'no data' : percent(errors / requests)),
      metric('errors') ?? metric('error-rate'),
    ),
    row('p50', quantile(0.5), metric('latency p50')),
    row('p95', quantile(0.95), metric('latency p95')),
  ];
}

function trend({ baseline, candidate }: Seen, marks: Marks): Row {
  const known = [...baseline.trend, ...candidate.trend].filter((value) => value !== null);
  const highest = Math.max(0, ...known);
  const bars = ({ trend: values }: Served): string =>
    values
      .map((value) =>
        value === null ? marks.none : marks.bars[Math.min(marks.bars.length - 1, Math.floor((value / highest) * marks.bars.length))],
      )
      .join('');
  return { name: 'p95, 10 min', old: bars(baseline), candidate: bars(candidate), difference: '', shown: '' };
}

function shownText({ phase, evidence }: MetricVerdict, marks: Marks, colour: EvidenceOptions['colour']): string {
  if (phase === 'Failed') return colour('red', `${marks.failed} worse`);
  if (phase === 'Successful') return colour('green', `${marks.done} no worse`);
  return evidence === undefined ? `${marks.pending} ${phase.toLowerCase()}` : `${marks.pending} not yet`;
}

/** The metric that is furthest from being shown to be well, and its distance to both verdicts. */
function gauge({ metrics }: Verdict, { marks, colour }: EvidenceOptions): string[] {
  const judged = metrics.flatMap(({ name, evidence, phase, dryRun }) =>
    evidence === undefined || dryRun ? [] : [{ name, evidence, phase }],
  );
  const open = judged.filter(({ phase }) => phase !== 'Successful');
  const [slowest] = (open.length > 0 ? open : judged).toSorted((a, b) => wellness(a.evidence) - wellness(b.evidence));
  if (slowest === undefined) return [];
  const { good, goodNeeded, worse, worseNeeded } = slowest.evidence;
  const bar = (has: number | null, needed: number): string => {
    const full = Math.round(towards(has, needed) * GAUGE);
    return `${marks.full.repeat(full)}${marks.empty.repeat(GAUGE - full)} ${odds(has)} of ${odds(needed)}`;
  };
  return [
    '',
    `  verdict on ${slowest.name}`,
    `  ${colour('green', 'well ')} ${bar(good, goodNeeded)}`,
    `  ${colour('red', 'worse')} ${bar(worse, worseNeeded)}`,
  ];
}

function wellness({ good, goodNeeded }: Evidence): number {
  return towards(good, goodNeeded);
}

function odds(value: number | null): string {
  if (value === null) return '–';
  return value >= 1000 ? 'over 999' : String(Number(value.toPrecision(2)));
}

function differenceText(effect: Effect | null): string {
  if (effect === null) return '';
  const high = effect.high === null ? '∞' : effect.kind === 'ratio' ? effect.high.toFixed(2) : signed(effect.high);
  return effect.kind === 'ratio' ? `${effect.low.toFixed(2)} to ${high} ×` : `${signed(effect.low)} to ${high} pt`;
}

/** A share as points of a hundred with its sign: `+0.17`, `−0.09`. */
function signed(share: number): string {
  return `${share < 0 ? '−' : '+'}${Math.abs(100 * share).toFixed(2)}`;
}

function percent(share: number): string {
  return `${(100 * share).toFixed(2)} %`;
}

function milliseconds(ms: number | null): string {
  if (ms === null) return 'no data';
  return ms >= 1000 ? `${(ms / 1000).toFixed(2)} s` : `${ms.toFixed(1)} ms`;
}

/** Columns two spaces apart: the first and the last to the left, the numbers between to the right. */
function aligned(rows: readonly (readonly string[])[]): string[] {
  const widths = rows.reduce<number[]>((most, row) => row.map((cell, i) => Math.max(most[i] ?? 0, visibleLength(cell))), []);
  return rows.map((row) =>
    row
      .map((cell, i) => {
        const space = ' '.repeat((widths[i] ?? 0) - visibleLength(cell));
        return i === 0 || i === row.length - 1 ? cell + space : space + cell;
      })
      .join('  ')
      .trimEnd(),
  );
}
