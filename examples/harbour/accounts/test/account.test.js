import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile, appendFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { decide, fold } from '../account.js';
import { fileStore } from '../file-store.js';

test('money that was put in can be taken out, and no more', () => {
  const state = fold([{ type: 'Opened' }, { type: 'Deposited', amount: 500 }]);
  assert.deepEqual(decide({ kind: 'withdraw', amount: 500 }, state), [{ type: 'Withdrawn', amount: 500 }]);
  assert.throws(() => decide({ kind: 'withdraw', amount: 501 }, state), { status: 409 });
});

test('an account opens once and needs to be open', () => {
  assert.deepEqual(decide({ kind: 'open' }, fold([{ type: 'Opened' }])), []);
  assert.throws(() => decide({ kind: 'deposit', amount: 1 }, fold([])), { status: 404 });
  assert.throws(() => decide({ kind: 'deposit', amount: -1 }, fold([{ type: 'Opened' }])), { status: 400 });
});

test('of many who append at once each version is written once', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'accounts-'));
  const stores = await Promise.all([1, 2, 3].map(() => fileStore(join(folder, 'events.jsonl'))));
  const results = await Promise.all(stores.flatMap((store) => [1, 2].map(() => store.append('a', 0, [{ type: 'Opened' }]))));
  assert.equal(results.filter(Boolean).length, 1);
  assert.equal((await stores[0].read('a')).length, 1);
  await rm(folder, { recursive: true });
});

test('a line cut off by a crash and the lock of a dead process are no obstacle', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'accounts-'));
  const path = join(folder, 'events.jsonl');
  await writeFile(`${path}.lock`, '999999999');
  const store = await fileStore(path);
  assert.equal(await store.append('a', 0, [{ type: 'Opened' }]), true);
  await appendFile(path, '{"stream":"a","ver');
  assert.equal((await store.read('a')).length, 1);
  await rm(folder, { recursive: true });
});
