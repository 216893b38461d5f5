import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { withApp } from '../../testing/run-app.js';
import { openQueue } from '../queue.js';

async function until(holds) {
  for (const deadline = Date.now() + 10_000; Date.now() < deadline; await sleep(20)) if (await holds()) return;
  assert.fail('waited in vain');
}

test('settles what is put into the queue, and ends after the job under way', () =>
  withApp('settler', { main: 'worker.js', fault: { kind: 'slow', ms: 300 } }, async ({ dir, child, ended }) => {
    const queue = await openQueue(join(dir, 'data', 'payments'));
    for (const id of ['1', '2', '3']) await queue.add(id, { cents: 5 });
    await until(async () => (await queue.receipts()).length === 1);
    child.kill('SIGTERM');
    assert.equal(await ended, 0);
    const receipts = await queue.receipts();
    assert.ok(receipts.length >= 1 && receipts.length < 3, `${receipts.length} settled`);
    assert.deepEqual(JSON.parse(await readFile(join(dir, 'data/payments/settled/1.json'), 'utf8')), {
      cents: 5,
      settledBy: 'v-test',
      release: '1',
    });
  }));

test('a version that cannot start says so by its exit code', () =>
  withApp('settler', { main: 'worker.js', fault: { kind: 'badHealth' } }, async ({ ended }) => assert.equal(await ended, 1)));
