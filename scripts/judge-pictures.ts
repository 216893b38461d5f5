/**
 * Makes the pictures of docs/judge.md from evidence of real runs, kept in docs/pictures/runs:
 * `SLUICE_RECORD=$PWD/docs/pictures/runs npx vitest run test/e2e/verdicts.spec.ts -t embedded` records others.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Evidence } from '../src/core/analysis/sample.ts';

const folder = join(import.meta.dirname, '../docs/pictures');

type Metric = { readonly name: string } & Pick<Evidence, 'worse' | 'worseNeeded' | 'good' | 'goodNeeded' | 'candidate' | 'baseline'>;

interface Look {
  readonly second: number;
  readonly phase: string;
  readonly metrics: readonly Metric[];
}

interface Run {
  readonly verdict: string;
  readonly looks: readonly Look[];
}

interface Picture {
  readonly run: string;
  readonly title: string;
  /** Metric whose estimate is drawn, and its unit. */
  readonly metric: string;
  readonly unit: '%' | 'ms';
  readonly stake: 'worse' | 'good';
}

const PICTURES: readonly Picture[] = [
  { run: 'errors', title: 'A version with 1 % more errors', metric: 'errors', unit: '%', stake: 'worse' },
  { run: 'tail', title: 'A version whose slowest tenth is 1.3 × slower', metric: 'latency p95', unit: 'ms', stake: 'worse' },
  { run: 'diurnal', title: 'A good version, while traffic and latency swing', metric: 'latency p50', unit: 'ms', stake: 'good' },
];

const [WIDTH, LEFT, RIGHT] = [720, 64, 16];
const TOP = { y: 46, height: 138 };
const BOTTOM = { y: 224, height: 130 };
const COLOURS = { candidate: '#c2410c', baseline: '#2563eb', grid: '#d4d4d8', text: '#3f3f46', needed: '#15803d' };

function picture({ run, title, metric, unit, stake }: Picture): string {
  const { looks, verdict } = JSON.parse(readFileSync(join(folder, 'runs', `${run}.json`), 'utf8')) as Run;
  const end = looks.at(-1)?.second ?? 1;
  const x = (second: number) => LEFT + ((WIDTH - LEFT - RIGHT) * second) / end;
  const at = looks.map(({ second, metrics }) => ({ second, of: metrics.find(({ name }) => name === metric) }));
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} 404" font-family="system-ui, sans-serif" font-size="12" fill="${COLOURS.text}">`,
    `<title>${escaped(title)}: ${escaped(verdict)}</title>`,
    '<rect width="100%" height="100%" fill="#ffffff"/>',
    `<text x="${LEFT}" y="18" font-size="14" font-weight="600">${escaped(title)}</text>`,
    ...estimates(at, x, unit, metric),
    ...stakes(looks, x, stake),
    ...seconds(end, x),
    `<text x="${LEFT}" y="396" font-size="11">${escaped(short(verdict))}</text>`,
    '</svg>\n',
  ].join('\n');
}

type Seen = readonly { readonly second: number; readonly of: Metric | undefined }[];

/** Both versions with what they may be at most and at least, at every look. */
function estimates(at: Seen, x: (second: number) => number, unit: '%' | 'ms', metric: string): string[] {
  const scale = unit === '%' ? 100 : 1;
  const drawn = at.filter(({ second }) => second >= (at.at(-1)?.second ?? 0) * 0.15);
  const top = Math.max(...drawn.flatMap(({ of }) => [of?.candidate?.high ?? 0, of?.baseline?.high ?? 0])) * scale;
  const most = unit === '%' ? Math.min(top, 6) : top;
  const y = (value: number) => TOP.y + TOP.height * (1 - Math.min(value * scale, most) / most);
  const lines = (['baseline', 'candidate'] as const).flatMap((arm) => {
    const points = at.flatMap(({ second, of }) => (of?.[arm] == null ? [] : [{ second, ...of[arm] }]));
    const upper = points.map(({ second, high }) => `${n(x(second))},${n(y(high))}`);
    const lower = points.map(({ second, low }) => `${n(x(second))},${n(y(low))}`).toReversed();
    const middle = points.map(({ second, value }) => `${n(x(second))},${n(y(value))}`);
    return [
      `<polygon points="${[...upper, ...lower].join(' ')}" fill="${COLOURS[arm]}" opacity="0.15"/>`,
      `<polyline points="${middle.join(' ')}" fill="none" stroke="${COLOURS[arm]}" stroke-width="2"/>`,
    ];
  });
  const marks = [0, 0.5, 1].map((part) => {
    const value = (most * part).toPrecision(2);
    return `<text x="${LEFT - 6}" y="${n(TOP.y + TOP.height * (1 - part) + 4)}" text-anchor="end">${Number(value)} ${unit}</text>`;
  });
  const legend = `<text x="${LEFT}" y="37">${escaped(metric)}: <tspan fill="${COLOURS.candidate}">new</tspan>, <tspan fill="${COLOURS.baseline}">old</tspan>; shaded: what it may be</text>`;
  return [frame(TOP), ...lines, ...marks, legend];
}

/** How far the bets are, on the scale on which evidence adds up. */
function stakes(looks: readonly Look[], x: (second: number) => number, stake: 'worse' | 'good'): string[] {
  const needed = looks[0]?.metrics[0]?.[stake === 'worse' ? 'worseNeeded' : 'goodNeeded'] ?? 100;
  const [low, high] = [0.1, needed * 10];
  const part = (value: number) => Math.log(Math.min(Math.max(value, low), high) / low) / Math.log(high / low);
  const y = (value: number) => BOTTOM.y + BOTTOM.height * (1 - part(value));
  const names = [...new Set(looks.flatMap(({ metrics }) => metrics.filter((one) => one[stake] !== null).map(({ name }) => name)))];
  // Quantiles share the bet that something is slower: one line says it.
  const shown =
    stake === 'worse'
      ? names.filter((name) => !name.startsWith('latency') || name === names.find((other) => other.startsWith('latency')))
      : names;
  const lines = shown.map((name, i) => {
    const points = looks.flatMap(({ second, metrics }) => {
      const value = metrics.find((one) => one.name === name)?.[stake] ?? null;
      return value === null ? [] : [`${n(x(second))},${n(y(value))}`];
    });
    const dash = ['', '6 3', '2 3', '8 3 2 3', '1 4'][i % 5];
    const label = `<text x="${LEFT + 8 + i * 120}" y="${BOTTOM.y - 6}"><tspan font-weight="600">${['—', '– –', '···', '–·–', '· ·'][i % 5]}</tspan> ${escaped(stake === 'worse' && name.startsWith('latency') ? 'latency' : name)}</text>`;
    return `<polyline points="${points.join(' ')}" fill="none" stroke="${COLOURS.text}" stroke-width="1.6" stroke-dasharray="${dash}"/>${label}`;
  });
  const line = `<line x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${n(y(needed))}" y2="${n(y(needed))}" stroke="${COLOURS.needed}" stroke-width="1.5"/>`;
  const what = stake === 'worse' ? 'worse: proven' : 'well: proven';
  const marks = [1, needed].map(
    (value) => `<text x="${LEFT - 6}" y="${n(y(value) + 4)}" text-anchor="end">${value === 1 ? '1' : Math.round(needed)}</text>`,
  );
  const one = `<line x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${n(y(1))}" y2="${n(y(1))}" stroke="${COLOURS.grid}"/>`;
  const note = `<text x="${LEFT + 6}" y="${n(y(needed) - 5)}" fill="${COLOURS.needed}">${what}</text>`;
  return [frame(BOTTOM), one, line, note, ...lines, ...marks];
}

function seconds(end: number, x: (second: number) => number): string[] {
  const step = end > 60 ? 20 : end > 25 ? 10 : 5;
  return Array.from({ length: Math.floor(end / step) + 1 }, (_, i) => i * step).map(
    (second) => `<text x="${n(x(second))}" y="${BOTTOM.y + BOTTOM.height + 16}" text-anchor="middle">${second} s</text>`,
  );
}

function frame({ y, height }: { readonly y: number; readonly height: number }): string {
  return `<rect x="${LEFT}" y="${y}" width="${WIDTH - LEFT - RIGHT}" height="${height}" fill="none" stroke="${COLOURS.grid}"/>`;
}

function short(text: string): string {
  return text.length > 112 ? `${text.slice(0, 110)}…` : text;
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
}

function n(value: number): string {
  return String(Number(value.toFixed(1)));
}

for (const one of PICTURES) writeFileSync(join(folder, `judge-${one.run}.svg`), picture(one));
