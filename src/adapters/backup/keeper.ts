import { randomInt } from 'node:crypto';
import { alarmChanges, standingAlarms } from '../../core/backup/alarms.ts';
import type { BackupKind, BackupRecord, Catalog, Finding } from '../../core/backup/catalog.ts';
import { type BackupEvent, type BackupState, evolveBackups, NO_BACKUPS } from '../../core/backup/events.ts';
import type { BackupPolicy } from '../../core/backup/policy.ts';
import { expiry } from '../../core/backup/retention.ts';
import { dueBackup, isDrillDue, retryAfterMs } from '../../core/backup/schedule.ts';
import { UserError } from '../../core/errors.ts';
import type { Progress, Restored } from '../../ports/backup.ts';
import { runDrill, type DrillResult } from './drill.ts';
import { beat, clockOf, lastBeatAt } from './heartbeat.ts';
import type { KeeperOptions } from './keeper-options.ts';
import { within } from '../../lib/within.ts';

/** Looks after the backups of one source. One backup at a time, one look at a time: what takes long is not begun twice. */
export interface Keeper {
  readonly source: string;
  readonly options: KeeperOptions;
  take(
    reason: string,
    signal: AbortSignal,
    how?: { readonly kind?: BackupKind; readonly say?: Progress | undefined },
  ): Promise<{ record: BackupRecord; findings: readonly Finding[] }>;
  verify(id: string | null, signal: AbortSignal): Promise<{ id: string; findings: readonly Finding[] }>;
  restore(request: RestoreWish, signal: AbortSignal): Promise<Restored>;
  drill(
    by: string,
    signal: AbortSignal,
    how?: { readonly seed?: number | undefined; readonly say?: Progress | undefined },
  ): Promise<DrillResult>;
  overview(): Promise<Overview>;
  /** A moment that a release can be put back to, made before it changes data. */
  restorePoint(name: string, signal: AbortSignal): Promise<{ readonly at: number; readonly backup: string }>;
  /** What must not wait for anything that takes long: heartbeat, shipping, alarms. Called every few seconds. */
  pulse(now: number, signal: AbortSignal): Promise<void>;
  /** A pulse, and what the schedule says: a backup, expiry, a drill. It may take hours; pulses go on meanwhile. */
  tick(now: number, signal: AbortSignal): Promise<void>;
}

export interface RestoreWish {
  readonly to: number | null;
  readonly backup: string | null;
  readonly into: string;
  readonly by: string;
  readonly fromCopy?: boolean | undefined;
  readonly say?: Progress | undefined;
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
  /** Two backups of a source at once help nobody, nor two restores for a look; but a drill keeps no backup waiting. */
  const taking = line();
  const looking = line();
  const judging = line();
  let mayExpire = false;
  const record = (...events: BackupEvent[]) => journal.append(stream, events);
  const state = async () => (await journal.read(stream)).reduce((before, { data, at }) => evolveBackups(before, data, at), NO_BACKUPS);

  async function heartbeat(counts: boolean): Promise<void> {
    if (options.url === null) return;
    await beat(await options.url(), { eventStore: options.eventStore, counts });
    lastBeat = Date.now();
    beats += 1;
  }

  async function takeNow(kind: BackupKind, reason: string, signal: AbortSignal, say?: Progress) {
    try {
      await backup.prepare(signal);
      await heartbeat(true);
      const made = await backup.take({ kind, reason, say }, signal);
      await record({ type: 'BackupTaken', source, backup: made });
      say?.('verifying');
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
    take: (reason, signal, { kind = 'full', say } = {}) => taking.next(() => takeNow(kind, reason, signal, say)),
    overview,
    verify: (wanted, signal) =>
      looking.next(async () => {
        const { backups } = await backup.catalog();
        const id = wanted ?? backups.toSorted((a, b) => b.endedAt - a.endedAt)[0]?.id;
        if (id === undefined)
          throw new UserError('BACKUP_UNKNOWN', `there is no backup of ${source} yet`, '`sluice backup now` takes one.');
        const findings = await backup.verify(id, (await state()).digests.get(id) ?? null, signal);
        await record({ type: 'BackupVerified', source, backup: id, findings });
        return { id, findings };
      }),
    restore: ({ to, backup: id, into, by, fromCopy, say }, signal) =>
      looking.next(async () => {
        await backup
          .ship(signal, true)
          .catch((error: unknown) => options.warn(`the newest log could not be fetched before the restore: ${String(error)}`));
        const restored = await backup.restore({ backup: id, to, into, scratch: false, fromCopy, say }, signal);
        await record({ type: 'BackupRestored', source, backup: restored.backup, to, into, by });
        return restored;
      }),
    drill: (by, signal, how = {}) => looking.next(() => drillNow(by, signal, how)),
    restorePoint: (name, signal) =>
      taking.next(async () => {
        const known = (await state()).restorePoints.find((point) => point.name === name);
        if (known !== undefined) return known;
        const patience = within(signal, Math.max(RESTORE_POINT_WAIT_MS, policy.objectives.rtoMs));
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
    pulse,
    async tick(now, signal) {
      if (!options.isScheduled) return;
      await pulse(now, signal);
      await attempt('schedule', signal, () => onSchedule(now, signal));
      await attempt('alarms', signal, updateAlarms);
    },
  };

  async function attempt(what: string, signal: AbortSignal, work: () => Promise<unknown>): Promise<void> {
    await work().catch((error: unknown) => {
      if (!signal.aborted) options.warn(`${what} of ${source}: ${error instanceof Error ? error.message : String(error)}`);
    });
  }

  async function pulse(now: number, signal: AbortSignal): Promise<void> {
    if (!options.isScheduled) return;
    if (now - lastBeat >= policy.heartbeatMs) await attempt('heartbeat', signal, () => heartbeat(beats % COUNT_EVERY_BEATS === 0));
    await attempt('log', signal, async () => {
      if ((await backup.catalog()).backups.length > 0) await backup.ship(signal);
    });
    await attempt('alarms', signal, updateAlarms);
  }

  async function onSchedule(now: number, signal: AbortSignal): Promise<void> {
    const before = await backup.catalog();
    const due = dueBackup(before.backups, policy, backup.capabilities.partial, now);
    const { failures } = await state();
    const mayTry = failures === null || now - failures.lastAt >= retryAfterMs(failures.count);
    if ('kind' in due && mayTry) {
      await attempt('backup', signal, () => taking.next(() => takeNow(due.kind, 'schedule', signal)));
      mayExpire = true;
    }
    // Nothing is taken away from under a drill or a restore.
    if (mayExpire && !looking.isBusy()) {
      mayExpire = false;
      await attempt('expiry', signal, () => looking.next(() => expire(now)));
    }
    const { backups } = await backup.catalog();
    if (!looking.isBusy() && isDrillDue(await state(), backups, policy, now))
      await attempt('drill', signal, () => looking.next(() => drillNow('schedule', signal, {})));
  }

  async function drillNow(
    by: string,
    signal: AbortSignal,
    { seed = randomInt(2 ** 31), say }: { readonly seed?: number | undefined; readonly say?: Progress | undefined },
  ): Promise<DrillResult> {
    const id = `drill-${new Date().toISOString().replaceAll(/[-:]|\.\d+/g, '')}`;
    await record({ type: 'DrillStarted', source, drill: id, by });
    const result = await runDrill({ ...options, drill: id, seed, digests: (await state()).digests, say }, signal);
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
  }

  /** Two at once would raise the same alarm twice. */
  async function updateAlarms(): Promise<void> {
    await judging.next(compareAlarms);
  }

  async function compareAlarms(): Promise<void> {
    const { state: now, alarms } = await overview();
    const changes = alarmChanges(source, now, alarms);
    if (changes.length === 0) return;
    await record(...changes);
    for (const change of changes)
      if (change.type === 'BackupAlarmRaised')
        options.warn(`alarm: ${change.finding.message} (${change.finding.code}). ${change.finding.hint}`);
  }
}

/** One after the other. */
function line(): { next<T>(work: () => Promise<T>): Promise<T>; isBusy(): boolean } {
  let queue: Promise<unknown> = Promise.resolve();
  let waiting = 0;
  return {
    next(work) {
      waiting += 1;
      const result = queue.then(work, work);
      queue = result.then(
        () => (waiting -= 1),
        () => (waiting -= 1),
      );
      return result;
    },
    isBusy: () => waiting > 0,
  };
}
