import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { OutsideError } from '../../../core/errors.ts';
import type { BackupStore } from '../../../ports/backup.ts';
import { checkWal, endOfLog, neededWal, removeSuperseded, type StoredWal, superseded } from './wal-store.ts';

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

describe('a part of a segment that a newer piece has taken the place of', () => {
  const hash = (text: string) => createHash('sha256').update(text).digest('hex');
  const partial = (content: string, newest: number, at = 0): StoredWal => {
    const name = `${segment(1, 3)}.partial`;
    return { name, newest, at, sha256: hash(content), key: `shop/wal/${name}.${hash(content)}.${newest}.gz` };
  };
  /** A store in memory: what a test puts in is there, nothing else. */
  const memory = (objects: Map<string, { content: string; at: number }>): BackupStore => ({
    location: 'memory',
    async put(key, content) {
      if (content instanceof Uint8Array) objects.set(key, { content: Buffer.from(content).toString(), at: 0 });
    },
    async get(key) {
      const found = objects.get(key);
      if (found === undefined) throw new OutsideError('STORE_OBJECT_MISSING', `${key} is not there`, null);
      return Readable.from([gzipSync(found.content)]);
    },
    async list(prefix) {
      return [...objects].filter(([key]) => key.startsWith(prefix)).map(([key, { content, at }]) => ({ key, bytes: content.length, at }));
    },
    async remove(keys) {
      for (const key of keys) objects.delete(key);
    },
  });

  it('stays while anything reads, and goes with the next call', async () => {
    const [old, now] = [partial('a', 100), partial('ab', 200)];
    const objects = new Map([old, now].map(({ key }) => [key, { content: 'x', at: 0 }]));
    const store = memory(objects);
    await removeSuperseded(store, 'shop/', () => true);
    expect([...objects.keys()]).toEqual([old.key, now.key]);
    await removeSuperseded(store, 'shop/', () => false);
    expect([...objects.keys()]).toEqual([now.key]);
  });

  it('is read as the newer piece where another process has removed it', async () => {
    const [old, now] = [partial('a', 100), partial('ab', 200)];
    const store = memory(new Map([[now.key, { content: 'ab', at: 0 }]]));
    await expect(checkWal(old, store)).resolves.toBeUndefined();
    await expect(checkWal(old, memory(new Map()))).rejects.toMatchObject({ code: 'STORE_OBJECT_MISSING' });
    await expect(checkWal(now, memory(new Map([[now.key, { content: 'other', at: 0 }]])))).rejects.toMatchObject({
      code: 'WAL_SEGMENT_TAMPERED',
    });
  });

  it('never takes the last copy of a part with it, whatever pieces there are', () => {
    const pieces = fc.array(
      fc.record({
        number: fc.integer({ min: 1, max: 4 }),
        newest: fc.integer({ min: 0, max: 5 }),
        at: fc.integer({ min: 0, max: 3 }),
        whole: fc.boolean(),
      }),
      { maxLength: 12 },
    );
    fc.assert(
      fc.property(pieces, (made) => {
        const wal = made.map(({ number, newest, at, whole }, i): StoredWal => {
          const name = `${segment(1, number)}${whole ? '' : '.partial'}`;
          return { name, newest, at, sha256: String(i), key: String(i) };
        });
        const gone = new Set(superseded(wal).map(({ key }) => key));
        const left = wal.filter(({ key }) => !gone.has(key));
        expect(neededWal(left, FROM, SEGMENT, null)).toEqual(neededWal(wal, FROM, SEGMENT, null));
        expect(left.filter(({ name }) => !name.endsWith('.partial'))).toEqual(wal.filter(({ name }) => !name.endsWith('.partial')));
      }),
    );
  });
});
