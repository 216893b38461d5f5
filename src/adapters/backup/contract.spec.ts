import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { backupContract, backupStoreContract } from '../../../test/contracts/backup.ts';
import { testDatabase } from '../../../test/postgres.ts';
import { NEON, neonWorld } from '../../../test/worlds/neon/neon.ts';
import { objectStoreWorld } from '../../../test/worlds/object-store.ts';
import { fileBackup } from './file.ts';
import { neonBackup } from './neon/neon.ts';
import { directoryStore } from './stores/directory.ts';
import { s3Store } from './stores/s3.ts';
import { signed } from './stores/sign.ts';

const { signal } = new AbortController();
const folder = () => mkdtemp(join(tmpdir(), 'sluice-backup-store-'));

backupStoreContract('a folder', async () => {
  const directory = await folder();
  return { store: directoryStore({ directory }), end: () => rm(directory, { recursive: true, force: true }) };
});

backupStoreContract('a bucket', async () => {
  const world = await objectStoreWorld();
  const { endpoint, credentials } = world;
  return {
    store: s3Store({ bucket: 'backups', endpoint, region: 'eu-test-1', prefix: 'team/one', credentials: () => credentials }),
    end: () => world.close(),
  };
});

it('signs as the documentation of AWS does', () => {
  // "GET Bucket Lifecycle" of the Signature Version 4 examples; x-amz-content-sha256 is the hash of nothing.
  const headers = signed({
    method: 'GET',
    url: new URL('https://examplebucket.s3.amazonaws.com/?lifecycle='),
    region: 'us-east-1',
    hash: 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
    now: new Date('2013-05-24T00:00:00Z'),
    credentials: { accessKey: 'AKIAIOSFODNN7EXAMPLE', secretKey: 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY' },
  });
  expect(headers['authorization']).toContain('Signature=fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543');
});

it('a bucket that refuses or fails says which', async () => {
  const world = await objectStoreWorld();
  try {
    const make = (bucket: string, secretKey: string) =>
      s3Store({
        bucket,
        endpoint: world.endpoint,
        region: 'eu-test-1',
        prefix: '',
        credentials: () => ({ accessKey: 'AKIATEST', secretKey }),
      });
    await expect(make('backups', 'wrong').list('x/')).rejects.toMatchObject({ code: 'STORE_NOT_ALLOWED', blame: 'user' });
    await expect(make('other', world.credentials.secretKey).put('x', Buffer.from('x'))).rejects.toMatchObject({
      code: 'BACKUP_STORE_UNUSABLE',
    });
    world.failNext(503, 2);
    await make('backups', world.credentials.secretKey).put('x/y', Buffer.from('x'));
    world.failNext(500, 99);
    await expect(make('backups', world.credentials.secretKey).list('x/')).rejects.toMatchObject({
      code: 'STORE_UNREACHABLE',
      blame: 'outside',
    });
  } finally {
    await world.close();
  }
});

backupContract('file (the state of Terraform)', async () => {
  const dir = await folder();
  const file = join(dir, 'terraform.tfstate');
  const state = (text: string) => JSON.stringify({ version: 4, serial: 1, lineage: 'one', outputs: { text } });
  await writeFile(file, state('none'));
  let copies = 0;
  const store = (name: string) => directoryStore({ directory: join(dir, name) });
  return {
    backup: fileBackup({ source: 'infra', file, store: store('here'), second: store('there') }),
    into: () => join(dir, `copy-${(copies += 1)}.tfstate`),
    write: (text) => writeFile(file, state(text)),
    read: async (location) => (JSON.parse(await readFile(location, 'utf8')) as { outputs: { text: string } }).outputs.text,
    end: () => rm(dir, { recursive: true, force: true }),
  };
});

it('takes no state that a cut-off run has left half written', async () => {
  const dir = await folder();
  const file = join(dir, 'terraform.tfstate');
  await writeFile(file, '{"version": 4, "ser');
  const backup = fileBackup({ source: 'infra', file, store: directoryStore({ directory: join(dir, 'here') }), second: null });
  await expect(backup.take({ kind: 'full', reason: 'manual' }, signal)).rejects.toMatchObject({ code: 'BACKUP_FILE_NOT_A_STATE' });
  expect((await backup.catalog()).backups).toEqual([]);
  await rm(dir, { recursive: true, force: true });
});

const neonOptions = (world: { readonly api: string; readonly key: string }) => ({
  project: NEON.project,
  branch: NEON.main,
  apiKey: () => world.key,
  database: 'neondb',
  role: 'neondb_owner',
  api: world.api,
  pollMs: 5,
});

backupContract('Neon, as its OpenAPI document describes it', async () => {
  const database = await testDatabase();
  const world = await neonWorld(database.url);
  let copies = 0;
  return {
    backup: neonBackup(neonOptions(world)),
    into: () => `restored-${(copies += 1)}`,
    write: async () => {},
    read: async () => null,
    async end() {
      expect(world.mistakes).toEqual([]);
      await world.close();
      await database.drop();
    },
  };
});

it('Neon: waits while another operation is under way, restores to a moment, and puts the branch itself back only under another name', async () => {
  const database = await testDatabase();
  const world = await neonWorld(database.url);
  try {
    const backup = neonBackup(neonOptions(world));
    world.lockNext(2);
    await backup.take({ kind: 'full', reason: 'manual' }, signal);
    const at = Date.now() - 60_000;
    const copy = await backup.restore({ backup: null, to: at, into: '/scratch/drill-1', scratch: true }, signal);
    expect([...world.branches.values()].at(-1)).toMatchObject({ name: 'drill-1', parent: NEON.main, at: new Date(at).toISOString() });
    await copy.destroy();
    expect([...world.branches.values()].map(({ name }) => name)).not.toContain('drill-1');
    await backup.restore({ backup: null, to: at, into: NEON.main, scratch: false }, signal);
    expect(world.branches.get(NEON.main)?.at).toBe(new Date(at).toISOString());
    expect([...world.branches.values()].at(-1)?.name).toMatch(/^before-restore-/);
    await expect(neonBackup({ ...neonOptions(world), apiKey: () => 'wrong' }).catalog()).rejects.toMatchObject({
      code: 'NEON_NOT_ALLOWED',
    });
    expect(world.mistakes).toEqual([]);
  } finally {
    await world.close();
    await database.drop();
  }
});
