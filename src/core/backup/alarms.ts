import { type ArchiverReading, judgeArchiver } from './archiver.ts';
import { type Catalog, type Finding, newestFirst } from './catalog.ts';
import { span } from './drill.ts';
import type { BackupEvent, BackupState } from './events.ts';
import type { BackupPolicy } from './policy.ts';

export interface Watched {
  readonly source: string;
  readonly catalog: Catalog;
  readonly archiver: ArchiverReading | null;
  /** Of the newest heartbeat in the source; null when there is none yet. */
  readonly heartbeatAt: number | null;
  /** When this source was first looked after, ms: before that nothing can be overdue. */
  readonly since: number;
}

/** Everything that is wrong with the backups of a source now. */
export function standingAlarms(watched: Watched, state: BackupState, policy: BackupPolicy, now: number): readonly Finding[] {
  const { catalog, archiver, heartbeatAt, since, source } = watched;
  const found: Finding[] = archiver === null ? [] : [...judgeArchiver(archiver, now)];
  const newest = newestFirst(catalog.backups)[0];
  // Twice the schedule: one that takes long or is tried again is no alarm.
  const allowed = 2 * policy.schedule.betweenMs;
  const last = newest?.endedAt ?? since;
  if (now - last > allowed) {
    const why = state.failures === null ? '' : `; the last try: ${state.failures.message}`;
    found.push({
      code: 'BACKUP_OVERDUE',
      severity: 'fail',
      message: `the newest backup of ${source} is ${newest === undefined ? 'still missing' : `${span(now - newest.endedAt)} old`}, twice the schedule${why}`,
      hint: '`sluice backup now` says what keeps it from being taken.',
    });
  }
  if (heartbeatAt !== null && now - heartbeatAt > Math.max(5 * policy.heartbeatMs, 300_000)) {
    found.push({
      code: 'HEARTBEAT_STALE',
      severity: 'fail',
      message: `the last heartbeat in ${source} is ${span(now - heartbeatAt)} old`,
      hint: 'Heartbeats are written by a running control plane that can write to the source. Without them a restore to a time may have no end to find.',
    });
  }
  if (catalog.uncopied.length > 0) {
    found.push({
      code: 'COPY_MISSING',
      severity: 'warn',
      message: `${catalog.uncopied.length} backup(s) of ${source} are not at the second location: ${catalog.uncopied.slice(0, 3).join(', ')}`,
      hint: 'They are copied again every round; see the control plane log for what keeps them.',
    });
  }
  return [...found, ...drillAlarms(watched, state, policy, now)];
}

function drillAlarms({ source, since }: Watched, { drill, firstTakenAt }: BackupState, policy: BackupPolicy, now: number): Finding[] {
  const found: Finding[] = [];
  if (drill !== null && !drill.passed) {
    const names = drill.findings.filter(({ severity }) => severity === 'fail').map(({ code }) => code);
    found.push({
      code: 'DRILL_FAILED',
      severity: 'fail',
      message: `the last drill of ${source} failed: ${names.join(', ')}`,
      hint: '`sluice backup list` shows what it found; drill again once it is put right.',
    });
  }
  // From the first backup on: a control plane that is started anew every week is no excuse.
  if (now - (drill?.at ?? firstTakenAt ?? since) > policy.drill.everyMs) {
    found.push({
      code: 'DRILL_OVERDUE',
      severity: 'fail',
      message: `${source} was ${drill === null ? 'never drilled' : `last drilled ${span(now - drill.at)} ago`}; the schedule says every ${span(policy.drill.everyMs)}`,
      hint: 'Run `sluice drill`, and see in the log of the control plane what kept it from drilling by itself. A backup that has not been restored is a hope.',
    });
  }
  return found;
}

/** Events that bring the recorded alarms to what stands now. */
export function alarmChanges(source: string, state: BackupState, standing: readonly Finding[]): readonly BackupEvent[] {
  const codes = new Set(standing.map(({ code }) => code as string));
  return [
    ...standing
      .filter(({ code }) => !state.alarms.has(code))
      .map((finding): BackupEvent => ({ type: 'BackupAlarmRaised', source, finding })),
    ...[...state.alarms.keys()]
      .filter((code) => !codes.has(code))
      .map((code): BackupEvent => ({ type: 'BackupAlarmCleared', source, code })),
  ];
}
