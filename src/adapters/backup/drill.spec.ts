import { mkdir, readdir, readFile, rename, rm, utimes, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { gunzipSync, gzipSync } from 'node:zlib';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { type ClusterWorld, clusterWorld } from '../../../test/worlds/cluster.ts';
import { judgeArchiver } from '../../core/backup/archiver.ts';
import { judgeTransactionIds } from '../../core/backup/inspection.ts';
import { beat } from './heartbeat.ts';
import { inDatabase, inspect } from './inspect.ts';

const { signal } = new AbortController();
const LONG = { timeout: 150_000 };
const BEATS = 'SELECT (extract(epoch FROM at) * 1000)::float8 AS at FROM sluice_backup.heartbeat ORDER BY beat';
/** The seed of the last moment that may be drawn. */
const LAST = 2 ** 31 - 1;

/* One cluster, in the order of a life: taken, drilled, damaged in every way that must be noticed. */
describe('backups of an embedded PostgreSQL', () => {
  let world: ClusterWorld;
  let newest: string;
  const codes = (findings: readonly { readonly code: string }[]) => findings.map(({ code }) => code);
  const inStore = (key: string) => join(world.dir, 'backups', key);

  beforeAll(async () => {
    world = await clusterWorld();
    const { record, findings } = await world.keeper.take('manual', signal);
    expect(findings).toEqual([]);
    newest = record.id;
    for (let i = 0; i < 3; i += 1) {
      await world.sql(`INSERT INTO shop.event (stream, data) SELECT 'late-${i}', '{}' FROM generate_series(1, 100)`);
      await sleep(20);
      await world.keeper.tick(Date.now() + 10_000 * (i + 1), signal);
    }
    await world.sql('SELECT pg_switch_wal()');
    await untilArchived(world);
  }, 150_000);
  afterAll(() => world.end(), 60_000);

  it('a drill restores to the newest and to a random moment, and says how long and how much', LONG, async () => {
    const { evidence, verdict } = await world.keeper.drill('tester', signal, { seed: 12_345 });
    expect(verdict).toEqual({ passed: true, findings: [] });
    expect(evidence.rtoMs).toBeGreaterThan(0);
    expect(evidence.rpoMs).toBeLessThan(60_000);
    expect(evidence.target?.reachedAt).toBeLessThanOrEqual(evidence.target?.at ?? 0);
    expect(evidence.compared.join('\n')).toMatch(
      /shop.event: \d+ rows up to position \d+, sum -?\d+, as in the source[^]*pages by their checksums, 0 damaged/,
    );
    expect(world.journal.events.at(-1)).toMatchObject({ type: 'DrillEnded', passed: true, evidence: { drill: evidence.drill } });
    // Nothing of the copies is left, and they have archived nothing.
    expect(await readdir(join(dirname(world.server.dataDirectory), 'scratch'))).toEqual([]);
  });

  it('restores as it was before the mistake, and touches nothing else', LONG, async () => {
    const { at } = await world.keeper.restorePoint('release 01TEST', signal);
    await sleep(20);
    await world.sql('DROP TABLE shop.stock');
    await world.keeper.tick(Date.now() + 60_000, signal);
    const into = join(dirname(world.server.dataDirectory), 'before');
    const restored = await world.keeper.restore({ to: at, backup: null, into, by: 'tester' }, signal);
    const client = new pg.Client({ connectionString: inDatabase(restored.url ?? '', 'sluice') });
    await client.connect();
    const { rows } = await client.query<{ amount: string }>('SELECT sum(amount) AS amount FROM shop.stock');
    await client.end();
    expect(rows[0]?.amount).toBe('125250');
    await restored.destroy();
    await expect(world.keeper.restore({ to: at, backup: null, into: world.dir, by: 'tester' }, signal)).rejects.toMatchObject({
      code: 'RESTORE_INTO_UNUSABLE',
    });
    await world.sql('CREATE TABLE shop.stock AS SELECT 1 AS item');
  });

  it('waits for no log where none was written', LONG, async () => {
    // Waited for, it would not have come within the 20 s that this world allows.
    for (let i = 0; i < 4; i += 1) await expect(world.backup.ship(signal, true)).resolves.toBeUndefined();
  });

  it('has everything at the second location as well', LONG, async () => {
    // The server writes on, and its log is taken to one place after the other.
    await vi.waitFor(
      async () => {
        await world.backup.ship(signal);
        const [there, here] = [await world.second.list('shop/'), await world.store.list('shop/')];
        expect(there.map(({ key }) => key)).toEqual(here.map(({ key }) => key));
      },
      { timeout: 30_000, interval: 200 },
    );
  });

  it('goes as far as the log does, however late that was stored', LONG, async () => {
    const beatsApart = async () => {
      for (let i = 0; i < 2; i += 1) {
        await beat(world.server.url, { eventStore: null, counts: false });
        await sleep(1_050);
      }
      return (await world.sql<{ at: number }>(BEATS)).map(({ at }) => at);
    };
    const stored = (await beatsApart()).at(-1) ?? 0;
    await world.backup.ship(signal, true);
    await world.sql("ALTER SYSTEM SET archive_command = 'false'");
    await world.sql('SELECT pg_reload_conf()');
    await beatsApart();
    // As if the archiver had stood still for an hour: nothing but the log itself says when it ends.
    const later = Date.now() / 1000 + 3_600;
    const pieces = (await world.store.list('shop/wal/')).map(({ key }) => key);
    for (const folder of ['backups', 'second']) for (const key of pieces) await utimes(join(world.dir, folder, key), later, later);
    const { window } = await world.backup.catalog();
    expect(window?.to).toBeGreaterThan(stored - 5);
    expect(window?.to).toBeLessThan(Date.now());
    const drilled = await world.keeper.drill('tester', signal, { seed: LAST });
    expect(drilled.verdict.findings.map(({ code }) => code)).not.toContain('RESTORE_FAILED');
    expect(drilled.evidence.target?.at).toBeGreaterThan(stored - 1_050);

    // What is restored is the log up to the first commit beyond the moment, and no more of it.
    const to = Math.round(stored - 500);
    const into = join(dirname(world.server.dataDirectory), 'late');
    const restored = await world.backup.restore({ backup: null, to, into, scratch: true }, signal);
    const beyond = pieces.slice(pieces.findIndex((key) => Number(/\.(\d+)\.gz$/.exec(key)?.[1]) > to));
    expect(beyond[0]).toContain((await readdir(join(into, 'wal'))).at(-1));
    await restored.destroy();

    // And at the second location as far as that has it.
    for (const key of beyond) await rm(join(world.dir, 'second', key));
    const behind = (await world.backup.catalog(true)).window?.to ?? 0;
    expect(behind).toBeLessThanOrEqual(to);
    const fromCopy = await world.keeper.drill('tester', signal, { seed: LAST });
    expect(fromCopy.verdict.findings.map(({ code }) => code)).not.toContain('RESTORE_FAILED');
    expect(fromCopy.evidence.target?.at).toBeLessThanOrEqual(behind);
    await world.backup.prepare(signal);
    await world.backup.ship(signal, true);
  });

  it('COPY_MISSING: the second location is empty, or not there at all', LONG, async () => {
    const second = join(world.dir, 'second');
    await rename(second, `${second}-aside`);
    const empty = await world.keeper.drill('tester', signal);
    expect(empty.verdict.findings).toEqual([
      expect.objectContaining({
        code: 'COPY_MISSING',
        severity: 'fail',
        message: expect.stringContaining('has no backup that could be restored'),
      }),
    ]);
    await writeFile(second, 'no folder');
    const lost = await world.keeper.drill('tester', signal);
    expect(lost.verdict).toMatchObject({ passed: false, findings: [{ severity: 'fail' }] });
    // What the first location has shown is not lost with it.
    expect(lost.evidence).toMatchObject({ rtoMs: expect.any(Number), target: null, exercised: ['dataCentreLoss'] });
    await rm(second);
    await rename(`${second}-aside`, second);
  });

  it('BACKUP_TAMPERED: a byte of a stored file is another one', LONG, async () => {
    const [bundle] = (await world.store.list(`shop/backups/${newest}/data/`)).map(({ key }) => inStore(key));
    const sound = await readFile(bundle ?? '');
    const changed = Buffer.from(sound);
    changed[changed.length >> 1] = (changed[changed.length >> 1] ?? 0) ^ 1;
    await writeFile(bundle ?? '', changed);
    const { verdict, evidence } = await world.keeper.drill('tester', signal, { seed: 7 });
    expect(verdict.passed).toBe(false);
    expect(codes(verdict.findings)).toContain('BACKUP_TAMPERED');
    expect(evidence.rtoMs).toBeNull();
    expect((await world.keeper.overview()).alarms).toContainEqual(expect.objectContaining({ code: 'DRILL_FAILED' }));
    expect(world.journal.events).toContainEqual(expect.objectContaining({ type: 'BackupAlarmRaised' }));
    await rm(bundle ?? '');
    expect(codes((await world.keeper.verify(newest, signal)).findings)).toEqual(['BACKUP_FILE_MISSING']);
    await writeFile(bundle ?? '', sound);
    expect((await world.keeper.verify(newest, signal)).findings).toEqual([]);
  });

  it('BACKUP_MANIFEST_CHANGED: the files and their hashes were rewritten together', LONG, async () => {
    const path = inStore(`shop/backups/${newest}/manifest.json`);
    const sound = await readFile(path, 'utf8');
    await writeFile(path, sound.replace('"reason":"manual"', '"reason":"nothing"'));
    expect(codes((await world.keeper.verify(newest, signal)).findings)).toEqual(['BACKUP_MANIFEST_CHANGED']);
    await writeFile(path, sound);
  });

  it('WAL_SEGMENT_MISSING and WAL_SEGMENT_TAMPERED: PostgreSQL would have ended its recovery there and said nothing', LONG, async () => {
    const wal = (await world.store.list('shop/wal/')).map(({ key }) => inStore(key));
    const middle = wal.at(-2) ?? '';
    const sound = await readFile(middle);
    await rm(middle);
    const { findings } = await world.keeper.verify(newest, signal);
    const missing = findings.find(({ code }) => code === 'WAL_SEGMENT_MISSING');
    await expect(
      world.backup.restore({ backup: newest, to: null, into: join(world.dir, 'never'), scratch: true }, signal),
    ).rejects.toMatchObject({
      code: 'WAL_SEGMENT_MISSING',
    });
    expect(missing?.message).toContain(/wal\/([0-9A-F]{24})/.exec(middle)?.[1]);
    await mkdir(dirname(middle), { recursive: true });
    // A byte of the log itself, and one of its checksum: one of the stream between them may stand for the same log.
    const [content, stream] = [gunzipSync(sound), Buffer.from(sound)];
    content[200] = (content[200] ?? 0) ^ 1;
    stream[stream.length - 8] = (stream.at(-8) ?? 0) ^ 1;
    for (const changed of [gzipSync(content), stream]) {
      await writeFile(middle, changed);
      expect(codes((await world.keeper.verify(newest, signal)).findings)).toEqual(['WAL_SEGMENT_TAMPERED']);
    }
    await writeFile(middle, sound);
  });

  it('BACKUP_OF_DAMAGED_PAGES: the source was damaged before it was copied', LONG, async () => {
    await world.sql("CREATE TABLE shop.old AS SELECT i, repeat('x', 100) AS text FROM generate_series(1, 1000) i; CHECKPOINT");
    const [row] = await world.sql<{ path: string }>("SELECT pg_relation_filepath('shop.old') AS path");
    const path = join(world.server.dataDirectory, row?.path ?? '');
    // So that the server has no reason to write it again.
    await world.sql('VACUUM FREEZE shop.old');
    await world.sql('CHECKPOINT');
    const page = await readFile(path);
    page[8_192 + 5_000] = (page[8_192 + 5_000] ?? 0) ^ 0x40;
    await writeFile(path, page);
    const { findings } = await world.keeper.take('manual', signal);
    expect(findings).toEqual([
      expect.objectContaining({ code: 'BACKUP_OF_DAMAGED_PAGES', message: expect.stringContaining(`${row?.path} page 1`) }),
    ]);
    await world.sql('DROP TABLE shop.old');
  });

  it('EVENTS_UNREADABLE: a logical copy brought transaction ids that its cluster has not reached', LONG, async () => {
    await world.sql('CREATE DATABASE logical');
    const url = inDatabase(world.server.url, 'logical');
    const client = new pg.Client({ connectionString: url });
    await client.connect();
    await client.query(`CREATE TABLE event (position bigint PRIMARY KEY, txid xid8 NOT NULL);
      INSERT INTO event SELECT i, (38000 + i)::text::xid8 FROM generate_series(1, 827) i`);
    await client.end();
    const found = await inspect(url);
    expect(judgeTransactionIds(found.transactionIds)).toEqual([
      expect.objectContaining({
        code: 'EVENTS_UNREADABLE',
        message: expect.stringContaining('827 of 827 rows of public.event are there but no reader sees them'),
      }),
    ]);
    await world.sql('DROP DATABASE logical');
  });

  it('ARCHIVER_FAILING, ARCHIVER_STOPPED, ARCHIVER_OFF: told apart', LONG, async () => {
    const reading = async () => (await world.backup.archiver()) ?? expect.fail('no reading');
    const write = () => world.sql("INSERT INTO shop.event (stream, data) VALUES ('x', '{}'); SELECT pg_switch_wal()");
    await world.sql("ALTER SYSTEM SET archive_command = 'false'");
    await world.sql('SELECT pg_reload_conf()');
    await write();
    await expect.poll(async () => codes(judgeArchiver(await reading(), Date.now())), { timeout: 30_000 }).toEqual(['ARCHIVER_FAILING']);
    await world.sql("ALTER SYSTEM SET archive_command = ''");
    await world.sql('SELECT pg_reload_conf()');
    await world.sql("SELECT pg_stat_reset_shared('archiver')");
    await write();
    await expect
      .poll(async () => codes(judgeArchiver(await reading(), Date.now() + 600_000)), { timeout: 30_000 })
      .toEqual(['ARCHIVER_STOPPED']);
    expect(codes(judgeArchiver({ ...(await reading()), mode: 'off' }, Date.now()))).toEqual(['ARCHIVER_OFF']);
    // Put right by the next backup.
    await world.backup.prepare(signal);
    await write();
    const shipped = async () => {
      await world.backup.ship(signal);
      return judgeArchiver(await reading(), Date.now() + 600_000);
    };
    await expect.poll(shipped, { timeout: 60_000 }).toEqual([]);
  });
});

/** Until the window reaches beyond the last heartbeat but one. */
async function untilArchived(world: ClusterWorld): Promise<void> {
  const [row] = await world.sql<{ at: number }>('SELECT (extract(epoch FROM max(at)) * 1000)::float8 AS at FROM sluice_backup.heartbeat');
  const deadline = Date.now() + 60_000;
  for (;;) {
    await world.backup.ship(signal);
    const to = (await world.backup.catalog()).window?.to ?? 0;
    if (to > (row?.at ?? 0) - 200) return;
    if (Date.now() > deadline) throw new Error(`the log ends ${(row?.at ?? 0) - to} ms before the last heartbeat`);
    await sleep(200);
  }
}
