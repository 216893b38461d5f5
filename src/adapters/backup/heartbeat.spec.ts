import { afterAll, beforeAll, expect, it } from 'vitest';
import { type TestDatabase, testDatabase } from '../../../test/postgres.ts';
import { beat, lastBeatAt, readBeats } from './heartbeat.ts';
import { withClient } from './physical/scratch.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await testDatabase();
}, 60_000);
afterAll(() => database.drop());

it('heartbeats come in the order they were written, the tenth after the ninth', { timeout: 60_000 }, async () => {
  expect(await lastBeatAt(database.url)).toBeNull();
  for (let i = 0; i < 12; i += 1) await beat(database.url, { eventStore: null, counts: i === 0 });
  const beats = await withClient(database.url, readBeats);
  expect(beats.map(({ beat: number }) => number)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
  expect(beats.map(({ counts }) => counts !== null).indexOf(true)).toBe(0);
  expect(await lastBeatAt(database.url)).toBe(beats.at(-1)?.at);
});
