import type { Catalog, Finding } from './catalog.ts';
import type { Heartbeat } from './inspection.ts';
import type { BackupPolicy } from './policy.ts';

/** How long one part of a drill took. */
export interface Timing {
  readonly part: string;
  readonly ms: number;
}

/** What a drill has shown; kept as an event. */
export interface Evidence {
  readonly drill: string;
  readonly adapter: string;
  readonly backup: string;
  /** When the drill took it that the source is lost, ms. */
  readonly incidentAt: number;
  /** The random moment that was restored to, and what the copy then reached; null when only the newest could be. */
  readonly target: { readonly at: number; readonly seed: number; readonly reachedAt: number | null } | null;
  /** From the incident until the copy answered well, ms; null when it never did. */
  readonly rtoMs: number | null;
  /** Age of the newest write that a restore of everything would have kept, ms; null when none was found. */
  readonly rpoMs: number | null;
  readonly bytes: number;
  readonly timings: readonly Timing[];
  /** What was compared, in words with figures. */
  readonly compared: readonly string[];
  readonly findings: readonly Finding[];
  /** The incidents whose runbook was gone through, and did what it says. */
  readonly exercised?: readonly Incident[];
}

/** What there is a runbook for. */
export type Incident = 'corruption' | 'badRelease' | 'dataCentreLoss' | 'regionLoss';

export interface DrillVerdict {
  readonly passed: boolean;
  readonly findings: readonly Finding[];
}

/** A moment to restore to. */
export interface Moment {
  readonly at: number;
  /** Heartbeat that must be there, and the first that must not; null when the source could not say. */
  readonly last: Heartbeat | null;
  readonly beyond: Heartbeat | null;
}

/** A heartbeat tells when it was written; it is committed later, on a busy machine much later. */
const COMMITTED_MS = 1_000;

/**
 * A moment of the window between two heartbeats: then there surely is a commit beyond it. Of those that are far enough apart for the first to be
 * committed in between, or else the two furthest apart; near the second, which is committed after it says it was. Null: there are none.
 */
export function pairOf(beats: readonly Heartbeat[], window: NonNullable<Catalog['window']>, fraction: number): Moment | null {
  const pairs = beats.flatMap((last, i) => {
    const beyond = beats[i + 1];
    if (beyond === undefined) return [];
    const gap = beyond.at - last.at;
    const at = Math.round(last.at + Math.max(1, gap * 0.9));
    return last.at <= window.from || at > window.to ? [] : [{ last, beyond, gap, at }];
  });
  const widest = Math.max(...pairs.map(({ gap }) => gap));
  const usable = pairs.filter(({ gap }) => gap >= Math.min(widest, COMMITTED_MS));
  const chosen = usable[Math.min(usable.length - 1, Math.floor(fraction * usable.length))];
  if (chosen === undefined) return null;
  const { at, last, beyond } = chosen;
  return { at, last, beyond };
}

/** A second location from which less could be restored than is promised: it would be found out on the day it is needed. */
export function judgeCopy(
  here: Catalog['window'],
  copy: Catalog['window'],
  location: string,
  { rpoMs }: BackupPolicy['objectives'],
): Finding[] {
  if (here === null || (copy !== null && here.to - copy.to <= rpoMs)) return [];
  const what =
    copy === null
      ? 'has no backup that could be restored'
      : `ends at ${new Date(copy.to).toISOString()}, ${span(here.to - copy.to)} before the first`;
  return [
    {
      code: 'COPY_MISSING',
      severity: 'fail',
      message: `the second location (${location}) ${what}`,
      hint: 'See that it is the place that is meant, and the log of the control plane for what keeps the copies from it.',
    },
  ];
}

/** A moment inside the window, by a number from 0 to 1: the same number gives the same moment. */
export function targetIn(window: NonNullable<Catalog['window']>, fraction: number): number {
  return Math.round(window.from + (window.to - window.from) * Math.min(1, Math.max(0, fraction)));
}

/** Evidence against the objectives. What was not measured was not met. */
export function judgeDrill(evidence: Evidence, { objectives }: Pick<BackupPolicy, 'objectives'>): DrillVerdict {
  const findings = [...evidence.findings];
  const broken = findings.some(({ code }) => code === 'RESTORE_FAILED');
  if (evidence.rtoMs === null ? !broken : evidence.rtoMs > objectives.rtoMs) {
    findings.push({
      code: 'RTO_MISSED',
      severity: 'fail',
      message: `recovery took ${evidence.rtoMs === null ? 'for ever' : span(evidence.rtoMs)}; the objective is ${span(objectives.rtoMs)}`,
      hint: 'See which part takes the time: take fulls more often (less log to replay), keep a copy nearer, or use a faster disk.',
    });
  }
  if (evidence.rpoMs === null ? !broken : evidence.rpoMs > objectives.rpoMs) {
    findings.push({
      code: 'RPO_MISSED',
      severity: 'fail',
      message: `${evidence.rpoMs === null ? 'nothing recent' : `writes of the last ${span(evidence.rpoMs)}`} would have been lost; the objective is ${span(objectives.rpoMs)}`,
      hint: 'See the archiver: the log must leave the machine at least that often (archive_timeout), and heartbeats must be written.',
    });
  }
  return { passed: !findings.some(({ severity }) => severity === 'fail'), findings };
}

/** `1.3 s`, `4 min 10 s`, `2 h` */
export function span(ms: number): string {
  if (ms < 10_000) return `${(ms / 1000).toFixed(1)} s`;
  const seconds = Math.round(ms / 1000);
  if (seconds < 60) return `${seconds} s`;
  const parts = (big: number, unit: string, small: number, smallUnit: string) =>
    small === 0 ? `${big} ${unit}` : `${big} ${unit} ${small} ${smallUnit}`;
  if (seconds < 3600) return parts(Math.floor(seconds / 60), 'min', seconds % 60, 's');
  if (seconds < 172_800) return parts(Math.floor(seconds / 3600), 'h', Math.floor((seconds % 3600) / 60), 'min');
  return parts(Math.floor(seconds / 86_400), 'd', Math.floor((seconds % 86_400) / 3600), 'h');
}
