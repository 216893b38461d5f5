import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { fakePerformer, planOf, runbook, until } from '../../test/engine/world.ts';
import { createEngine } from './engine.ts';
import { findEmbedded, startEmbeddedPostgres, type EmbeddedPostgres } from './postgres/embedded.ts';

let dir: string;
let server: EmbeddedPostgres;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'sluice-outage-'));
  server = await startEmbeddedPostgres(dir);
});

afterAll(async () => {
  const found = await findEmbedded(dir);
  await server.stop('immediate');
  if (found !== null) await rm(join(found.dataDirectory, '..'), { recursive: true, force: true });
  await rm(dir, { recursive: true, force: true });
});

test('PostgreSQL killed in the middle, twice: it is started again and no fact is lost or doubled', async () => {
  const performer = fakePerformer({ takesMs: 30 });
  const engine = await createEngine({ databaseUrl: server.url, runbook, performer, reviveDatabase: () => server.revive() });
  const ids: string[] = [];
  for (let index = 0; index < 6; index += 1) ids.push(await engine.request(planOf([`app${index}`, `other${index}`]), { by: 'ann' }));
  for (const share of [12, 40]) {
    await until('some progress', () => performer.done.length >= share);
    // As `pg_ctl stop -m immediate` does, without waiting: the control plane starts it again at once.
    process.kill(Number((await readFile(join(server.dataDirectory, 'postmaster.pid'), 'utf8')).split('\n')[0]), 'SIGQUIT');
  }
  await until(
    'all to succeed',
    async () =>
      (await Promise.all(ids.map((id) => engine.release(id)))).every((state) => state?.stage === 'closed' && state.outcome === 'Succeeded'),
    40_000,
  );
  const events = await engine.events({ limit: 10_000 });
  const facts = events
    .map((event) => `${event.stream} ${event.type} ${'app' in event.data ? String(event.data.app) : ''}`)
    .filter((fact) => !fact.includes('VersionHealthy'));
  expect(new Set(facts).size).toBe(facts.length);
  expect(events.filter(({ type }) => type === 'EffectFailed')).toEqual([]);
  expect(await engine.verifyAudit()).toMatchObject({ intact: true });
  await engine.close();
}, 90_000);

test('a wrong address is said plainly, without the password', async () => {
  const make = (databaseUrl: string) => createEngine({ databaseUrl, runbook, performer: fakePerformer() });
  const wrong = (change: (url: URL) => void) => {
    const url = new URL(server.url);
    change(url);
    return url.href;
  };
  await expect(make('mysql://localhost/x')).rejects.toMatchObject({ code: 'DATABASE_URL_INVALID' });
  const badPassword = make(wrong((url) => (url.password = 'guess-me')));
  await expect(badPassword).rejects.toMatchObject({
    code: 'DATABASE_UNREACHABLE',
    blame: 'user',
    message: expect.stringContaining('does not let user "sluice" in'),
  });
  await expect(badPassword).rejects.not.toMatchObject({ message: expect.stringContaining('guess-me') });
  await expect(make(wrong((url) => (url.pathname = '/nowhere')))).rejects.toMatchObject({
    code: 'DATABASE_UNREACHABLE',
    message: expect.stringContaining('no database "nowhere"'),
  });
  await expect(make(wrong((url) => (url.port = '1')))).rejects.toMatchObject({ code: 'DATABASE_UNREACHABLE', blame: 'outside' });
});
