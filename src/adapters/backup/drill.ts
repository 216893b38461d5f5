import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { type BackupRecord, type Catalog, type Finding, newestFirst } from '../../core/backup/catalog.ts';
import { judgeArchiver } from '../../core/backup/archiver.ts';
import {
  type DrillVerdict,
  type Evidence,
  type Incident,
  judgeCopy,
  judgeDrill,
  type Moment,
  pairOf,
  targetIn,
  type Timing,
} from '../../core/backup/drill.ts';
import { type Heartbeat, judgeCounts, judgeMigration, judgeSums, judgeTransactionIds } from '../../core/backup/inspection.ts';
import { someOf } from '../../core/backup/wal.ts';
import type { Progress, Restored } from '../../ports/backup.ts';
import { readBeats } from './heartbeat.ts';
import { databaseOf, inDatabase, inspect, smokeTest, sumOf } from './inspect.ts';
import type { KeeperOptions } from './keeper-options.ts';
import { findingOf } from './physical/small.ts';
import { timed, withClient } from './physical/scratch.ts';

export interface DrillResult {
  readonly evidence: Evidence;
  readonly verdict: DrillVerdict;
}

interface DrillOptions extends KeeperOptions {
  readonly drill: string;
  readonly seed: number;
  readonly digests: ReadonlyMap<string, string>;
  readonly say?: Progress | undefined;
}

interface Notes {
  readonly findings: Finding[];
  readonly compared: string[];
  readonly timings: Timing[];
}

/**
 * Act as if the source were lost now: restore everything there is, then restore to a random moment, and compare both with what is
 * known. Whatever goes wrong becomes a finding; only being told to stop ends it early.
 */
export async function runDrill(options: DrillOptions, signal: AbortSignal): Promise<DrillResult> {
  const { backup, policy } = options;
  const notes: Notes = { findings: [], compared: [], timings: [] };
  const incidentAt = Date.now();
  const catalog = await backup.catalog();
  const [newest] = newestFirst(catalog.backups);
  await judgeLog(options, incidentAt, notes);
  const latest = newest === undefined ? null : await restoreLatest(options, newest, incidentAt, notes, signal);
  if (newest === undefined)
    notes.findings.push({
      code: 'RESTORE_FAILED',
      severity: 'fail',
      message: `there is no backup of ${options.source}`,
      hint: '`sluice backup now` takes one.',
    });
  const target = newest === undefined || !backup.capabilities.pointInTime ? null : await restoreRandom(options, catalog, notes, signal);
  const evidence: Evidence = {
    drill: options.drill,
    adapter: backup.adapter,
    backup: newest?.id ?? 'none',
    incidentAt,
    target: target === null ? null : { at: target.at, seed: target.seed, reachedAt: target.reachedAt },
    rtoMs: latest?.rtoMs ?? null,
    rpoMs: latest?.rpoMs ?? null,
    bytes: newest?.bytes ?? 0,
    timings: notes.timings,
    compared: notes.compared,
    findings: notes.findings,
    exercised: exercisedBy(options, latest?.isSound === true, target !== null && target.isSound),
  };
  return { evidence, verdict: judgeDrill(evidence, policy) };
}

/** Whether the log goes on leaving the source at all: a copy of an hour ago may be sound, and the next one lost. */
async function judgeLog({ backup }: DrillOptions, now: number, notes: Notes): Promise<void> {
  const reading = await backup.archiver().catch(() => null);
  if (reading === null) return;
  const found = judgeArchiver(reading, now);
  notes.findings.push(...found);
  const how = reading.mode === null ? 'fetched from the server' : `archived by the server, ${reading.failedCount} failures`;
  notes.compared.push(`the log is ${how}, ${reading.waiting} finished segments wait`);
}

/** The runbooks whose restores this drill has done, as they are written. */
function exercisedBy({ backup }: DrillOptions, newest: boolean, moment: boolean): Incident[] {
  const fromCopy = backup.secondLocation !== null;
  // Where no moment can be chosen, the newest copy is what all of them come down to.
  const chosen = backup.capabilities.pointInTime ? moment : newest;
  const region: Incident[] = fromCopy && chosen ? ['regionLoss'] : [];
  return [...(chosen ? (['corruption', 'badRelease'] as const) : []), ...(newest ? (['dataCentreLoss'] as const) : []), ...region];
}

/** The disaster itself: how long until people can work again, and what they would have lost. */
async function restoreLatest(
  options: DrillOptions,
  newest: BackupRecord,
  incidentAt: number,
  notes: Notes,
  signal: AbortSignal,
): Promise<{ rtoMs: number | null; rpoMs: number | null; isSound: boolean }> {
  const { backup, eventStore, say } = options;
  const time = timed(notes.timings);
  const before = notes.findings.length;
  // Without a log there is no moment to choose: then this is the restore that tries the second location.
  const fromCopy = backup.secondLocation !== null && !backup.capabilities.pointInTime;
  let restored: Restored | null = null;
  let rtoMs: number | null = null;
  let rpoMs: number | null = null;
  try {
    const into = folderFor(options, 'newest');
    restored = await backup.restore({ backup: newest.id, to: null, into, scratch: true, fromCopy, say }, signal);
    notes.timings.push(...restored.timings);
    if (restored.url === null) {
      rtoMs = Date.now() - incidentAt;
      rpoMs = incidentAt - newest.endedAt;
    } else {
      const url = await databaseUrl(options, restored.url);
      say?.('looking into the copy');
      await time('smoke test', () => smokeTest(url, eventStore));
      rtoMs = Date.now() - incidentAt;
      rpoMs = await time('contents', () => compareContents(options, url, incidentAt, notes));
    }
    say?.('judging every page');
    const { pages, damaged } = await time('pages', () => (restored as Restored).checkPages(signal));
    if (pages > 0) notes.compared.push(`${pages} pages by their checksums, ${damaged.length} damaged`);
    if (damaged.length > 0)
      notes.findings.push({
        code: 'PAGE_CHECKSUM_WRONG',
        severity: 'fail',
        message: `${damaged.length} pages of the copy have a wrong checksum: ${someOf(damaged)}`,
        hint: 'Look for an earlier backup without this (`sluice backup verify`), and look after the disks.',
      });
  } catch (error) {
    if (signal.aborted) throw error;
    notes.findings.push(findingOf(error));
  } finally {
    await restored?.destroy().catch((error: unknown) => options.warn(`a scratch copy could not be removed: ${String(error)}`));
  }
  const isSound = rtoMs !== null && !notes.findings.slice(before).some(({ severity }) => severity === 'fail');
  say?.('reading what is stored');
  // What lies in the store, whether or not the restore went well: the log after the backup too.
  const defects = await time('stored files', () => backup.verify(newest.id, options.digests.get(newest.id) ?? null, signal));
  notes.findings.push(
    ...defects.filter(({ code, message }) => !notes.findings.some((one) => one.code === code && one.message === message)),
  );
  notes.compared.push(`${newest.id} and the log after it by their hashes, ${defects.length} defects`);
  return { rtoMs, rpoMs, isSound };
}

/** A folder that no other drill has: others on this machine may share the place, and begin in the same second. */
function folderFor({ scratch, drill }: DrillOptions, what: string): string {
  return join(scratch, `${drill}-${what}-${randomBytes(4).toString('hex')}`);
}

async function databaseUrl(options: DrillOptions, copy: string): Promise<string> {
  return options.url === null ? copy : inDatabase(copy, databaseOf(await options.url()));
}

/** @returns the recovery point: age of the newest heartbeat at the incident, ms */
async function compareContents(options: DrillOptions, url: string, incidentAt: number, notes: Notes): Promise<number | null> {
  const found = await inspect(url);
  notes.findings.push(...judgeTransactionIds(found.transactionIds));
  for (const one of found.transactionIds)
    notes.compared.push(`${one.table}: ${one.rows} rows, ${one.unreadable} not readable (ids to ${one.highest}, next ${one.next})`);
  for (const right of found.refused)
    notes.findings.push({
      code: 'CHECK_NOT_ALLOWED',
      severity: 'warn',
      message: `a table could not be read: ${right} is missing`,
      hint: `As its owner: ${right} TO <role>;`,
    });
  const beat = found.newest;
  if (beat === null) {
    notes.findings.push({
      code: 'HEARTBEAT_MISSING',
      severity: 'fail',
      message: 'the copy has no heartbeat: how much would have been lost cannot be said',
      hint: 'Heartbeats are written once a minute while `backups` is configured and a control plane runs; `sluice backup now` writes some.',
    });
    return null;
  }
  notes.findings.push(...judgeMigration(found.migration, beat.migration));
  notes.compared.push(`migration ${found.migration ?? 'none'}`);
  await compareSums(options, url, beat, notes);
  await compareCounts(options, found.counts, url, notes);
  return Math.max(0, incidentAt - beat.at);
}

async function compareSums(options: DrillOptions, copy: string, beat: Heartbeat, notes: Notes): Promise<void> {
  const { eventStore, url } = options;
  if (eventStore === null || beat.position === null || url === null) return;
  const source = await url()
    .then((at) => sumOf(at, eventStore, beat.position ?? '0'))
    .catch(() => null);
  if (source === null) {
    notes.compared.push(`${eventStore.table} not summed: the source does not answer`);
    return;
  }
  const found = await sumOf(copy, eventStore, beat.position);
  notes.findings.push(...judgeSums(source, found));
  for (const { table, rows, sum } of found)
    notes.compared.push(`${table}: ${rows} rows up to position ${beat.position}, sum ${sum}, as in the source`);
}

async function compareCounts(_options: DrillOptions, counts: Readonly<Record<string, number>>, url: string, notes: Notes): Promise<void> {
  const beats = await withClient(url, readBeats);
  const recorded = beats.findLast((beat) => beat.counts !== null)?.counts ?? null;
  if (recorded === null) return;
  notes.findings.push(...judgeCounts(counts, recorded, null));
  const rows = Object.values(counts).reduce((sum, count) => sum + count, 0);
  notes.compared.push(`row counts of ${Object.keys(recorded).length} tables (${rows} rows)`);
}

/** A moment in the window by lot: that it is reached, and not passed. */
async function restoreRandom(
  options: DrillOptions,
  catalog: Catalog,
  notes: Notes,
  signal: AbortSignal,
): Promise<(NonNullable<Evidence['target']> & { readonly isSound: boolean }) | null> {
  const { backup, seed, say } = options;
  const fromCopy = backup.secondLocation !== null;
  const before = notes.findings.length;
  const time = timed(notes.timings);
  const found = fromCopy ? await catalogOfCopy(options, catalog, notes, signal) : catalog;
  if (found === null) return null;
  const { backups, window } = found;
  const moment = window === null ? null : await momentOf(options, window, seed / 2 ** 31);
  if (moment === null) {
    const why = window === null ? 'there is no backup with a log without a gap' : 'the log after the oldest backup is too short yet';
    notes.compared.push(`no random moment: ${why}`);
    return null;
  }
  let restored: Restored | null = null;
  let reachedAt: number | null = null;
  try {
    const into = folderFor(options, 'random');
    const saying = say === undefined ? undefined : (text: string) => say(`a random moment: ${text}`);
    restored = await time('random moment', () =>
      backup.restore({ backup: null, to: moment.at, into, scratch: true, fromCopy, say: saying }, signal),
    );
    if (restored.url !== null) {
      const url = await databaseUrl(options, restored.url);
      reachedAt = await checkMoment(options, url, moment, notes);
    }
  } catch (error) {
    if (signal.aborted) throw error;
    const finding = findingOf(error);
    if (!notes.findings.some((one) => one.code === finding.code && one.message === finding.message)) notes.findings.push(finding);
  } finally {
    await restored?.destroy().catch((error: unknown) => options.warn(`a scratch copy could not be removed: ${String(error)}`));
  }
  const which = backups.length === 1 ? 'the only backup' : `one of ${backups.length} backups`;
  const from = fromCopy ? `${which} at the second location (${backup.secondLocation})` : which;
  notes.compared.push(`random moment ${new Date(moment.at).toISOString()} (seed ${seed}) from ${from}`);
  const isSound = restored !== null && !notes.findings.slice(before).some(({ severity }) => severity === 'fail');
  return { at: moment.at, seed, reachedAt, isSound };
}

/** What the second location has, held to what the first one had as the drill began. Null: it does not say. */
async function catalogOfCopy({ backup, policy }: DrillOptions, here: Catalog, notes: Notes, signal: AbortSignal): Promise<Catalog | null> {
  try {
    const copy = await backup.catalog(true);
    notes.findings.push(...judgeCopy(here.window, copy.window, backup.secondLocation ?? '', policy.objectives));
    return copy;
  } catch (error) {
    if (signal.aborted) throw error;
    notes.findings.push(findingOf(error));
    return null;
  }
}

/** Between two heartbeats where they are known: then there surely is a commit beyond the moment. */
async function momentOf(
  options: DrillOptions,
  window: { readonly from: number; readonly to: number },
  fraction: number,
): Promise<Moment | null> {
  const beats =
    options.url === null
      ? []
      : await options
          .url()
          .then((url) => withClient(url, readBeats))
          .catch(() => []);
  const pair = pairOf(beats, window, fraction);
  if (pair !== null) return pair;
  return window.to - window.from < 60_000 || beats.length > 0 ? null : { at: targetIn(window, fraction), last: null, beyond: null };
}

async function checkMoment(options: DrillOptions, url: string, moment: Moment, notes: Notes): Promise<number | null> {
  const beats = await withClient(url, readBeats);
  const newest = beats.at(-1) ?? null;
  if (newest !== null && newest.at > moment.at) {
    notes.findings.push({
      code: 'RESTORED_TOO_MUCH',
      severity: 'fail',
      message: `restored to ${new Date(moment.at).toISOString()}, the copy has a heartbeat of ${new Date(newest.at).toISOString()}`,
      hint: 'Clocks of source and control plane differ, or the moment was not heeded: see the log of the copy.',
    });
  }
  if (moment.last !== null && newest?.beat !== moment.last.beat) {
    notes.findings.push({
      code: 'RESTORE_FAILED',
      severity: 'fail',
      message: `restored to ${new Date(moment.at).toISOString()}, the newest heartbeat should be number ${moment.last.beat}, but it is ${newest?.beat ?? 'none'}`,
      hint: 'Part of the log is missing or was not replayed: `sluice backup verify` looks for gaps.',
    });
  }
  if (newest !== null) await compareSums(options, url, newest, notes);
  return newest?.at ?? null;
}
