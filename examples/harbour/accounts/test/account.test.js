import assert from 'node:assert/strict';
import { appendFile, mkdtemp, rm } from 'node:fs/promises';
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

async function inFolder(run) {
  const folder = await mkdtemp(join(tmpdir(), 'accounts-'));
  await run(join(folder, 'events.jsonl')).finally(() => rm(folder, { recursive: true }));
}

test('of many who append at once each version is written once', () =>
  inFolder(async (path) => {
    const stores = await Promise.all([1, 2, 3].map(() => fileStore(path)));
    const results = await Promise.all(
      stores.flatMap((store) => [1, 2].map((amount) => store.append('a', 0, [{ type: 'Deposited', amount }]))),
    );
    assert.equal(results.filter(Boolean).length, 1);
    const seen = await Promise.all(stores.map((store) => store.read('a')));
    assert.equal(seen[0].length, 1);
    assert.deepEqual(seen[1], seen[0]);
    await Promise.all(stores.map((store) => store.close()));
  }));

test('a line that a crash cut off is no obstacle, and does not count', () =>
  inFolder(async (path) => {
    const store = await fileStore(path);
    assert.equal(await store.append('a', 0, [{ type: 'Opened' }]), true);
    await appendFile(path, '\n{"id":"x","stream":"a","aft');
    assert.equal((await store.read('a')).length, 1);
    assert.equal(await store.append('a', 1, [{ type: 'Deposited', amount: 5 }]), true);
    await store.close();
    const again = await fileStore(path);
    assert.deepEqual(await again.read('a'), [{ type: 'Opened' }, { type: 'Deposited', amount: 5 }]);
    await again.close();
  }));
