import { appendFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
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
import { localPrograms } from '../../compose/backups.ts';
import { USUAL_POLICY } from '../../core/backup/policy.ts';
import type { Backup } from '../../ports/backup.ts';
import { basebackup } from './basebackup.ts';
import { beat } from './heartbeat.ts';
import { createKeeper } from './keeper.ts';
import { pgbackrest } from './pgbackrest/pgbackrest.ts';
import { directoryStore } from './stores/directory.ts';

const { signal } = new AbortController();
/** Drills in a row; `make soak` runs 200 with each adapter. */
const DRILLS = Number(process.env['SLUICE_DRILLS'] ?? 3);
/** A file that is told of every drill, for long runs. */
const REPORT = process.env['SLUICE_DRILLS_REPORT'];
const LONG = { timeout: 120_000 + DRILLS * 120_000 };
const EVENTS = { table: 'public.event', position: 'position' };
const skipped = (reason: string | null) => (reason === null ? '' : ` (skipped: ${reason})`);
let server: DebianPostgres | null = null;

afterEach(async () => {
  await server?.end();
  server = null;
}, 60_000);

/**
 * Drills while people write, heartbeats are written and the log leaves the source all the time.
 * @returns drills that were held against the backup, with their findings; `moved`: pieces of the log that were stored meanwhile.
 */
async function drillWhileMoving(backup: Backup, url: string, dir: string, say: (text: string) => Promise<unknown>) {
  const keeper = createKeeper({
    source: 'shop',
    backup,
    // The machine may be busy: how long a recovery takes is no part of this.
    policy: { ...USUAL_POLICY, heartbeatMs: 100, objectives: { rpoMs: 3_600_000, rtoMs: 3_600_000 } },
    journal: memoryJournal(),
    url: async () => url,
    eventStore: EVENTS,
    scratch: join(dir, 'scratch'),
    isScheduled: true,
    warn: () => {},
  });
  await keeper.take('manual', signal);
  let isOver = false;
  let ticks = 0;
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  const writing = (async () => {
    while (!isOver) {
      await client.query("INSERT INTO event (data) SELECT jsonb_build_object('item', i) FROM generate_series(1, 20) i");
      await sleep(5);
    }
  })();
  const shipping = (async () => {
    while (!isOver) {
      await beat(url, { eventStore: EVENTS, counts: ticks % 10 === 0 });
      await backup.ship(signal);
      ticks += 1;
      await sleep(20);
    }
  })();
  const failures: unknown[] = [];
  try {
    await until(() => ticks > 3);
    for (let drill = 1; drill <= DRILLS; drill += 1) {
      // As a schedule does: replayed from the first backup on, the log of 200 drills would take longer each time.
      if (drill % 10 === 0) await keeper.take('manual', signal);
      const before = ticks;
      const { verdict } = await keeper.drill('tester', signal);
      const failed = verdict.findings.filter(({ severity }) => severity === 'fail');
      if (failed.length > 0) failures.push({ drill, failed });
      await say(
        `${backup.adapter} drill ${drill} of ${DRILLS}: ${verdict.passed ? 'passed' : JSON.stringify(failed)}, log shipped ${ticks - before} times\n`,
      );
    }
  } finally {
    isOver = true;
    await Promise.all([writing, shipping]).finally(() => client.end());
  }
  return { failures, ticks };
}

async function until(holds: () => boolean): Promise<void> {
  for (const end = Date.now() + 60_000; !holds(); await sleep(20)) if (Date.now() > end) throw new Error('did not come true in time');
}

const report = async (text: string) => (REPORT === undefined ? undefined : appendFile(REPORT, text));

describe.skipIf(noDebianPostgres !== null)(`drills while the log moves${skipped(noDebianPostgres)}`, () => {
  it('by pg_basebackup none fails: pieces that are read stay, or their successors are read', LONG, async () => {
    server = await debianPostgres();
    const url = await shopOn(server, 'REPLICATION');
    const backup = basebackup({
      source: 'shop',
      url: async () => url,
      spool: join(server.dir, 'spool', 'shop'),
      store: directoryStore({ directory: join(server.dir, 'backups') }),
      second: directoryStore({ directory: join(server.dir, 'second') }),
      programs: await localPrograms({ spare: server.dir }),
    });
    const { failures, ticks } = await drillWhileMoving(backup, url, server.dir, report);
    expect(failures).toEqual([]);
    expect(ticks).toBeGreaterThan(DRILLS);
  });

  it.skipIf(noPgbackrest !== null)(`by pgBackRest none fails${skipped(noPgbackrest)}`, LONG, async () => {
    server = await debianPostgres({ wal_level: 'replica', archive_timeout: '1' });
    const configFile = await pgbackrestConfig(server, 'shop');
    await server.admin("ALTER SYSTEM SET archive_mode = 'on'");
    await server.admin(`ALTER SYSTEM SET archive_command = 'pgbackrest --config=${configFile} --stanza=shop archive-push %p'`);
    await server.program('pg_ctl', ['restart', '-D', server.data, '-w', '-l', join(server.dir, 'pg', 'log')]);
    const url = await shopOn(server, 'IN ROLE pg_monitor');
    const backup = pgbackrest({
      source: 'shop',
      url: async () => url,
      stanza: 'shop',
      configFile,
      programs: await localPrograms({ spare: server.dir }),
    });
    const { failures, ticks } = await drillWhileMoving(backup, url, server.dir, report);
    expect(failures).toEqual([]);
    expect(ticks).toBeGreaterThan(DRILLS);
  });
});
