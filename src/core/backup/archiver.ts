import type { Finding } from './catalog.ts';

/** What the source says of the archiving of its log. Times in ms. */
export interface ArchiverReading {
  /** Null: the log goes another way (streamed, or kept by the platform) and this source has no archiver of its own. */
  readonly mode: 'on' | 'off' | null;
  readonly failedCount: number;
  readonly lastFailedAt: number | null;
  readonly lastFailedSegment: string | null;
  readonly lastArchivedAt: number | null;
  /** Finished segments that wait to be archived. */
  readonly waiting: number;
  /** Since when the oldest of them waits; null when none does. */
  readonly waitingSince: number | null;
  /** The grant without which this role does not see what waits; null when it does. */
  readonly refused?: string | null;
}

/** How long a finished segment may lie about before something must be wrong, ms. */
const PATIENCE_MS = 5 * 60_000;

/** What is wrong with the archiving, by name. Without an archive every write since the last one is lost with the disk. */
export function judgeArchiver(reading: ArchiverReading, now: number, patienceMs = PATIENCE_MS): readonly Finding[] {
  if (reading.mode === null) return streamFindings(reading, now, patienceMs);
  if (reading.mode === 'off') {
    return [
      {
        code: 'ARCHIVER_OFF',
        severity: 'fail',
        message: 'the server archives nothing (archive_mode is off): no moment after the last backup can be restored',
        hint: 'Set archive_mode = on and archive_command in postgresql.conf, and restart the server; `sluice backup now` does both for the embedded one.',
      },
    ];
  }
  const failing = reading.lastFailedAt !== null && (reading.lastArchivedAt === null || reading.lastFailedAt > reading.lastArchivedAt);
  if (failing) {
    return [
      {
        code: 'ARCHIVER_FAILING',
        severity: 'fail',
        message: `the archive command fails (${reading.failedCount} times so far, last on segment ${reading.lastFailedSegment ?? 'unknown'}): ${waitingWords(reading)}`,
        hint: "The server's log has the command's own words. It is tried again by itself; until it works, pg_wal grows and the newest writes are in one place only.",
      },
    ];
  }
  if (reading.waitingSince !== null && now - reading.waitingSince > patienceMs) {
    return [
      {
        code: 'ARCHIVER_STOPPED',
        severity: 'fail',
        message: `the archiver does nothing: ${waitingWords(reading)}, the oldest for ${Math.round((now - reading.waitingSince) / 1000)} s`,
        hint: 'See whether archive_command is empty (`SHOW archive_command`) and whether the archiver process runs (`pg_stat_activity`).',
      },
    ];
  }
  if (reading.refused != null) {
    return [
      {
        code: 'CHECK_NOT_ALLOWED',
        severity: 'warn',
        message: 'whether the archiver has stopped cannot be seen by this role, only whether it fails',
        hint: `As a superuser: ${reading.refused};`,
      },
    ];
  }
  return [];
}

function streamFindings(reading: ArchiverReading, now: number, patienceMs: number): readonly Finding[] {
  if (reading.waitingSince === null || now - reading.waitingSince <= patienceMs) return [];
  return [
    {
      code: 'ARCHIVER_STOPPED',
      severity: 'fail',
      message: `the log is no longer fetched: the last time was ${Math.round((now - reading.waitingSince) / 1000)} s ago`,
      hint: 'It is fetched by the control plane: see that one runs, and what `sluice backup list` says of the last try.',
    },
  ];
}

function waitingWords({ waiting }: ArchiverReading): string {
  return waiting === 1 ? '1 finished segment waits' : `${waiting} finished segments wait`;
}
