import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { fakePerformer, planOf, runbook, until, versionOf, type FakePerformer, type FakePerformerOptions } from '../../test/engine/world.ts';
import { testDatabase, type TestDatabase } from '../../test/postgres.ts';
import { createEngine } from './engine.ts';
import type { Engine } from './face.ts';
import type { Log } from './logging.ts';

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
  database = await testDatabase();
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

describe('a release', () => {
  test('goes all the way, and the read models say so', async () => {
    const id = await engine.request(planOf(['web', 'api']), { by: 'ann' });
    await ended(id, 'Succeeded');
    const manifest = await engine.manifest('production');
    expect(manifest.apps['web']?.stable?.id).toBe(versionOf('web', 'one').id);
    expect(manifest.apps['web']?.weights).toEqual({ [versionOf('web', 'one').id]: 100 });
    expect(await engine.releases({ app: 'api' })).toMatchObject([{ id, outcome: 'Succeeded', by: 'ann' }]);
    expect(await engine.environments()).toEqual(['production']);
    expect(performer.done.filter(({ what }) => what === 'begin').map(({ key }) => key).toSorted()).toEqual([...new Set(performer.done.map(({ key }) => key))].toSorted());
    expect(await engine.verifyAudit()).toMatchObject({ intact: true, brokenAt: null });
    expect(complaints).toEqual([]);
  });
});
