import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { memoryJournal } from '../../../test/worlds/cluster.ts';
import {
  type DebianPostgres,
  debianPostgres,
  noDebianPostgres,
  noPgbackrest,
  pgbackrestConfig,
  shopOn,
} from '../../../test/worlds/debian-postgres.ts';
import { noPgbouncer, pgbouncer } from '../../../test/worlds/pgbouncer.ts';
import { localPrograms } from '../../compose/backups.ts';
import { judgeArchiver } from '../../core/backup/archiver.ts';
import { judgeTransactionIds } from '../../core/backup/inspection.ts';
import { logClock } from '../../core/backup/log-time.ts';
import { isSegment } from '../../core/backup/wal.ts';
import { USUAL_POLICY } from '../../core/backup/policy.ts';
import type { Backup } from '../../ports/backup.ts';
import { basebackup } from './basebackup.ts';
import { beat } from './heartbeat.ts';
import { inspect } from './inspect.ts';
import { createKeeper } from './keeper.ts';
import { pgbackrest } from './pgbackrest/pgbackrest.ts';
import { directoryStore } from './stores/directory.ts';

const { signal } = new AbortController();
const LONG = { timeout: 150_000 };
const skipped = (reason: string | null) => (reason === null ? '' : ` (skipped: ${reason})`);
const policy = { ...USUAL_POLICY, heartbeatMs: 100 };
let server: DebianPostgres | null = null;

afterEach(async () => {
  await server?.end();
  server = null;
}, 60_000);

function keeperOf(backup: Backup, url: string, dir: string) {
  return createKeeper({
    source: 'shop',
    backup,
    policy,
    journal: memoryJournal(),
    url: async () => url,
    eventStore: { table: 'public.event', position: 'position' },
    scratch: join(dir, 'scratch'),
    isScheduled: true,
    warn: () => {},
  });
}

describe.skipIf(noDebianPostgres !== null)(`a PostgreSQL that the user runs, by pg_basebackup${skipped(noDebianPostgres)}`, () => {
  async function basebackupOf(url: string, dir: string): Promise<Backup> {
    const programs = await localPrograms({ spare: dir });
    const store = directoryStore({ directory: join(dir, 'backups') });
    return basebackup({
      source: 'shop',
      url: async () => url,
      spool: join(dir, 'spool', 'shop'),
      store,
      second: null,
      programs,
    });
  }

  it('a role with REPLICATION, no superuser, backs up and drills', LONG, async () => {
    server = await debianPostgres();
    const url = await shopOn(server, 'REPLICATION');
    const keeper = keeperOf(await basebackupOf(url, server.dir), url, server.dir);
    const { findings } = await keeper.take('manual', signal);
    expect(findings).toEqual([]);
    for (let i = 1; i <= 3; i += 1) {
      await sleep(150);
      await keeper.tick(Date.now() + 10_000 * i, signal);
    }
    await sleep(300);
    await keeper.tick(Date.now() + 60_000, signal);
    const { verdict, evidence } = await keeper.drill('tester', signal, { seed: 99 });
    expect(verdict).toEqual({ passed: true, findings: [] });
    // The log is streamed: also what stands in a segment that is not finished.
    expect(evidence.rpoMs).toBeLessThan(60_000);
    expect(evidence.target).not.toBeNull();
  });

  it('without REPLICATION it says which right is missing', LONG, async () => {
    server = await debianPostgres();
    const url = await shopOn(server);
    const backup = await basebackupOf(url, server.dir);
    await expect(backup.prepare(signal)).rejects.toMatchObject({
      code: 'BACKUP_NEEDS_REPLICATION',
      hint: expect.stringContaining('ALTER ROLE shop_owner REPLICATION'),
    });
    // The heartbeat asks for no more than a schema of its own, and says so.
    await server.admin('CREATE ROLE guest LOGIN');
    await server.admin('GRANT SELECT ON ALL TABLES IN SCHEMA public TO guest', 'shop');
    const asGuest = server.urlOf('guest', 'shop');
    const events = { table: 'public.event', position: 'position' };
    await expect(beat(asGuest, { eventStore: events, counts: true })).rejects.toMatchObject({
      code: 'HEARTBEAT_NOT_ALLOWED',
      hint: expect.stringContaining('CREATE SCHEMA sluice_backup AUTHORIZATION guest'),
    });
    await server.admin('CREATE SCHEMA sluice_backup AUTHORIZATION guest', 'shop');
    // What it may not read it is told by the GRANT, not by a raw error.
    await server.admin('REVOKE SELECT ON event FROM guest', 'shop');
    await expect(beat(asGuest, { eventStore: events, counts: true })).rejects.toMatchObject({
      code: 'HEARTBEAT_NOT_ALLOWED',
      hint: 'As its owner: GRANT SELECT ON public.event TO guest;',
    });
    await server.admin('CREATE SCHEMA closed; CREATE TABLE closed.event (position bigint)', 'shop');
    await expect(beat(asGuest, { eventStore: { table: 'closed.event', position: 'position' }, counts: false })).rejects.toMatchObject({
      code: 'HEARTBEAT_NOT_ALLOWED',
      hint: expect.stringContaining('GRANT USAGE ON SCHEMA closed TO guest; GRANT SELECT ON closed.event TO guest;'),
    });
    await server.admin('GRANT SELECT ON event TO guest', 'shop');
    await expect(beat(asGuest, { eventStore: { ...events, position: 'place' }, counts: false })).rejects.toMatchObject({
      code: 'EVENT_TABLE_UNREADABLE',
    });
    expect(await beat(asGuest, { eventStore: events, counts: true })).toMatchObject({ beat: 1, counts: { 'public.event': 3000 } });
    // What a copy is looked at with less than its superuser.
    await server.admin('CREATE TABLE hidden (position bigint, txid xid8)', 'shop');
    expect((await inspect(asGuest)).refused).toEqual(['GRANT SELECT ON public.hidden']);
  });

  it.skipIf(noPgbouncer !== null)(`is told from a pooler before it${skipped(noPgbouncer)}`, LONG, async () => {
    server = await debianPostgres();
    const url = await shopOn(server, 'REPLICATION');
    const pooler = await pgbouncer(url);
    try {
      const backup = await basebackupOf(pooler.url, server.dir);
      await expect(backup.prepare(signal)).rejects.toMatchObject({
        code: 'DATABASE_URL_POOLED',
        hint: expect.stringContaining('PostgreSQL itself'),
      });
      // Heartbeats are one short transaction each, and go through.
      expect(await beat(pooler.url, { eventStore: null, counts: false })).toMatchObject({ beat: 1 });
    } finally {
      await pooler.end();
    }
  });

  it('reads when the log ends as pg_waldump does', LONG, async () => {
    server = await debianPostgres({ max_prepared_transactions: '5', wal_keep_size: '1GB', wal_recycle: 'off', wal_level: 'logical' });
    await shopOn(server);
    const write = (text: string) => server?.admin(text, 'shop');
    await write("SELECT pg_replication_origin_create('elsewhere')");
    for (let i = 0; i < 3; i += 1) {
      await write(
        "INSERT INTO event (data) SELECT jsonb_build_object('x', repeat('y', (random() * 20000)::int)) FROM generate_series(1, 3000)",
      );
      await write("DO $$ BEGIN FOR i IN 1..2000 LOOP INSERT INTO event (data) VALUES ('{}'); COMMIT; END LOOP; END $$");
      await write('SELECT pg_switch_wal()');
    }
    // Each ends a segment with another kind of end.
    for (const last of [
      ["BEGIN; CREATE TABLE a (i int); PREPARE TRANSACTION 'one'", "COMMIT PREPARED 'one'"],
      ["BEGIN; CREATE TABLE b (i int); PREPARE TRANSACTION 'two'", "ROLLBACK PREPARED 'two'"],
      ['BEGIN; CREATE TABLE c (i int); ROLLBACK'],
      ["SELECT pg_replication_origin_session_setup('elsewhere'); INSERT INTO event (data) VALUES ('{}')"],
      ['BEGIN; SAVEPOINT s; CREATE TABLE d (i int); RELEASE s; COMMIT'],
    ]) {
      for (const step of [...last, 'SELECT pg_switch_wal()']) await write(step);
    }
    await write('CHECKPOINT');
    const folder = join(server.data, 'pg_wal');
    // Not the one that is written on.
    const { rows } = await server.admin('SELECT pg_walfile_name(pg_current_wal_lsn()) AS now');
    const names = (await readdir(folder)).filter((name) => isSegment(name) && name < (rows[0] as { now: string }).now);
    expect(names.length).toBeGreaterThan(7);
    const ends = (text: string) => [...text.matchAll(/desc: (?:COMMIT|ABORT)\w* .*?(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3})\d* \w+/g)];
    let found = 0;
    for (const name of names) {
      const dumped = await server.program('pg_waldump', ['-r', 'Transaction', join(folder, name)]).catch(({ stdout }) => String(stdout));
      const moments = ends(dumped).map(([, text = '']) => Date.parse(`${text.replace(' ', 'T')}Z`));
      const bytes = await readFile(join(folder, name));
      for (const size of [1 << 20, 777_777]) {
        const clock = logClock();
        for (let at = 0; at < bytes.length; at += size) clock.push(bytes.subarray(at, at + size));
        expect([name, clock.newest()]).toEqual([name, Math.max(0, ...moments)]);
      }
      found += moments.length;
    }
    expect(found).toBeGreaterThan(6000);
  });

  it('EVENTS_UNREADABLE: pg_dump and pg_restore into a new cluster', LONG, async () => {
    server = await debianPostgres();
    await server.admin('DO $$ BEGIN FOR i IN 1..2000 LOOP PERFORM pg_current_xact_id(); COMMIT; END LOOP; END $$');
    const url = await shopOn(server);
    expect(judgeTransactionIds((await inspect(url)).transactionIds)).toEqual([]);
    const dump = join(server.dir, 'pg', 'shop.dump');
    await server.program('pg_dump', ['-Fc', '-f', dump, '-d', url]);
    const fresh = await debianPostgres();
    try {
      await fresh.admin('CREATE ROLE shop_owner LOGIN');
      await fresh.admin('CREATE DATABASE shop OWNER shop_owner');
      const copy = fresh.urlOf('shop_owner', 'shop');
      await fresh.program('pg_restore', ['--no-owner', '-d', copy, dump]);
      await fresh.admin('ALTER ROLE shop_owner REPLICATION');
      const keeper = keeperOf(await basebackupOf(copy, fresh.dir), copy, fresh.dir);
      await keeper.take('manual', signal);
      const { verdict } = await keeper.drill('tester', signal);
      expect(verdict.passed).toBe(false);
      expect(verdict.findings).toEqual([
        expect.objectContaining({ code: 'EVENTS_UNREADABLE', message: expect.stringContaining('3000 of 3000 rows of public.event') }),
      ]);
    } finally {
      await fresh.end();
    }
  });
});

describe.skipIf(noPgbackrest !== null)(`pgBackRest${skipped(noPgbackrest)}`, () => {
  it('backs up, restores to a moment, and its own hashes notice a changed file', LONG, async () => {
    server = await debianPostgres({ wal_level: 'replica' });
    const configFile = await pgbackrestConfig(server, 'shop');
    await server.admin("ALTER SYSTEM SET archive_mode = 'on'");
    await server.admin(`ALTER SYSTEM SET archive_command = 'pgbackrest --config=${configFile} --stanza=shop archive-push %p'`);
    await server.program('pg_ctl', ['restart', '-D', server.data, '-w', '-l', join(server.dir, 'pg', 'log')]);
    const url = await shopOn(server);
    const backup = pgbackrest({
      source: 'shop',
      url: async () => url,
      stanza: 'shop',
      configFile,
      programs: await localPrograms({ spare: server.dir }),
    });
    const keeper = keeperOf(backup, url, server.dir);
    const { record, findings } = await keeper.take('manual', signal);
    expect(findings).toEqual([]);
    expect(record.kind).toBe('full');
    for (let i = 1; i <= 3; i += 1) {
      await sleep(150);
      await keeper.tick(Date.now() + 10_000 * i, signal);
    }
    // What is archived is older than when it is: heartbeats that are written meanwhile are not in it.
    await server.admin(`ALTER SYSTEM SET archive_command = 'sleep 2; pgbackrest --config=${configFile} --stanza=shop archive-push %p'`);
    await server.admin('SELECT pg_reload_conf()');
    const shipped = backup.ship(signal, true);
    for (let i = 4; i <= 5; i += 1) {
      await sleep(i === 4 ? 300 : 1_100);
      await beat(url, { eventStore: null, counts: false });
    }
    await shipped;
    const { verdict, evidence } = await keeper.drill('tester', signal, { seed: 2 ** 31 - 1 });
    // What this role may not see is said, and held against nobody.
    expect(verdict).toMatchObject({
      passed: true,
      findings: [{ code: 'CHECK_NOT_ALLOWED', severity: 'warn', hint: 'As a superuser: GRANT pg_monitor TO shop_owner;' }],
    });
    expect(evidence.exercised).toEqual(['corruption', 'badRelease', 'dataCentreLoss']);
    await server.admin('GRANT pg_monitor TO shop_owner');
    expect(judgeArchiver((await backup.archiver()) ?? expect.fail('no reading'), Date.now())).toEqual([]);
    const stored =
      (await server.program('find', [join(server.dir, 'backrest', 'repo', 'backup'), '-name', 'PG_VERSION.gz'])).trim().split('\n')[0] ??
      '';
    await server.program('bash', ['-c', `printf x | dd of=${stored} bs=1 seek=12 conv=notrunc status=none`]);
    expect((await keeper.verify(record.id, signal)).findings).toContainEqual(expect.objectContaining({ code: 'BACKUP_TAMPERED' }));
  });
});
