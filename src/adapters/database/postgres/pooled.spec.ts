import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { freePort } from '../../../../test/free-port.ts';
import { onServer, type TestDatabase, testDatabase } from '../../../../test/postgres.ts';
import { checksumOf, type MigrationFile } from '../../../core/data/migrations/files.ts';
import { postgresDatabase } from './postgres.ts';

const file = (id: string, sql: string): MigrationFile => ({
  id,
  path: `${id}.sql`,
  sql,
  line: 1,
  compensate: null,
  checksum: checksumOf(sql),
  noTransaction: false,
  bookkeeping: null,
});
const how = { by: 'test', release: null, signal: new AbortController().signal };

describe.skipIf(!hasPgbouncer())('a PostgreSQL of the user, behind pgbouncer, as a role that may little', { timeout: 120_000 }, () => {
  let server: TestDatabase;
  let dir: string;
  let pooler: ChildProcess;
  let pooled: string;
  let direct: string;
  let role: string;

  beforeAll(async () => {
    server = await testDatabase();
    role = `plain_${process.pid}_${Date.now()}`;
    await onServer(server.url, async (client) => {
      await client.query(`CREATE ROLE ${role} LOGIN PASSWORD 'secret'`);
      await client.query(
        `GRANT CREATE ON SCHEMA public TO ${role}; SET ROLE ${role}; CREATE TABLE item (id bigint PRIMARY KEY, name text)`,
      );
      await client.query('RESET ROLE; CREATE TABLE foreign_table (id int)');
    });
    const url = new URL(server.url);
    const database = url.pathname.slice(1);
    direct = Object.assign(new URL(server.url), { username: role, password: 'secret' }).href;
    dir = await mkdtemp(join(tmpdir(), 'sluice-pgbouncer-'));
    await chmod(dir, 0o777);
    const port = await freePort();
    await writeFile(
      join(dir, 'pgbouncer.ini'),
      `[databases]\n${database} = host=127.0.0.1 port=${url.port} dbname=${database} user=${role} password=secret\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = ${port}\nunix_socket_dir =\nauth_type = any\npool_mode = transaction\nignore_startup_parameters = extra_float_digits\n`,
    );
    const as = process.getuid?.() === 0 ? ['-u', 'nobody'] : [];
    pooler = spawn('pgbouncer', [...as, join(dir, 'pgbouncer.ini')], {
      stdio: 'ignore',
      env: { ...process.env, PATH: `${process.env['PATH']}:/usr/sbin` },
    });
    pooled = `postgres://${role}@127.0.0.1:${port}/${database}`;
    for (const end = Date.now() + 20_000; ; await sleep(50)) {
      const isUp = await onServer(pooled, (client) => client.query('SELECT 1')).then(
        () => true,
        () => false,
      );
      if (isUp) break;
      if (Date.now() > end) throw new Error('pgbouncer does not answer');
    }
  }, 60_000);

  afterAll(async () => {
    pooler?.kill('SIGTERM');
    await server.drop();
    await onServer(server.url.replace(/\/[^/]*$/, '/postgres'), (client) => client.query(`DROP ROLE IF EXISTS ${role}`)).catch(() => {});
    await rm(dir, { recursive: true, force: true });
  });

  it('tells the two addresses apart, and says which rights are missing', async () => {
    const facts = await postgresDatabase({ pooled, direct }).look();
    expect(facts).toMatchObject({ pooled: true, superuser: false, role });
    expect(facts.limits.join('\n')).toMatch(/GRANT CREATE ON DATABASE[^]*CREATEDB[^]*pg_read_all_stats[^]*foreign_table/);
    await expect(postgresDatabase({ pooled: null, direct: pooled }).record()).rejects.toMatchObject({ code: 'DATABASE_URL_POOLED' });
    await expect(postgresDatabase({ pooled: server.url.replace(/\/[^/]*$/, '/postgres'), direct }).look()).rejects.toMatchObject({
      code: 'DATABASE_URLS_DIFFER',
    });
  });

  it('migrates with the rights it has; a scratch server elsewhere stands in for CREATEDB', async () => {
    const alone = postgresDatabase({ pooled, direct });
    const add = file('001', 'ALTER TABLE item ADD COLUMN note text');
    const untraced = await alone.plan([add]);
    expect(untraced).toMatchObject({ traced: false, pending: [{ phase: 'expand', refusals: [] }] });
    expect(untraced.notes.join(' ')).toContain(`ALTER ROLE ${role} CREATEDB`);
    await expect(alone.apply(untraced.pending, how)).rejects.toMatchObject({
      code: 'MIGRATION_RIGHTS',
      hint: expect.stringContaining('CREATE SCHEMA sluice_migrations AUTHORIZATION'),
    });

    await onServer(server.url, (client) => client.query(`CREATE SCHEMA sluice_migrations AUTHORIZATION ${role}`));
    const database = postgresDatabase({ pooled, direct, scratch: [async () => server.url] });
    const plan = await database.plan([add]);
    expect(plan).toMatchObject({ traced: true, pending: [{ phase: 'expand' }] });
    await database.apply(plan.pending, how);
    expect(await database.record()).toMatchObject([{ id: '001', state: 'applied' }]);

    const foreign = await database.plan([add, file('002', 'ALTER TABLE foreign_table ADD COLUMN note text')]);
    await expect(database.apply(foreign.pending, how)).rejects.toMatchObject({
      code: 'MIGRATION_RIGHTS',
      message: expect.stringContaining('must be owner'),
    });
  });
});

function hasPgbouncer(): boolean {
  try {
    execFileSync('pgbouncer', ['--version'], { stdio: 'ignore', env: { ...process.env, PATH: `${process.env['PATH']}:/usr/sbin` } });
    return true;
  } catch {
    return false;
  }
}
