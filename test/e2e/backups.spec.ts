import { spawn } from 'node:child_process';
import { readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { selfCommand } from '../../src/lib/spawn-self.ts';
import type { Evidence } from '../../src/core/backup/drill.ts';
import { startEmbeddedPostgres } from '../../src/engine/postgres/embedded.ts';
import { createWorld, type World } from './world.ts';

const LONG = { timeout: 240_000 };
const STATE = JSON.stringify({ version: 4, serial: 7, lineage: 'harbour', outputs: {} });
let world: World;

interface Ran {
  readonly exit: number | null;
  readonly out: string;
  readonly err: string;
}

async function sluice(...argv: readonly string[]): Promise<Ran> {
  const [command = process.execPath, ...args] = selfCommand(new URL('../../src/cli/main.ts', import.meta.url));
  const child = spawn(command, [...args, ...argv, '-C', world.dir], { env: process.env, stdio: ['ignore', 'pipe', 'pipe'] });
  let [out, err] = ['', ''];
  child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()));
  const exit = await new Promise<number | null>((resolve) => child.on('close', resolve));
  return { exit, out, err };
}

interface DrillAnswer {
  readonly evidence: Evidence;
  readonly verdict: { readonly passed: boolean; readonly findings: readonly { readonly code: string; readonly message: string }[] };
}

async function drill(): Promise<{ exit: number | null; codes: string[]; said: string; evidence: Evidence }> {
  const ran = await sluice('drill', 'control', '--json');
  expect(ran.out, ran.err).not.toBe('');
  const { evidence, verdict } = JSON.parse(ran.out) as DrillAnswer;
  const { findings } = verdict;
  return { exit: ran.exit, codes: findings.map(({ code }) => code), said: findings.map(({ message }) => message).join('\n'), evidence };
}

const inStore = (...path: string[]) => join(world.dir, '.sluice/backups/control', ...path);
const newestBackup = async () => (await readdir(inStore('backups'))).toSorted().at(-1) ?? '';

/** As the superuser of the control plane's own PostgreSQL. */
async function sql(text: string): Promise<void> {
  // It runs already: this one finds its address.
  const { url } = await startEmbeddedPostgres(join(world.dir, '.sluice'));
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    await client.query(text);
  } finally {
    await client.end();
  }
}

/* Harbour, its control plane, and what is kept of both: taken, drilled, damaged, lost and put back, all by commands. */
beforeAll(async () => {
  world = await createWorld({
    config: (dir) => ({
      workspace: 'harbour',
      apps: {
        web: {
          path: 'web',
          run: { command: ['node', 'server.js'], drain: '2s' },
          env: { HARBOUR_DATA: join(dir, '.sluice/data') },
          health: '/up',
          routes: ['/'],
          strategy: 'recreate',
        },
      },
      environments: { production: { edge: { kind: 'embedded', port: 0 } } },
      backups: {
        control: { adapter: 'embedded', copyTo: '.sluice/elsewhere', heartbeat: '1s', drills: 'asked' },
        infra: { adapter: 'file', file: 'infra.tfstate', copyTo: '.sluice/elsewhere' },
      },
    }),
  });
  await writeFile(join(world.dir, 'infra.tfstate'), STATE);
  await world.start();
}, 120_000);

afterAll(async () => {
  expect(await world.end()).toEqual([]);
}, 120_000);

it('backs up while a release goes on, and a drill says how long recovery takes and what would be lost', LONG, async () => {
  const release = await world.deploy('web');
  const first = await sluice('backup', 'now', 'control');
  expect(first, first.err).toMatchObject({ exit: 0, out: expect.stringMatching(/^control: \d{8}-\d{6}F-\w{4}: full, .*, verified\n/) });
  expect(first.err).toMatch(/files: \d+ % of \d+ MB|waiting for the log|copying to the second location|verifying/);
  expect(await world.outcome(release)).toBe('Succeeded');
  expect((await sluice('backup', 'now', 'control')).exit).toBe(0);

  const ran = await sluice('drill', 'control');
  expect(ran, ran.err).toMatchObject({ exit: 0 });
  for (const line of [
    /^control: drill passed, drill-\d{8}T\d{6}Z\n/,
    /recovery time {3}[\d.]+ s \(objective 4 h\)/,
    /recovery point {2}[\d.]+ s \(objective 1 h\)/,
    /random moment .* \(--seed \d+\)/,
    /compared: the log is archived by the server, 0 failures/,
    /compared: sluice\.event: \d+ rows up to position \d+, sum -?\d+, as in the source/,
    /compared: migration sluice\.schema_version/,
    /compared: \d+ pages by their checksums, 0 damaged/,
    /random moment .* at the second location/,
  ])
    expect(ran.out).toMatch(line);
  console.log(ran.out);
  expect(ran.err).toMatch(/judging every page/);
  // The evidence is in the log, chained like everything else.
  const { events } = await world.api<{ events: { type: string; data: { evidence: Evidence } }[] }>('GET', '/v1/timeline?limit=1000');
  expect(events.findLast(({ type }) => type === 'DrillEnded')?.data.evidence.exercised).toEqual([
    'corruption',
    'badRelease',
    'dataCentreLoss',
    'regionLoss',
  ]);
  expect((await world.api<{ intact: boolean }>('GET', '/v1/audit/verify')).intact).toBe(true);
});

it('names a changed file, and a segment of the log that is gone', LONG, async () => {
  const [bundle = ''] = await readdir(inStore('backups', await newestBackup(), 'data'));
  const path = inStore('backups', await newestBackup(), 'data', bundle);
  const sound = await readFile(path);
  const changed = Buffer.from(sound);
  changed[changed.length >> 1] = (changed[changed.length >> 1] ?? 0) ^ 1;
  await writeFile(path, changed);
  expect(await drill()).toMatchObject({ exit: 3, codes: expect.arrayContaining(['BACKUP_TAMPERED']) });
  expect(await sluice('backup', 'list')).toMatchObject({ exit: 3, out: expect.stringMatching(/last drill .*FAILED[^]*DRILL_FAILED/) });
  await writeFile(path, sound);

  const manifest = await readFile(inStore('backups', await newestBackup(), 'manifest.json'), 'utf8');
  const segment = /START WAL LOCATION: \S+ \(file ([0-9A-F]{24})\)/.exec(manifest)?.[1] ?? '';
  const stored = (await readdir(inStore('wal'))).find((name) => name.startsWith(segment)) ?? '';
  await rename(inStore('wal', stored), join(world.dir, '.sluice/aside'));
  const ran = await sluice('drill', 'control');
  expect(ran).toMatchObject({ exit: 3, out: expect.stringMatching(new RegExp(`WAL_SEGMENT_MISSING .*${segment}`)) });
  await rename(join(world.dir, '.sluice/aside'), inStore('wal', stored));
});

it('names an archiver that is stopped, and rows that a logical restore has made unreadable', LONG, async () => {
  await sql("ALTER SYSTEM SET archive_command = 'false'");
  await sql('SELECT pg_reload_conf()');
  await sql('CREATE TABLE public.harbour_copy (position bigint PRIMARY KEY, txid xid8 NOT NULL)');
  await sql('INSERT INTO public.harbour_copy SELECT i, (9000000 + i)::text::xid8 FROM generate_series(1, 500) i; SELECT pg_switch_wal()');
  const stopped = await until(drill, ({ codes }) => codes.includes('ARCHIVER_FAILING'));
  expect(stopped.exit).toBe(3);
  // The next backup puts the archiving right.
  expect((await sluice('backup', 'now', 'control')).exit).toBe(0);
  const ran = await sluice('drill', 'control');
  expect(ran).toMatchObject({
    exit: 3,
    out: expect.stringContaining('EVENTS_UNREADABLE 500 of 500 rows of public.harbour_copy are there but no reader sees them'),
  });
  await sql("UPDATE public.harbour_copy SET txid = '3'");
  expect((await sluice('backup', 'now', 'control')).exit).toBe(0);
  const mended = await drill();
  expect(mended, mended.said).toMatchObject({ exit: 0, codes: [] });
});

it('the runbook of the lost region, typed in as it stands, brings everything back', LONG, async () => {
  expect((await sluice('backup', 'now', 'infra')).exit).toBe(0);
  const { out } = await sluice('backup', 'runbook');
  expect(out).toMatch(
    /## Order of recovery\n\n1\. \*\*control\*\*: the event store[^]*\*\*infra\*\*[^]*projections[^]*apps of production: web/,
  );
  const [, chapter = ''] = out.split('## Loss of a region');
  expect(chapter).toMatch(/Gone through by the last drill of control/);
  const steps = [...(chapter.split('\n## ')[0] ?? '').matchAll(/`sluice (backup restore [^`]*--into )(\S+)`/g)];
  expect(steps.map(([, command]) => command?.trim())).toEqual([
    'backup restore control --offline --from-copy --into',
    'backup restore infra --from-copy --into',
  ]);
  // The machine is gone, and with it the first copy.
  await world.kill();
  await rm(join(world.dir, '.sluice/backups'), { recursive: true });
  await rm(join(world.dir, 'infra.tfstate'));
  for (const [, command = '', into = ''] of steps) {
    const ran = await sluice(...command.trim().split(' '), join(world.dir, 'back', into.split('/').at(-1) ?? ''));
    expect(ran, ran.err).toMatchObject({ exit: 0 });
  }
  expect(await readFile(join(world.dir, 'back/restored-infra.tfstate'), 'utf8')).toBe(STATE);
  const data = await readdir(join(world.dir, 'back/restored-control/data'));
  expect(data).toEqual(expect.arrayContaining(['PG_VERSION', 'base', 'pg_wal', 'postgresql.auto.conf']));
});

async function until<T>(ask: () => Promise<T>, isDone: (answer: T) => boolean): Promise<T> {
  const deadline = Date.now() + 120_000;
  for (;;) {
    const answer = await ask();
    if (isDone(answer) || Date.now() > deadline) return answer;
  }
}
