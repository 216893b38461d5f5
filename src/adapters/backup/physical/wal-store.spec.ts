import { describe, expect, it } from 'vitest';
import { endOfLog, neededWal, type StoredWal } from './wal-store.ts';

const SEGMENT = 1 << 24;
const FROM = { timeline: 1, startLsn: '0/2000028', stopLsn: '0/2000100' };
const segment = (timeline: number, number: number) =>
  `0000000${timeline}00000000000000${number.toString(16).toUpperCase().padStart(2, '0')}`;
const piece = (name: string, newest: number | null, at = 0): StoredWal => ({ name, newest, at, key: name, sha256: '' });
const log = (timeline: number, ...newest: (number | null)[]) => newest.map((one, i) => piece(segment(timeline, i + 2), one, 10_000 + i));
const names = (...wanted: Parameters<typeof neededWal>) => neededWal(...wanted).map(([name]) => name.slice(-2));

describe('the log that a restore needs', () => {
  it('goes up to the first commit beyond the moment, over segments without any, whenever they were stored', () => {
    const wal = log(1, 100, 0, 200, 0, 300, 400);
    expect(names(wal, FROM, SEGMENT, 150)).toEqual(['02', '03', '04']);
    expect(names(wal, FROM, SEGMENT, 200)).toEqual(['02', '03', '04', '05', '06']);
    expect(names(wal, FROM, SEGMENT, 1000)).toHaveLength(6);
    expect(names(wal, FROM, SEGMENT, null)).toHaveLength(6);
  });

  it('holds all of the log of the backup itself, whatever its commits are dated', () => {
    expect(names(log(1, 900, 100, 200), { ...FROM, stopLsn: '0/3000100' }, SEGMENT, 150)).toEqual(['02', '03', '04']);
  });

  it('ends nowhere on what was stored before keys said when it ends', () => {
    expect(names(log(1, null, null, null, 300, 400), FROM, SEGMENT, 150)).toEqual(['02', '03', '04', '05']);
  });

  it('is a streamed segment under the name of the whole one', () => {
    const wal = [...log(1, 100), piece(`${segment(1, 3)}.partial`, 200)];
    expect(neededWal(wal, FROM, SEGMENT, null).map(([name, { key }]) => [name, key])).toEqual([
      [segment(1, 2), segment(1, 2)],
      [segment(1, 3), `${segment(1, 3)}.partial`],
    ]);
  });

  it('follows another timeline where a history says where that came from, and not without', () => {
    const other = log(2, 0, 500, 600);
    const wal = [...log(1, 100, 200, 300, 400), ...other];
    expect(names(wal, FROM, SEGMENT, 250)).toEqual(expect.arrayContaining(['04']));
    const followed = neededWal([...wal, piece('00000002.history', null)], FROM, SEGMENT, 250).map(([name]) => name);
    expect(followed).toContain(segment(2, 3));
    expect(followed).not.toContain(segment(2, 4));
    expect([endOfLog(wal, 1), endOfLog(wal, 2), endOfLog([...wal, piece('00000002.history', null)], 1)]).toEqual([399, 599, 599]);
  });
});

describe('the end of the log', () => {
  it('is just before its newest commit, so that there is one to stop at', () => {
    expect(endOfLog(log(1, 100, 300, 0, 200), 1)).toBe(299);
    expect([endOfLog([], 1), endOfLog(log(1, 0, 0), 1)]).toEqual([null, null]);
  });

  it('is when it was stored, of what was stored before keys said more', () => {
    expect(endOfLog([...log(1, null, null), piece('00000001.history', null, 99_999)], 1)).toBe(10_000);
  });
});
