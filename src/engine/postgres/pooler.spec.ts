import { afterEach, describe, expect, it } from 'vitest';
import { fakePerformer, runbook } from '../../../test/engine/world.ts';
import { type DebianPostgres, debianPostgres, noDebianPostgres } from '../../../test/worlds/debian-postgres.ts';
import { noPgbouncer, pgbouncer } from '../../../test/worlds/pgbouncer.ts';
import { createEngine } from '../engine.ts';
import { openDatabase } from './database.ts';

const absent = noDebianPostgres ?? noPgbouncer;
const ends: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const end of ends.splice(0).toReversed()) await end();
}, 60_000);

/** Debian's PostgreSQL with a database that belongs to a role with no rights of its own. */
async function ownDatabase(): Promise<{ server: DebianPostgres; direct: string }> {
  const server = await debianPostgres();
  ends.push(() => server.end());
  await server.admin("CREATE ROLE sluice_owner LOGIN PASSWORD 'none-at-all'");
  await server.admin('CREATE DATABASE control OWNER sluice_owner');
  return { server, direct: server.urlOf('sluice_owner', 'control') };
}

describe.skipIf(absent !== null)(`our store on a PostgreSQL that the user runs${absent === null ? '' : ` (skipped: ${absent})`}`, () => {
  it('lives there as a role that owns its database and is nobody special', { timeout: 150_000 }, async () => {
    const { server, direct } = await ownDatabase();
    const engine = await createEngine({ databaseUrl: direct, runbook, performer: fakePerformer() });
    await engine.record('backup/shop', [{ type: 'DrillStarted' }]);
    expect(await engine.recorded('backup/shop')).toMatchObject([{ data: { type: 'DrillStarted' } }]);
    expect(await engine.verifyAudit()).toMatchObject({ intact: true });
    await engine.close();
    await server.admin('CREATE ROLE guest LOGIN');
    const guest = server.urlOf('guest', 'control');
    await expect(createEngine({ databaseUrl: guest, runbook, performer: fakePerformer() })).rejects.toMatchObject({
      code: 'DATABASE_UNREACHABLE',
      message: expect.stringContaining('does not let user "guest" create its tables'),
      hint: expect.stringContaining('GRANT CREATE ON DATABASE "control" TO "guest"'),
    });
  });

  it('is refused through a pooler in transaction mode, whether that passes settings on, and with one process for all', async () => {
    const { direct } = await ownDatabase();
    const refused = { code: 'DATABASE_URL_POOLED', blame: 'user', hint: expect.stringContaining('PostgreSQL itself') };
    for (const options of [{}, PASSES, { ...PASSES, poolSize: 1 }]) {
      const pooler = await pgbouncer(direct, options);
      ends.push(() => pooler.end());
      await expect(openDatabase({ url: pooler.url, poolSize: 2 }), JSON.stringify(options)).rejects.toMatchObject(refused);
    }
  }, 150_000);

  it('is taken through a pooler that gives each connection a process of its own', { timeout: 150_000 }, async () => {
    const { direct } = await ownDatabase();
    const pooler = await pgbouncer(direct, { ...PASSES, mode: 'session' });
    ends.push(() => pooler.end());
    const database = await openDatabase({ url: pooler.url, poolSize: 2 });
    expect(await database.read<{ one: number }>('SELECT 1 AS one')).toEqual([{ one: 1 }]);
    await database.close();
  });
});

const PASSES = { passes: ['idle_in_transaction_session_timeout'] };
