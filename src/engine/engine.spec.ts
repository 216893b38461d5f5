import pg from 'pg';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  fakePerformer,
  planOf,
  runbook,
  until,
  versionOf,
  type FakePerformer,
  type FakePerformerOptions,
} from '../../test/engine/world.ts';
import { OutsideError } from '../core/errors.ts';
import { engineDatabase, type TestDatabase } from '../../test/postgres.ts';
import { createEngine } from './engine.ts';
import type { Engine } from './face.ts';
import type { Log } from './logging.ts';
import { openDatabase } from './postgres/database.ts';
import { rebuildReadModels } from './store.ts';

let database: TestDatabase;
let engine: Engine;
let performer: FakePerformer;
const complaints: string[] = [];

const log: Log = {
  debug() {},
  info() {},
  warn: (fields, message) => complaints.push(`${message} ${JSON.stringify(fields)}`),
  error: (fields, message) => complaints.push(`${message} ${JSON.stringify(fields)}`),
};

beforeEach(async () => {
  complaints.length = 0;
  database = await engineDatabase();
  await open();
});

afterEach(async () => {
  await engine.close();
  await database.drop();
});

async function open(options: FakePerformerOptions = {}): Promise<void> {
  performer = fakePerformer(options);
  engine = await createEngine({ databaseUrl: database.url, runbook, performer, log });
}

async function reopen(options: FakePerformerOptions): Promise<void> {
  await engine.close();
  await open(options);
}

function ended(release: string, outcome: string): Promise<unknown> {
  return until(`${release} to be ${outcome}`, async () => {
    const state = await engine.release(release);
    return state?.stage === 'closed' && state.outcome === outcome;
  });
}

const SLOW = { kind: 'allAtOnce', soakMs: 400 } as const;
const keys = (what: 'begin' | 'end' | 'stopped') =>
  performer.done.filter((line) => line.what === what).map(({ release, key }) => `${release} ${key}`);

describe('a release', () => {
  test('goes all the way, and the read models say so', async () => {
    const id = await engine.request(planOf(['web', 'api']), { by: 'ann' });
    await ended(id, 'Succeeded');
    const manifest = await engine.manifest('production');
    expect(manifest.apps['web']?.stable?.id).toBe(versionOf('web', 'one').id);
    expect(manifest.apps['web']?.weights).toEqual({ [versionOf('web', 'one').id]: 100 });
    expect(await engine.releases({ app: 'api' })).toMatchObject([{ id, outcome: 'Succeeded', by: 'ann' }]);
    expect(await engine.releases({ active: true })).toEqual([]);
    expect(await engine.environments()).toEqual(['production']);
    expect(new Set(keys('begin')).size).toBe(keys('begin').length);
    expect(await engine.verifyAudit()).toMatchObject({ intact: true, brokenAt: null });
    expect((await engine.controlPlanes()).map(({ alive, releases }) => ({ alive, releases }))).toEqual([{ alive: true, releases: 0 }]);
    expect(complaints).toEqual([]);
  });

  test('waits without anything running, and is woken to the moment', async () => {
    await ended(await engine.request(planOf(['web']), { by: 'ann' }), 'Succeeded');
    const id = await engine.request(planOf(['web'], { source: 'two', strategy: { kind: 'allAtOnce', soakMs: 700 } }), { by: 'ann' });
    await ended(id, 'Succeeded');
    const events = await engine.events({ release: id });
    const at = (type: string) => events.find((event) => event.type === type)?.at ?? 0;
    expect(at('FinishingStarted') - at('RolloutPromoted')).toBeGreaterThanOrEqual(700);
    expect(at('FinishingStarted') - at('RolloutPromoted')).toBeLessThan(3_000);
    expect((await engine.manifest('production')).apps['web']).toMatchObject({
      stable: { commit: 'two' },
      history: [{ version: { commit: 'one' } }],
    });
  });

  test('that waits while nobody lives is late but not lost', async () => {
    await ended(await engine.request(planOf(['web']), { by: 'ann' }), 'Succeeded');
    const id = await engine.request(planOf(['web'], { source: 'two', strategy: SLOW }), { by: 'ann' });
    await until('it to soak', async () => (await engine.release(id))?.rollouts['web']?.stage === 'soaking');
    await engine.close();
    await new Promise((resolve) => setTimeout(resolve, 500));
    await open();
    await ended(id, 'Succeeded');
  });

  test('is interrupted by an abort within a moment, put back, and nothing is held', async () => {
    await reopen({ takesMs: (effect) => (effect.kind === 'verify' ? 20_000 : 0) });
    const id = await engine.request(planOf(['web']), { by: 'ann' });
    await until('the look at its health', () => keys('begin').some((key) => key.endsWith('web/verify')));
    const asked = performance.now();
    await engine.command(id, { kind: 'abort', by: 'bob' });
    await until('the interruption', () => keys('stopped').length > 0);
    expect(performance.now() - asked).toBeLessThan(3_000);
    await ended(id, 'Aborted');
    expect((await engine.manifest('production')).apps['web']?.held ?? []).toEqual([]);
    await expect(engine.command(id, { kind: 'pause', by: 'bob' })).rejects.toMatchObject({ code: 'RELEASE_ENDED' });
    await expect(engine.command('r0', { kind: 'pause', by: 'bob' })).rejects.toMatchObject({ code: 'RELEASE_UNKNOWN' });
  });

  test('whose version is found bad holds that version back until the hold is lifted', async () => {
    await reopen({
      answer: (effect) =>
        effect.kind === 'verify' && effect.version.commit === 'two'
          ? [{ type: 'VersionUnhealthy', app: 'web', version: effect.version.id, reason: 'answers 500' }]
          : null,
    });
    await ended(await engine.request(planOf(['web']), { by: 'ann' }), 'Succeeded');
    const bad = planOf(['web'], { source: 'two' });
    await ended(await engine.request(bad, { by: 'ann' }), 'Failed');
    expect((await engine.manifest('production')).apps['web']?.held).toMatchObject([
      { version: versionOf('web', 'two').id, reason: 'answers 500' },
    ]);
    await expect(engine.request(bad, { by: 'ann' })).rejects.toMatchObject({ code: 'VERSION_HELD' });
    await engine.liftHold('production', 'web', versionOf('web', 'two').id, 'bob');
    await expect(engine.liftHold('production', 'web', versionOf('web', 'two').id, 'bob')).rejects.toMatchObject({ code: 'NOT_HELD' });
    await ended(await engine.request(bad, { by: 'ann' }), 'Failed');
    await ended(await engine.request(bad, { by: 'ann', liftHold: true }), 'Failed');
  });

  test('whose effects fail tries again, and says why', async () => {
    let failures = 0;
    await reopen({
      answer(effect) {
        if (effect.kind !== 'deploy' || failures >= 2) return null;
        failures += 1;
        throw new OutsideError('PLATFORM_DOWN', 'the platform does not answer', 'Wait.');
      },
    });
    const id = await engine.request(planOf(['web']), { by: 'ann' });
    await ended(id, 'Succeeded');
    const failed = (await engine.events({ release: id })).filter(({ type }) => type === 'EffectFailed');
    expect(failed.map(({ data }) => data)).toMatchObject(
      [1, 2].map(() => ({ code: 'PLATFORM_DOWN', blame: 'outside', app: 'web', message: 'the platform does not answer Wait.' })),
    );
  });
});

describe('releases of the same app', () => {
  test('go one after another in the order of request, each on what the one before left', async () => {
    await reopen({ takesMs: 10 });
    const ids: string[] = [];
    for (const source of ['one', 'two', 'three', 'four']) ids.push(await engine.request(planOf(['web'], { source }), { by: 'ann' }));
    await Promise.all(ids.map((id) => ended(id, 'Succeeded')));
    const order = performer.done.filter(({ what }) => what === 'begin').map(({ release }) => release);
    expect(order.filter((release, index) => release !== order[index - 1])).toEqual(ids);
    const fences = performer.done.map(({ fence }) => fence);
    expect(fences).toEqual(fences.toSorted((a, b) => a - b));
    const app = (await engine.manifest('production')).apps['web'];
    expect([app?.stable, ...(app?.history ?? []).map(({ version }) => version)].map((version) => version?.commit)).toEqual([
      'four',
      'three',
      'two',
      'one',
    ]);
  });

  test('take several apps together or not at all, and never wait for each other in a circle', async () => {
    await reopen({ takesMs: 5 });
    const pairs = [['a', 'b'], ['b', 'c'], ['c', 'a'], ['a', 'b', 'c'], ['b']];
    const ids: string[] = [];
    for (const [index, apps] of pairs.entries()) ids.push(await engine.request(planOf(apps, { source: `s${index}` }), { by: 'ann' }));
    await Promise.all(ids.map((id) => ended(id, 'Succeeded')));
  });

  test('give way to newer ones where the app says supersede', async () => {
    await reopen({ takesMs: (effect) => (effect.kind === 'verify' ? 300 : 0) });
    const plans = ['one', 'two', 'three'].map((source) => planOf(['web'], { source, concurrency: 'supersede' }));
    const ids: string[] = [];
    for (const plan of plans) ids.push(await engine.request(plan, { by: 'ann' }));
    await ended(ids[2] ?? '', 'Succeeded');
    await ended(ids[0] ?? '', 'Aborted');
    await ended(ids[1] ?? '', 'Aborted');
    expect((await engine.release(ids[0] ?? ''))?.reason).toContain(`superseded by`);
  });

  test('are refused where the app says reject', async () => {
    await reopen({ takesMs: 50 });
    const first = await engine.request(planOf(['web']), { by: 'ann' });
    const second = planOf(['web'], { source: 'two', concurrency: 'reject' });
    await expect(engine.request(second, { by: 'bob' })).rejects.toMatchObject({
      code: 'RELEASE_REJECTED',
      message: expect.stringContaining(first),
    });
    await ended(first, 'Succeeded');
    await ended(await engine.request(second, { by: 'bob' }), 'Succeeded');
  });
});

describe('the log', () => {
  test('is followed in order without gaps while many write to it', async () => {
    const seen: number[] = [];
    const stop = new AbortController();
    const following = engine.follow({ after: 0 }, (event) => seen.push(event.position), stop.signal);
    const ids = await Promise.all(Array.from({ length: 12 }, (_, index) => engine.request(planOf([`app${index}`]), { by: 'ann' })));
    await Promise.all(ids.map((id) => ended(id, 'Succeeded')));
    const all = await engine.events({ limit: 10_000 });
    await until('the last event', () => seen.length >= all.length);
    stop.abort();
    await following;
    expect(seen).toEqual(Array.from({ length: seen.length }, (_, index) => index + 1));
    expect(await engine.verifyAudit()).toMatchObject({ intact: true, events: seen.length });
  });

  test('refuses changes, and shows those made behind its back', async () => {
    await ended(await engine.request(planOf(['web']), { by: 'ann' }), 'Succeeded');
    const client = new pg.Client({ connectionString: database.url });
    await client.connect();
    try {
      for (const statement of [`UPDATE sluice.event SET at = 0`, `DELETE FROM sluice.event`, `TRUNCATE sluice.event`]) {
        await expect(client.query(statement)).rejects.toThrow('append-only');
      }
      expect(await engine.verifyAudit()).toMatchObject({ intact: true });
      const tamper = async (statement: string) => {
        await client.query('BEGIN; SET LOCAL session_replication_role = replica');
        await client.query(statement);
        await client.query('COMMIT');
      };
      await tamper(`DELETE FROM sluice.event WHERE position = (SELECT max(position) FROM sluice.event)`);
      const cut = await engine.verifyAudit();
      expect(cut).toMatchObject({ intact: false, brokenAt: cut.events + 1 });
      await tamper(`UPDATE sluice.event SET data = jsonb_set(data, '{by}', '"eve"') WHERE position = 1`);
      expect(await engine.verifyAudit()).toMatchObject({ intact: false, brokenAt: 1, events: 0 });
    } finally {
      await client.end();
    }
  });

  test('makes the same read models again', async () => {
    await reopen({
      answer: (effect) =>
        effect.kind === 'verify' && effect.app.app === 'web' && effect.version.commit === 'bad'
          ? [{ type: 'VersionUnhealthy', app: 'web', version: effect.version.id, reason: 'no' }]
          : null,
    });
    for (const source of ['one', 'two', 'three'])
      await ended(await engine.request(planOf(['web', 'api'], { source }), { by: 'ann' }), 'Succeeded');
    await ended(await engine.request(planOf(['web'], { source: 'bad' }), { by: 'ann' }), 'Failed');
    await engine.liftHold('production', 'web', versionOf('web', 'bad').id, 'bob');
    const before = [await engine.manifest('production'), await engine.releases({}), await engine.environments()];
    const connection = await openDatabase({ url: database.url, poolSize: 2 });
    expect(await rebuildReadModels(connection, runbook)).toBe((await engine.events({ limit: 10_000 })).length);
    await connection.close();
    expect([await engine.manifest('production'), await engine.releases({}), await engine.environments()]).toEqual(before);
  });
});
