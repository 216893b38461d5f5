import { randomInt } from 'node:crypto';
import { alarmChanges, standingAlarms } from '../../core/backup/alarms.ts';
import type { BackupKind, BackupRecord, Catalog, Finding } from '../../core/backup/catalog.ts';
import { type BackupEvent, type BackupState, evolveBackups, NO_BACKUPS } from '../../core/backup/events.ts';
import type { BackupPolicy } from '../../core/backup/policy.ts';
import { expiry } from '../../core/backup/retention.ts';
import { dueBackup, retryAfterMs } from '../../core/backup/schedule.ts';
import { UserError } from '../../core/errors.ts';
import type { Backup, Restored } from '../../ports/backup.ts';
import { runDrill, type DrillResult } from './drill.ts';
import { beat, clockOf, type EventStoreTable, lastBeatAt } from './heartbeat.ts';

/** Where events are kept: the stream `backup/<source>` of the event log. */
export interface Journal {
  append(stream: string, events: readonly BackupEvent[]): Promise<void>;
  read(stream: string): Promise<readonly { readonly at: number; readonly data: BackupEvent }[]>;
}

export interface KeeperOptions {
  readonly source: string;
  readonly backup: Backup;
  readonly policy: BackupPolicy;
  readonly journal: Journal;
  /** Connection string of the source's database; null when it is none. */
  readonly url: (() => Promise<string>) | null;
  readonly eventStore: EventStoreTable | null;
  /** Folder in which scratch copies are made; PostgreSQL's user can enter it. */
  readonly scratch: string;
  readonly isScheduled: boolean;
  warn(message: string): void;
}

/** Looks after the backups of one source. One thing at a time: what takes long is not begun twice. */
export interface Keeper {
  readonly source: string;
  readonly options: KeeperOptions;
  take(reason: string, signal: AbortSignal, kind?: BackupKind): Promise<{ record: BackupRecord; findings: readonly Finding[] }>;
  verify(id: string | null, signal: AbortSignal): Promise<{ id: string; findings: readonly Finding[] }>;
  restore(request: { to: number | null; backup: string | null; into: string; by: string }, signal: AbortSignal): Promise<Restored>;
  drill(by: string, signal: AbortSignal, seed?: number): Promise<DrillResult>;
  overview(): Promise<Overview>;
  /** A moment that a release can be put back to, made before it changes data. */
  restorePoint(name: string, signal: AbortSignal): Promise<{ readonly at: number; readonly backup: string }>;
  /** Called once a minute: heartbeat, shipping, schedule, expiry, alarms. */
  tick(now: number, signal: AbortSignal): Promise<void>;
}

export interface Overview {
  readonly source: string;
  readonly adapter: string;
  readonly policy: BackupPolicy;
  readonly catalog: Catalog;
  readonly state: BackupState;
  readonly alarms: readonly Finding[];
}

const COUNT_EVERY_BEATS = 10;
/** A restore point needs no new full backup when one is there that the log goes on from. */
const RESTORE_POINT_WAIT_MS = 300_000;

export function createKeeper(options: KeeperOptions): Keeper {
  const { source, backup, policy, journal } = options;
  const stream = `backup/${source}`;
  const since = Date.now();
  let beats = 0;
  let lastBeat = 0;
  let queue: Promise<unknown> = Promise.resolve();

  /** One after the other: two backups of a source at once help nobody. */
  function alone<T>(work: () => Promise<T>): Promise<T> {
    const result = queue.then(work, work);
    queue = result.catch(() => {});
    return result;
  }
  const record = (...events: BackupEvent[]) => journal.append(stream, events);
  const state = async () => (await journal.read(stream)).reduce((before, { data, at }) => evolveBackups(before, data, at), NO_BACKUPS);

  async function heartbeat(counts: boolean): Promise<void> {
    if (options.url === null) return;
    await beat(await options.url(), { eventStore: options.eventStore, counts });
    lastBeat = Date.now();
    beats += 1;
  }

  async function takeNow(kind: BackupKind, reason: string, signal: AbortSignal) {
    try {
      await backup.prepare(signal);
      await heartbeat(true);
      const made = await backup.take({ kind, reason }, signal);
      await record({ type: 'BackupTaken', source, backup: made });
      const findings = await backup.verify(made.id, made.digest, signal);
      await record({ type: 'BackupVerified', source, backup: made.id, findings });
      // So that the first moment after the backup can be restored to: recovery needs a commit beyond it.
      await heartbeat(false);
      return { record: made, findings };
    } catch (error) {
      if (!signal.aborted) {
        const { code } = error as { code?: string };
        await record({
          type: 'BackupFailed',
          source,
          code: code ?? 'BUG',
          message: error instanceof Error ? error.message : String(error),
        });
      }
      throw error;
    }
  }

  async function expire(now: number): Promise<void> {
    const [{ backups }, { verified }] = await Promise.all([backup.catalog(), state()]);
    const what = expiry(backups, verified, policy, now);
    await backup.expire(what);
    if (what.expire.length > 0) await record({ type: 'BackupsExpired', source, backups: what.expire });
  }

  async function overview(): Promise<Overview> {
    const [catalog, now] = await Promise.all([backup.catalog(), state()]);
    return { source, adapter: backup.adapter, policy, catalog, state: now, alarms: await alarmsOf(catalog, now) };
  }

  async function alarmsOf(catalog: Catalog, now: BackupState): Promise<readonly Finding[]> {
    if (catalog.backups.length === 0 && !options.isScheduled) return [];
    const archiver = await backup.archiver().catch(() => null);
    const heartbeatAt =
      options.url === null
        ? null
        : await options
            .url()
            .then(lastBeatAt)
            .catch(() => null);
    const alarms = standingAlarms({ source, catalog, archiver, heartbeatAt, since }, now, policy, Date.now());
    return options.isScheduled
      ? alarms
      : alarms.filter(({ code }) => !['BACKUP_OVERDUE', 'DRILL_OVERDUE', 'HEARTBEAT_STALE'].includes(code));
  }

  return {
    source,
    options,
    take: (reason, signal, kind = 'full') => alone(() => takeNow(kind, reason, signal)),
    overview,
    verify: (wanted, signal) =>
      alone(async () => {
        const { backups } = await backup.catalog();
        const id = wanted ?? backups.toSorted((a, b) => b.endedAt - a.endedAt)[0]?.id;
        if (id === undefined)
          throw new UserError('BACKUP_UNKNOWN', `there is no backup of ${source} yet`, '`sluice backup now` takes one.');
        const findings = await backup.verify(id, (await state()).digests.get(id) ?? null, signal);
        await record({ type: 'BackupVerified', source, backup: id, findings });
        return { id, findings };
      }),
    restore: ({ to, backup: id, into, by }, signal) =>
      alone(async () => {
        await backup
          .ship(signal, true)
          .catch((error: unknown) => options.warn(`the newest log could not be fetched before the restore: ${String(error)}`));
        const restored = await backup.restore({ backup: id, to, into, scratch: false }, signal);
        await record({ type: 'BackupRestored', source, backup: restored.backup, to, into, by });
        return restored;
      }),
    drill: (by, signal, seed = randomInt(2 ** 31)) =>
      alone(async () => {
        const id = `drill-${new Date().toISOString().replaceAll(/[-:]|\.\d+/g, '')}`;
        await record({ type: 'DrillStarted', source, drill: id, by });
        const result = await runDrill({ ...options, drill: id, seed, digests: (await state()).digests }, signal);
        await record({
          type: 'DrillEnded',
          source,
          drill: id,
          passed: result.verdict.passed,
          evidence: result.evidence,
          findings: result.verdict.findings,
        });
        await updateAlarms();
        return result;
      }),
    restorePoint: (name, signal) =>
      alone(async () => {
        const known = (await state()).restorePoints.find((point) => point.name === name);
        if (known !== undefined) return known;
        const patience = AbortSignal.any([signal, AbortSignal.timeout(Math.max(RESTORE_POINT_WAIT_MS, policy.objectives.rtoMs))]);
        const { backups } = await backup.catalog();
        const needsFull = !backup.capabilities.pointInTime || backups.length === 0;
        const base = needsFull ? (await takeNow('full', name, patience)).record : backups.toSorted((a, b) => b.endedAt - a.endedAt)[0];
        await heartbeat(true);
        const at = options.url === null ? Date.now() : await clockOf(await options.url());
        // A commit beyond the moment, or recovery would look for its end in vain; and the log of both out of the house.
        await new Promise((resolve) => setTimeout(resolve, 5));
        await heartbeat(false);
        await backup.ship(patience, true);
        const point = { name, at, backup: base?.id ?? '' };
        await record({ type: 'BackupPointMade', source, ...point });
        return point;
      }),
    async tick(now, signal) {
      if (!options.isScheduled) return;
      const attempt = async (what: string, work: () => Promise<unknown>) => {
        await work().catch((error: unknown) => {
          if (!signal.aborted) options.warn(`${what} of ${source}: ${error instanceof Error ? error.message : String(error)}`);
        });
      };
      if (now - lastBeat >= policy.heartbeatMs) await attempt('heartbeat', () => heartbeat(beats % COUNT_EVERY_BEATS === 0));
      await alone(async () => {
        const { backups } = await backup.catalog();
        const due = dueBackup(backups, policy, backup.capabilities.partial, now);
        const { failures } = await state();
        const mayTry = failures === null || now - failures.lastAt >= retryAfterMs(failures.count);
        if ('kind' in due && mayTry) await attempt('backup', () => takeNow(due.kind, 'schedule', signal).then(() => expire(now)));
        else if (backups.length > 0) await attempt('log', () => backup.ship(signal));
      }).catch((error: unknown) => options.warn(`backups of ${source}: ${String(error)}`));
      await attempt('alarms', updateAlarms);
    },
  };

  async function updateAlarms(): Promise<void> {
    const { state: now, alarms } = await overview();
    const changes = alarmChanges(source, now, alarms);
    if (changes.length === 0) return;
    await record(...changes);
    for (const change of changes)
      if (change.type === 'BackupAlarmRaised')
        options.warn(`alarm: ${change.finding.message} (${change.finding.code}). ${change.finding.hint}`);
  }
}
