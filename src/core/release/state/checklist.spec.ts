import { expect, test } from 'vitest';
import { CANARY, given, OLD, requested } from '../../../../test/worlds/histories.ts';
import { checklistOf } from './checklist.ts';
import type { Plan } from '../plan/plan.ts';

const MIGRATIONS: Partial<Plan> = {
  migrations: { databases: [{ database: 'shop', migrations: [{ id: '001_kind', checksum: 'c' }] }], deadlineMs: 60_000 },
};
const backup = (plan: Partial<Plan>): unknown => checklistOf(given([requested(CANARY, OLD, plan)])).find(({ item }) => item === 'backup');

test('the line of the restore point says so where data changes and nothing is backed up', () => {
  expect(backup({})).toMatchObject({ result: 'notApplicable', text: 'no data changes with it' });
  expect(backup(MIGRATIONS)).toMatchObject({ result: 'notApplicable', text: expect.stringMatching(/^shop: not in `backups`/) });
  expect(backup({ ...MIGRATIONS, backup: { databases: ['shop'], deadlineMs: 60_000 } })).toMatchObject({ result: 'open' });
});
