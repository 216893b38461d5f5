import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { alarmChanges, standingAlarms } from './alarms.ts';
import type { BackupRecord } from './catalog.ts';
import { type Evidence, judgeCopy, judgeDrill, pairOf, span, targetIn } from './drill.ts';
import { type BackupState, evolveBackups, NO_BACKUPS } from './events.ts';
import { judgeCounts, judgeMigration, judgeSums, judgeTransactionIds } from './inspection.ts';
import { PAGE_SIZE, pageLsn, pageState } from './page-checksum.ts';
import { USUAL_POLICY } from './policy.ts';
import { expiry } from './retention.ts';
import { restoreOrder, runbook } from './runbook.ts';
import { dueBackup, isDrillDue, retryAfterMs } from './schedule.ts';
import { missingSegments, segmentAt, segmentName, segmentNumber } from './wal.ts';

const DAY = 86_400_000;
const NOW = 100 * DAY;
const SEGMENT = 16 << 20;

function backup(daysAgo: number, more: Partial<BackupRecord> = {}): BackupRecord {
  const at = NOW - daysAgo * DAY;
  const wal = {
    timeline: 1,
    startLsn: `0/${((100 - daysAgo) * 0x1000000).toString(16)}`,
    stopLsn: `0/${((100 - daysAgo) * 0x1000000 + 256).toString(16)}`,
  };
  return {
    id: `d${daysAgo}`,
    kind: 'full',
    needs: [],
    startedAt: at - 1000,
    endedAt: at,
    wal,
    bytes: 1,
    storedBytes: 1,
    digest: null,
    reason: 'schedule',
    damaged: [],
    ...more,
  };
}

describe('the log', () => {
  it('names segments as PostgreSQL does', () => {
    expect(segmentName(1, segmentAt('16/B374D848', SEGMENT), SEGMENT)).toBe('0000000100000016000000B3');
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 2 ** 30 }),
        fc.constantFrom(1 << 20, SEGMENT, 1 << 30),
        (number, bytes) => segmentNumber(segmentName(3, number, bytes), bytes) === number,
      ),
    );
  });

  it('a gap is found wherever it is, and other timelines fill it', () => {
    const names = [0, 1, 2, 3, 4].map((number) => segmentName(1, number, SEGMENT));
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 3 }), (gone) => {
        const left = names.filter((_, i) => i !== gone);
        expect(missingSegments(left, { timeline: 1, lsn: '0/28' }, SEGMENT)).toEqual([names[gone]]);
        expect(missingSegments([...left, segmentName(2, gone, SEGMENT)], { timeline: 1, lsn: '0/28' }, SEGMENT)).toEqual([]);
      }),
    );
    expect(missingSegments([], { timeline: 1, lsn: '0/28' }, SEGMENT, '0/2000000')).toEqual(names.slice(0, 2));
  });
});

describe('page checksums', () => {
  it('an empty page is empty, anything else without a header is damaged', () => {
    expect(pageState(new Uint8Array(PAGE_SIZE), 0)).toBe('empty');
    const page = new Uint8Array(PAGE_SIZE);
    page[5_000] = 1;
    expect(pageState(page, 0)).toBe('damaged');
    expect(pageLsn(page)).toBe(0n);
  });
});

describe('schedule', () => {
  it.each([
    ['nothing there', [], { kind: 'full' }],
    ['taken an hour ago', [backup(1 / 24)], { waitMs: 23 * 3_600_000 - 1000 }],
    ['a day ago', [backup(1)], { kind: 'diff' }],
    ['a week ago', [backup(7)], { kind: 'full' }],
    ['a diff just now, the full a week ago', [backup(7), backup(0, { kind: 'diff' })], { kind: 'full' }],
  ])('%s', (_, records, due) => expect(dueBackup(records, USUAL_POLICY, true, NOW)).toEqual(due));

  it('what fails is tried again, ever more seldom', () => {
    expect([0, 1, 2, 3, 20].map(retryAfterMs)).toEqual([0, 60_000, 120_000, 240_000, 3_600_000]);
  });
});

describe('retention', () => {
  const days = (ids: readonly string[]) => ids.map((id) => Number(id.slice(1)));

  it('keeps fulls for 30 days, and the one that the 7 days begin from', () => {
    const records = [40, 35, 29, 20, 8, 6, 1].map((day) => backup(day));
    const { expire, keep, walFrom, walOf } = expiry(records, new Set(['d1']), USUAL_POLICY, NOW);
    expect(days(expire)).toEqual([40, 35]);
    expect(days(keep)).toEqual([1, 6, 8, 20, 29]);
    expect(walFrom?.lsn).toBe(backup(8).wal?.startLsn);
    expect(walOf).toHaveLength(2);
  });

  it('nothing goes before something newer has been verified', () => {
    expect(expiry([backup(90), backup(40)], new Set(), USUAL_POLICY, NOW).expire).toEqual([]);
    expect(expiry([backup(90), backup(40)], new Set(['d90']), USUAL_POLICY, NOW).expire).toEqual([]);
    expect(expiry([backup(90), backup(40)], new Set(['d40']), USUAL_POLICY, NOW).expire).toEqual(['d90']);
  });

  it('never removes what others need, nor the last one, whatever the days', () => {
    const record = fc.record({ day: fc.integer({ min: 0, max: 90 }), isVerified: fc.boolean(), isPartial: fc.boolean() });
    fc.assert(
      fc.property(fc.uniqueArray(record, { selector: ({ day }) => day, minLength: 1, maxLength: 20 }), (drawn) => {
        const records = drawn.map(({ day, isPartial }) => {
          const base = drawn.filter((other) => other.day > day && !other.isPartial).toSorted((a, b) => a.day - b.day)[0];
          return backup(day, isPartial && base !== undefined ? { kind: 'diff', needs: [`d${base.day}`] } : {});
        });
        const verified = new Set(drawn.filter(({ isVerified }) => isVerified).map(({ day }) => `d${day}`));
        const { expire, keep } = expiry(records, verified, USUAL_POLICY, NOW);
        expect(keep.length).toBeGreaterThan(0);
        for (const one of records.filter(({ id }) => keep.includes(id))) for (const need of one.needs) expect(expire).not.toContain(need);
        for (const id of expire) expect([...verified].some((other) => days([other])[0]! < days([id])[0]!)).toBe(true);
      }),
    );
  });
});

const EVIDENCE: Evidence = {
  drill: 'd',
  adapter: 'embedded',
  backup: 'b',
  incidentAt: NOW,
  target: null,
  rtoMs: 1000,
  rpoMs: 2000,
  bytes: 1,
  timings: [],
  compared: [],
  findings: [],
};

describe('drills by schedule', () => {
  const due = (more: Partial<BackupState>, policy = USUAL_POLICY, records = [backup(2)]) =>
    isDrillDue({ ...NO_BACKUPS, verified: new Set(['d2']), ...more }, records, policy, NOW);
  const held = (daysAgo: number, passed: boolean): Partial<BackupState> => ({
    drill: { at: NOW - daysAgo * DAY, drill: 'd', passed, evidence: EVIDENCE, findings: [] },
    drillStartedAt: NOW - daysAgo * DAY,
  });

  it.each([
    ['the first, an hour after a verified backup', {}, true],
    ['not before one is verified', { verified: new Set<string>() }, false],
    ['not while one may be under way', { drillStartedAt: NOW - 3_600_000 }, false],
    ['again if one was cut off', { drillStartedAt: NOW - 2 * DAY }, true],
    ['not while the last is young', held(29, true), false],
    ['a seventh before the last is too old', held(30, true), true],
    ['a day after one that failed', held(1, false), true],
  ])('%s', (_name, more, isDue) => {
    expect(due(more)).toBe(isDue);
  });

  it('never where they are to be asked for, and not just after the first backup', () => {
    expect(due({}, { ...USUAL_POLICY, drill: { ...USUAL_POLICY.drill, isScheduled: false } })).toBe(false);
    expect(due({}, USUAL_POLICY, [{ ...backup(2), endedAt: NOW - 60_000 }])).toBe(false);
  });

  it('one that was never held is an alarm from the first backup on, however often the control plane begins anew', () => {
    const state = evolveBackups(NO_BACKUPS, { type: 'BackupTaken', source: 'shop', backup: backup(36) }, NOW - 36 * DAY);
    const alarms = standingAlarms(
      { source: 'shop', catalog: { backups: [backup(0)], window: null, uncopied: [] }, archiver: null, heartbeatAt: NOW, since: NOW },
      state,
      USUAL_POLICY,
      NOW,
    );
    expect(alarms.map(({ code }) => code)).toEqual(['DRILL_OVERDUE']);
  });
});

describe('the verdict of a drill', () => {
  it.each([
    [{}, []],
    [{ rtoMs: 5 * 3_600_000 }, ['RTO_MISSED']],
    [{ rpoMs: 2 * 3_600_000 }, ['RPO_MISSED']],
    [{ rtoMs: null, rpoMs: null }, ['RTO_MISSED', 'RPO_MISSED']],
  ])('%j', (more, codes) => {
    const { passed, findings } = judgeDrill({ ...EVIDENCE, ...more }, USUAL_POLICY);
    expect(findings.map(({ code }) => code)).toEqual(codes);
    expect(passed).toBe(codes.length === 0);
  });

  it('a moment lies between heartbeats far enough apart for the first to be committed, near the second', () => {
    const beat = (at: number, i: number) =>
      ({ beat: i, at, lsn: '0/1' as never, position: null, migration: null, counts: null, nextId: 1n }) as never;
    const beats = [0, 5000, 5010, 9000, 9005].map(beat);
    for (const fraction of [0, 0.3, 0.6, 0.999]) {
      const found = pairOf(beats, { from: 1, to: 9000 }, fraction);
      expect(found).toMatchObject({ last: { at: 5010 }, beyond: { at: 9000 }, at: 8601 });
    }
    // The log need not hold all of the second, but something beyond the moment.
    expect(pairOf(beats, { from: 1, to: 8601 }, 0)).toMatchObject({ at: 8601 });
    expect(pairOf(beats, { from: 1, to: 8600 }, 0)).toMatchObject({ at: 5009 });
    // Where all are close to each other, the two furthest apart are taken.
    expect(pairOf([0, 100, 500].map(beat), { from: -1, to: 1000 }, 0)).toMatchObject({ at: 460, last: { at: 100 } });
    expect(pairOf([7].map(beat), { from: 0, to: 10 }, 0)).toBeNull();
    expect(pairOf([], { from: 0, to: 10 }, 0)).toBeNull();
  });

  it('a second location may lag by no more than may be lost', () => {
    const { objectives } = USUAL_POLICY;
    const here = { from: 0, to: 10 * objectives.rpoMs };
    const behind = (ms: number) => ({ ...here, to: here.to - ms });
    expect(judgeCopy(here, behind(objectives.rpoMs), 's3://b', objectives)).toEqual([]);
    expect(judgeCopy(here, behind(objectives.rpoMs + 1), 's3://b', objectives)).toMatchObject([
      {
        code: 'COPY_MISSING',
        severity: 'fail',
        message: expect.stringMatching(/^the second location \(s3:\/\/b\) ends at .*, 1 h before the first$/),
      },
    ]);
    expect(judgeCopy(here, null, 's3://b', objectives)).toMatchObject([{ code: 'COPY_MISSING' }]);
    // What the first itself does not have is not the second's fault.
    expect(judgeCopy(null, null, 's3://b', objectives)).toEqual([]);
  });

  it('the same number gives the same moment, inside the window', () => {
    fc.assert(
      fc.property(fc.double({ noNaN: true }), (fraction) => {
        const at = targetIn({ from: 10, to: 20 }, fraction);
        expect(at >= 10 && at <= 20).toBe(true);
      }),
    );
    expect([999, 61_000, 3_660_000, 200_000_000].map(span)).toEqual(['1.0 s', '1 min 1 s', '1 h 1 min', '2 d 7 h']);
  });
});

describe('contents of a copy', () => {
  it('rows that no reader sees', () => {
    const ids = { table: 'event', column: 'txid', rows: 10, unreadable: 10, highest: '38827', next: '733' };
    expect(judgeTransactionIds([ids]).map(({ code }) => code)).toEqual(['EVENTS_UNREADABLE']);
    expect(judgeTransactionIds([{ ...ids, highest: '732', unreadable: 0 }])).toEqual([]);
  });

  it('counts within what moves between two beats, and no table that has become empty', () => {
    expect(judgeCounts({ a: 101, b: 50 }, { a: 100, b: 50 }, null)).toEqual([]);
    expect(judgeCounts({ a: 0 }, { a: 1 }, { a: 1 }).map(({ code }) => code)).toEqual(['ROW_COUNT_DIFFERS']);
    expect(judgeCounts({}, { a: 100 }, null).map(({ code }) => code)).toEqual(['ROW_COUNT_DIFFERS']);
    expect(judgeCounts({ a: 150 }, { a: 100 }, { a: 200 })).toEqual([]);
  });

  it('sums and migrations are equal or named', () => {
    const sum = { table: 'event', rows: 2, sum: '7' };
    expect(judgeSums([sum], [sum])).toEqual([]);
    expect(judgeSums([sum], [{ ...sum, sum: '8' }]).map(({ code }) => code)).toEqual(['CHECKSUM_DIFFERS']);
    expect(judgeSums([sum], []).map(({ code }) => code)).toEqual(['CHECKSUM_DIFFERS']);
    expect(judgeMigration('1', '1')).toEqual([]);
    expect(judgeMigration('1', '2').map(({ code }) => code)).toEqual(['MIGRATION_VERSION_DIFFERS']);
  });
});

describe('alarms', () => {
  const watched = {
    source: 'shop',
    catalog: { backups: [backup(0)], window: null, uncopied: [] },
    archiver: null,
    heartbeatAt: NOW,
    since: NOW - 40 * DAY,
  };
  const codesOf = (more: object, state = NO_BACKUPS) =>
    standingAlarms({ ...watched, ...more }, state, USUAL_POLICY, NOW).map(({ code }) => code);

  it('are raised once, and cleared when it is put right', () => {
    expect(codesOf({})).toEqual(['DRILL_OVERDUE']);
    const [finding] = standingAlarms(watched, NO_BACKUPS, USUAL_POLICY, NOW);
    const [raised] = alarmChanges('shop', NO_BACKUPS, finding === undefined ? [] : [finding]);
    expect(raised).toMatchObject({ type: 'BackupAlarmRaised' });
    const after = raised === undefined ? NO_BACKUPS : evolveBackups(NO_BACKUPS, raised, NOW);
    expect(alarmChanges('shop', after, finding === undefined ? [] : [finding])).toEqual([]);
    expect(alarmChanges('shop', after, [])).toEqual([{ type: 'BackupAlarmCleared', source: 'shop', code: 'DRILL_OVERDUE' }]);
  });

  it('a drill that failed, one that is old, backups that do not come, heartbeats that stop, copies that are missing', () => {
    const drilled = (at: number, passed: boolean) =>
      evolveBackups(NO_BACKUPS, { type: 'DrillEnded', source: 'shop', drill: 'd', passed, evidence: EVIDENCE, findings: [] }, at);
    expect(codesOf({}, drilled(NOW - DAY, true))).toEqual([]);
    expect(codesOf({}, drilled(NOW - DAY, false))).toEqual(['DRILL_FAILED']);
    expect(codesOf({}, drilled(NOW - 36 * DAY, true))).toEqual(['DRILL_OVERDUE']);
    expect(
      codesOf({ catalog: { backups: [backup(3)], window: null, uncopied: ['d3'] }, heartbeatAt: NOW - 3_600_000 }, drilled(NOW, true)),
    ).toEqual(['BACKUP_OVERDUE', 'HEARTBEAT_STALE', 'COPY_MISSING']);
  });
});

describe('runbooks', () => {
  const source = (name: string, order: number, second: string | null) => ({
    name,
    adapter: 'embedded',
    isOwn: name === 'events',
    restoresTo: 'folder' as const,
    pointInTime: true,
    order,
    location: '/var/backups',
    second,
    policy: USUAL_POLICY,
    catalog: { backups: [backup(1)], window: { from: NOW - DAY, to: NOW }, uncopied: [] },
    alarms: [],
    drill: {
      at: NOW,
      passed: true,
      evidence: {
        ...EVIDENCE,
        timings: [{ part: 'files', ms: 900 }],
        exercised: second === null ? ['dataCentreLoss' as const] : ['dataCentreLoss' as const, 'regionLoss' as const],
      },
    },
  });

  it('follow the critical path, name the real places, and say what would be lost', () => {
    const sources = [source('search', 20, null), source('events', 10, 's3://other')];
    expect(restoreOrder(sources).map(({ name }) => name)).toEqual(['events', 'search']);
    const text = runbook({ workspace: 'shop', sources, environments: [{ name: 'production', apps: ['api', 'web'] }], madeAt: NOW });
    for (const title of ['## Corruption', '## Bad release', '## Loss of a data centre', '## Loss of a region'])
      expect(text).toContain(title);
    expect(text.indexOf('**events**')).toBeLessThan(text.indexOf('**search**'));
    expect(text).toContain('`sluice backup restore events --offline --into /var/lib/sluice/restored-events` (1.0 s in the drill of');
    expect(text).toContain('`sluice backup restore events --offline --from-copy --into /var/lib/sluice/restored-events`');
    expect(text).toMatch(/## Loss of a region\n\n.* Gone through by the last drill of events \(.*\). \*\*Not yet\*\* of search\.\n/);
    expect(text).toMatch(/## Corruption\n\n.* No drill has gone through this yet\.\n/);
    expect(text).toContain('search: there is **no second copy**');
    expect(text).toContain('api → web');
  });
});
