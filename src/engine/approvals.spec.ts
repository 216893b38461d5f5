import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { fakePerformer, planOf, runbook, until, type FakePerformer } from '../../test/engine/world.ts';
import { engineDatabase, type TestDatabase } from '../../test/postgres.ts';
import type { Plan } from '../core/release/plan/plan.ts';
import { withHash } from '../core/release/plan/plan.ts';
import type { PlannedApproval } from '../core/access/approval.ts';
import { createEngine } from './engine.ts';
import type { Engine } from './face.ts';

let database: TestDatabase;
let engine: Engine;
let performer: FakePerformer;

beforeEach(async () => {
  database = await engineDatabase();
  await open();
});

afterEach(async () => {
  await engine.close();
  await database.drop();
});

async function open(): Promise<void> {
  performer = fakePerformer();
  engine = await createEngine({ databaseUrl: database.url, runbook, performer });
}

function approvalOf(change: Partial<PlannedApproval> = {}): PlannedApproval {
  return { number: 1, from: [{ role: 'lead', people: ['bob', 'cleo'] }], expiresMs: 600_000, authors: [], ...change };
}

function approvedPlan(change: Partial<PlannedApproval> = {}, source = 'one'): Plan {
  return withHash({ ...planOf(['web'], { source }), approval: approvalOf(change) });
}

const stageOf = async (id: string) => (await engine.release(id))?.stage;
const awaiting = (id: string) => until(`${id} to ask`, async () => (await engine.release(id))?.preparation.approval !== null);
const closed = (id: string) => until(`${id} to be over`, async () => (await stageOf(id)) === 'closed', 30_000);
const yes = (id: string, plan: Plan, by: string) => engine.command(id, { kind: 'approve', by, planHash: plan.hash });

async function workOn(release: string): Promise<{ rows: number; holder: string | null; workflows: number }> {
  const client = new pg.Client({ connectionString: database.url });
  await client.connect();
  try {
    const active = await client.query<{ holder: string | null }>('SELECT holder FROM sluice.active WHERE release = $1', [release]);
    const pending = await client.query<{ count: string }>(
      `SELECT count(*) FROM dbos.workflow_status WHERE status IN ('PENDING', 'ENQUEUED') AND workflow_uuid LIKE $1`,
      [`${release}/%`],
    );
    return { rows: active.rows.length, holder: active.rows[0]?.holder ?? null, workflows: Number(pending.rows[0]?.count) };
  } finally {
    await client.end();
  }
}

test('waiting for approval holds nothing and runs nothing; it survives restarts, and a yes starts it', { timeout: 60_000 }, async () => {
  const plan = approvedPlan({ number: 2 });
  const id = await engine.request(plan, { by: 'ann' });
  await awaiting(id);
  await until('the work to be let go', async () => {
    const { holder, workflows } = await workOn(id);
    return holder === null && workflows === 0;
  });
  const before = (await engine.events({ limit: 1_000 })).length;
  await sleep(1_500);
  expect((await engine.events({ limit: 1_000 })).length, 'nothing happens while it waits').toBe(before);
  expect(performer.done).toEqual([]);
  // Nobody waits behind it: another release of the same app goes its way.
  const other = await engine.request(planOf(['api']), { by: 'dan' });
  await closed(other);

  await yes(id, plan, 'bob');
  await engine.close();
  await open();
  expect(await stageOf(id)).toBe('awaiting');
  await expect(yes(id, plan, 'BOB ')).rejects.toMatchObject({ code: 'APPROVAL_GIVEN' });
  await yes(id, plan, 'cleo');
  await closed(id);
  expect((await engine.release(id))?.outcome).toBe('Succeeded');
  expect(await engine.verifyAudit()).toMatchObject({ intact: true });
});

test('another version of Sluice goes on with what waits: a yes starts it, and time that is up ends it', { timeout: 60_000 }, async () => {
  const [plan, soon] = [approvedPlan(), approvedPlan({ expiresMs: 4_000 })];
  const id = await engine.request(plan, { by: 'ann' });
  const forgotten = await engine.request(soon, { by: 'ann' });
  await awaiting(id);
  await awaiting(forgotten);
  await engine.close();
  // Work that was begun under another version is left to that version, unless nothing is begun while one waits.
  const before = process.env['DBOS__APPVERSION'];
  process.env['DBOS__APPVERSION'] = 'the-next';
  try {
    await open();
    await yes(id, plan, 'bob');
    await closed(id);
    expect((await engine.release(id))?.outcome).toBe('Succeeded');
    await closed(forgotten);
    expect(await engine.release(forgotten)).toMatchObject({ outcome: 'Errored', reason: 'nobody approved it in time' });
  } finally {
    if (before === undefined) delete process.env['DBOS__APPVERSION'];
    else process.env['DBOS__APPVERSION'] = before;
  }
});

test('who may not approve is told why, and nothing starts', { timeout: 60_000 }, async () => {
  const plan = approvedPlan();
  const id = await engine.request(plan, { by: 'Bob' });
  await awaiting(id);
  await expect(yes(id, plan, 'bob')).rejects.toMatchObject({ code: 'APPROVAL_BY_AUTHOR' });
  await expect(yes(id, plan, 'eve')).rejects.toMatchObject({ code: 'ROLE_MISSING' });
  await expect(yes(id, approvedPlan({}, 'two'), 'cleo')).rejects.toMatchObject({ code: 'APPROVAL_OF_OTHER_PLAN' });
  await expect(engine.command(id, { kind: 'promote', by: 'cleo', full: true })).rejects.toMatchObject({ code: 'NOTHING_TO_PROMOTE' });
  await engine.command(id, { kind: 'reject', by: 'cleo', reason: 'not on a Friday' });
  await closed(id);
  expect(await engine.release(id)).toMatchObject({ outcome: 'Aborted', reason: 'rejected by cleo: not on a Friday' });
  expect(performer.done).toEqual([]);
  await expect(yes(id, plan, 'cleo')).rejects.toMatchObject({ code: 'RELEASE_ENDED' });
});

test('expires on time, also when nobody lived at that moment', { timeout: 60_000 }, async () => {
  const soon = approvedPlan({ expiresMs: 1_000 });
  const id = await engine.request(soon, { by: 'ann' });
  await closed(id);
  const events = await engine.events({ release: id });
  const asked = events.find(({ type }) => type === 'ApprovalRequested');
  const expired = events.find(({ type }) => type === 'ApprovalExpired');
  expect((expired?.at ?? 0) - (asked?.at ?? 0)).toBeGreaterThanOrEqual(1_000);
  expect((expired?.at ?? 0) - (asked?.at ?? 0)).toBeLessThan(6_000);

  const late = approvedPlan({ expiresMs: 2_000 });
  const missed = await engine.request(late, { by: 'ann' });
  await awaiting(missed);
  await engine.close();
  await sleep(2_100);
  await open();
  await expect(yes(missed, late, 'bob')).rejects.toMatchObject({ code: expect.stringMatching(/APPROVAL_EXPIRED|RELEASE_ENDED/) as string });
  await closed(missed);
  expect(await engine.release(missed)).toMatchObject({ outcome: 'Errored', reason: 'nobody approved it in time' });
  expect(performer.done).toEqual([]);
});

test('what runs by now is not what was looked at: the approved plan is not carried out', { timeout: 60_000 }, async () => {
  const plan = approvedPlan({}, 'two');
  const id = await engine.request(plan, { by: 'ann' });
  await awaiting(id);
  const other = await engine.request(planOf(['web']), { by: 'dan' });
  await closed(other);
  expect((await engine.release(other))?.outcome).toBe('Succeeded');
  await yes(id, plan, 'bob');
  await closed(id);
  expect(await engine.release(id)).toMatchObject({ outcome: 'Errored', cause: { code: 'PLAN_STALE' } });
  expect(performer.done.filter(({ release }) => release === id)).toEqual([]);
});

test('an altered plan is refused before it becomes a release', async () => {
  const plan = approvedPlan();
  const { approval: _approval, ...bare } = plan;
  await expect(engine.request({ ...bare, hash: plan.hash }, { by: 'ann' })).rejects.toMatchObject({ code: 'PLAN_STALE' });
});

test('outside its window a release waits and holds nothing, or is refused at once; a rollback passes', { timeout: 60_000 }, async () => {
  const frozenFor = (ms: number) => [{ from: 0, to: Date.now() + ms, reason: 'sale' }];
  const window = { timeZone: 'UTC', open: [], freezes: frozenFor(3_600_000), waitMs: 7_200_000 };
  const waits = await engine.request(withHash({ ...planOf(['web']), window }), { by: 'ann' });
  await until('the wait', async () => (await stageOf(waits)) === 'scheduled');
  const back = await engine.request(withHash({ ...planOf(['web'], { source: 'two' }), kind: 'rollback' }), { by: 'dan' });
  await closed(back);
  expect(await stageOf(waits)).toBe('scheduled');
  await engine.command(waits, { kind: 'abort', by: 'ann' });
  await closed(waits);

  const freezes = frozenFor(1_500);
  const soon = await engine.request(withHash({ ...planOf(['web'], { source: 'three' }), window: { ...window, freezes } }), { by: 'ann' });
  await closed(soon);
  const begun = (await engine.events({ release: soon })).find(({ type }) => type === 'ReservationsAcquired')?.at ?? 0;
  expect(begun).toBeGreaterThanOrEqual(freezes[0]?.to ?? Infinity);
  expect(await engine.release(soon)).toMatchObject({ outcome: 'Succeeded' });

  const shut = withHash({ ...planOf(['api']), window: { ...window, waitMs: 0 } });
  await expect(engine.request(shut, { by: 'ann' })).rejects.toMatchObject({
    code: 'WINDOW_CLOSED',
    message: expect.stringMatching(
      /production takes no releases now: frozen: sale; it opens \w{3} \d{4}-\d\d-\d\d \d\d:\d\d UTC/,
    ) as string,
  });
});
