import { expect, it } from 'vitest';
import { newestArchived } from './pgbackrest.ts';

it('the newest segment is that of the cluster as it is now: after an upgrade the old places mean something else', () => {
  const archive = (id: string, max: string | null) => ({ id, min: max, max, database: { 'repo-key': 1 } });
  const [old, now] = [archive('15-1', '0000000300000009000000AA'), archive('16-2', '000000010000000000000004')];
  expect(newestArchived({ archive: [old, now] })).toBe(now.max);
  expect(newestArchived({ archive: [now, old, archive('16-2', '000000010000000000000003')] })).toBe(now.max);
  expect(newestArchived({ archive: [old, archive('16-2', null)] })).toBeNull();
  expect([newestArchived(null), newestArchived({ archive: [] })]).toEqual([null, null]);
});
