import { type Entry, type Look, type Replay, replayOf } from '../../core/analysis/replay.ts';
import type { Effect, Estimate, Evidence, StreamEvidence } from '../../core/analysis/sample.ts';
import type { BakeForecast } from '../../core/analysis/sequential/planner.ts';
import { UserError } from '../../core/errors.ts';
import type { Recorded } from '../../engine/face.ts';
import type { Client } from '../control-plane/client.ts';
import { duration } from './words.ts';

const PAGE = 1000;

/** Events of the releases asked for, by release. */
export async function eventsOf(client: Client, releases: ReadonlySet<string>): Promise<ReadonlyMap<string, readonly Entry[]>> {
  const found = new Map<string, Entry[]>();
  for (let after = 0; ;) {
    const page = await client.get<{ events: Recorded[]; next: number }>('/v1/timeline', { after, limit: PAGE });
    for (const { stream, at, data } of page.events) {
      const release = stream.replace(/^release\//, '');
      if (releases.has(release)) found.set(release, [...(found.get(release) ?? []), { at, data }]);
    }
    if (page.events.length === 0) return found;
    after = page.next;
  }
}

/** @throws UserError `RELEASE_UNKNOWN`, `NO_ANALYSIS` */
export async function replayed(client: Client, release: string): Promise<Replay> {
  const events = (await eventsOf(client, new Set([release]))).get(release);
  if (events === undefined) throw new UserError('RELEASE_UNKNOWN', `there is no release ${release}`, '`sluice history` lists them.');
  const replay = replayOf(events);
  if (replay.looks.length === 0 && replay.verdicts.length === 0)
    throw new UserError(
      'NO_ANALYSIS',
      `no analysis has looked at release ${release}`,
      'Only canary and blueGreen strategies with an analysis bake.',
    );
  return replay;
}

const BARS = '▁▂▃▄▅▆▇█';
const WIDTH = 40;

/** Values from 0 to 1 as a line of bars, the highest of each stretch. */
export function sparkline(values: readonly number[]): string {
  const stretch = Math.max(1, Math.ceil(values.length / WIDTH));
  const highest = Array.from({ length: Math.ceil(values.length / stretch) }, (_, i) =>
    Math.max(...values.slice(i * stretch, (i + 1) * stretch)),
  );
  return highest.map((value) => BARS[Math.min(BARS.length - 1, Math.max(0, Math.round(value * (BARS.length - 1))))]).join('');
}

/** `0.94 % (0.4 … 2.1) against 0 % (0 … 0.37)`: what was seen, and what it may really be (95 %, at all looks together); and one by the other. */
export function estimates(metric: string, { candidate, baseline, effect }: Evidence): string {
  if (candidate === null) return '';
  const isLatency = metric.startsWith('latency');
  const digits = (value: number) =>
    isLatency ? (value >= 100 ? Math.round(value) : Number(value.toPrecision(3))) : Number((100 * value).toPrecision(2));
  const unit = isLatency ? 'ms' : '%';
  const one = ({ value, low, high }: Estimate) => `${digits(value)} ${unit} (${digits(low)} … ${digits(high)})`;
  // Releases judged by an earlier version of Sluice have no effect in their record.
  const by = effect === null || effect === undefined ? '' : `: ${effectText(effect)}`;
  return `${one(candidate)}${baseline === null ? '' : ` against ${one(baseline)}`}${by}`;
}

/** `1.31 × (1.05 … 1.6)`, `+0.94 points (0.1 … 2.1)` */
function effectText({ kind, value, low, high }: Effect): string {
  const short = (number: number) => Number((kind === 'ratio' ? number : 100 * number).toPrecision(kind === 'ratio' ? 3 : 2));
  const range = `(${short(low)} … ${high === null ? '∞' : short(high)})`;
  return kind === 'ratio' ? `${short(value)} × ${range}` : `${value >= 0 ? '+' : ''}${short(value)} points ${range}`;
}

/** What a bake can show of errors, before it begins. `perSecond`: requests of the new version. */
export function expectedText({ requests, requestsToPass, canPass, failsAbove }: BakeForecast, perSecond: number): string {
  const about = (count: number) => Number(count.toPrecision(2));
  const passing =
    requestsToPass === null
      ? 'The old version itself has too many errors for a new one like it to pass.'
      : `One as good as the old one has shown after about ${about(requestsToPass)} of them (${duration((1000 * about(requestsToPass)) / perSecond)}) that its errors are within the margin${canPass ? '' : ': the bake is too short for that'}.`;
  const failing =
    failsAbove === null
      ? 'No rate of errors fails within it'
      : `Errors above ${Number((100 * failsAbove).toPrecision(2))} % fail within it`;
  return `The bake judges about ${about(requests)} requests of the new version. ${passing} ${failing}.`;
}

/** How far towards a proof, 0 to 1, on the scale on which evidence adds up. */
export function towards(has: number | null, needed: number): number {
  return has === null || has <= 1 ? 0 : Math.min(1, Math.log(has) / Math.log(needed));
}

/** The looks of each analysis of each bake. */
export function byBake(looks: readonly Look[]): Map<string, Look[]> {
  const groups = new Map<string, Look[]>();
  for (const look of looks) {
    const key = `${look.app}${look.analysis === null ? '' : ` (${look.analysis})`}, step ${look.step + 1}`;
    groups.set(key, [...(groups.get(key) ?? []), look]);
  }
  return groups;
}

/** One row a stream that a verdict rests on: of whom, how much, and from when to when. */
export function streamRows(streams: readonly StreamEvidence[]): string[][] {
  const time = (at: number) => new Date(at).toISOString().slice(11, 19);
  return streams.map(({ arm, measure, source, count, oldestAt, freshestAt }) => [
    '',
    `${arm === 'candidate' ? 'new' : 'old'} ${measure}`,
    source,
    oldestAt === null || freshestAt === null ? 'never seen' : `${count} from ${time(oldestAt)} to ${time(freshestAt)}`,
  ]);
}
