import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { startControlPlane, type ControlPlane } from '../../test/engine/processes.ts';
import { fakePerformer, planOf, readJournal, runbook, until } from '../../test/engine/world.ts';
import { engineDatabase, testDatabase, type TestDatabase } from '../../test/postgres.ts';
import { createEngine } from './engine.ts';
import type { Engine } from './face.ts';

let database: TestDatabase;
let dir: string;
let journal: string;
let running: ControlPlane[];
let engine: Engine | null;

beforeEach(async () => {
  database = await engineDatabase();
  dir = await mkdtemp(join(tmpdir(), 'sluice-takeover-'));
  journal = join(dir, 'journal');
  await writeFile(journal, '');
  running = [];
  engine = null;
});

afterEach(async () => {
  await Promise.all(running.map((plane) => plane.end('SIGKILL')));
  await engine?.close();
  await database.drop();
  await rm(dir, { recursive: true, force: true });
});

async function start(takesMs = 20, apps: readonly string[] = []): Promise<ControlPlane> {
  const plane = await startControlPlane({ databaseUrl: database.url, journal, takesMs, apps });
  running.push(plane);
  return plane;
}

async function observe(takesMs = 20): Promise<Engine> {
  engine = await createEngine({ databaseUrl: database.url, runbook, performer: fakePerformer({ journal, takesMs }) });
  return engine;
}

async function allSucceeded(from: Engine, ids: readonly string[], timeoutMs = 25_000): Promise<void> {
  await until(
    'all releases to succeed',
    async () =>
      (await Promise.all(ids.map((id) => from.release(id)))).every((state) => state?.stage === 'closed' && state.outcome === 'Succeeded'),
    timeoutMs,
  );
}

/** Each effect ended once for each release, by any of them; begun again only where a process died in the middle. */
function endedKeys(): string[] {
  return readJournal(journal)
    .filter(({ what }) => what === 'end')
    .map(({ release, key }) => `${release} ${key}`);
}

async function factsOf(from: Engine, ids: readonly string[]): Promise<string[]> {
  const lists = await Promise.all(ids.map((id) => from.events({ release: id })));
  return lists.flat().map((event) => `${event.stream} ${event.type} ${'app' in event.data ? String(event.data.app) : ''}`);
}

test('killed again and again, the work ends as if nothing had happened, each fact recorded once', async () => {
  const here = await observe(40);
  const ids: string[] = [];
  for (const app of ['a', 'b', 'c', 'd'])
    ids.push(await here.request(planOf([app, `${app}2`], { dependsOn: { [`${app}2`]: [app] } }), { by: 'ann' }));
  await here.close();
  for (let round = 0; round < 4; round += 1) {
    const before = endedKeys().length;
    const plane = await start(40);
    await until('some progress', () => endedKeys().length >= before + 3, 20_000);
    await plane.end('SIGKILL');
  }
  const after = await observe(10);
  await allSucceeded(after, ids);
  const facts = (await factsOf(after, ids)).filter((fact) => !/Reservation(Busy|Freed)|VersionHealthy/.test(fact));
  expect(new Set(facts).size).toBe(facts.length);
  const ends = endedKeys();
  // At most the effects in flight at each kill were done a second time: 4 lanes at most.
  expect(ends.length - new Set(ends).size).toBeLessThanOrEqual(4 * 4);
  expect(await after.verifyAudit()).toMatchObject({ intact: true });
}, 90_000);

test('a survivor goes on with what a killed one was at, within seconds', async () => {
  const dying = await start(60_000, ['web']);
  const here = await observe();
  await until('an effect', () => readJournal(journal).length > 0);
  const killedAt = performance.now();
  await dying.end('SIGKILL');
  await allSucceeded(here, dying.releases);
  expect(performance.now() - killedAt).toBeLessThan(8_000);
  const fences = readJournal(journal)
    .filter(({ what }) => what === 'begin')
    .map(({ fence }) => fence);
  expect(fences).toEqual(fences.toSorted((a, b) => a - b));
  expect(new Set(fences).size).toBeGreaterThan(1);
}, 60_000);

test('one that was stopped and continued is fenced: what it still does is not recorded, and it goes on afresh', async () => {
  const sleeper = await start(1_500, ['web']);
  const here = await observe();
  await until('an effect', () => readJournal(journal).length > 0);
  process.kill(sleeper.pid, 'SIGSTOP');
  await allSucceeded(here, sleeper.releases);
  const id = sleeper.releases[0] ?? '';
  const events = (await here.events({ release: id })).length;
  process.kill(sleeper.pid, 'SIGCONT');
  await until('it to notice', () => /taken|other hands/.test(sleeper.log()), 15_000);
  expect((await here.events({ release: id })).length).toBe(events);
  await until('it to be back', async () => (await here.controlPlanes()).filter(({ alive }) => alive).length === 2);
  // Whatever reached the outside late carries a token that is too old by then.
  const journalled = readJournal(journal);
  const late = journalled.filter(({ pid, what }) => pid === sleeper.pid && what !== 'begin');
  const meanwhile = journalled.filter(({ pid }) => pid !== sleeper.pid).map(({ fence }) => fence);
  for (const { fence } of late) expect(fence).toBeLessThan(Math.min(...meanwhile));
}, 60_000);

test('two that start at once on an empty database share the work', async () => {
  await database.drop();
  database = await testDatabase();
  const planes = await Promise.all([start(), start()]);
  const here = await observe();
  expect((await here.controlPlanes()).filter(({ alive }) => alive)).toHaveLength(3);
  const ids = await Promise.all(Array.from({ length: 10 }, (_, index) => here.request(planOf([`app${index}`]), { by: 'ann' })));
  await allSucceeded(here, ids);
  const ends = endedKeys();
  expect(new Set(ends).size).toBe(ends.length);
  await Promise.all(planes.map((plane) => plane.end('SIGTERM')));
  expect(await here.controlPlanes()).toHaveLength(1);
}, 60_000);
