import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { openQueue } from '../queue.js';

async function inFolder(run) {
  const folder = await mkdtemp(join(tmpdir(), 'settler-'));
  await run(folder).finally(() => rm(folder, { recursive: true }));
}

test('settles every job once, in order', () =>
  inFolder(async (folder) => {
    const queue = await openQueue(folder);
    await queue.add('2', { amount: 2 });
    await queue.add('1', { amount: 1 });
    const seen = [];
    assert.equal(
      await queue.work(
        async (job) => (seen.push(job.amount), job),
        () => false,
      ),
      2,
    );
    assert.deepEqual(seen, [1, 2]);
    assert.deepEqual(await queue.receipts(), ['1.json', '2.json']);
  }));

test('a job whose receipt was written before a crash is not settled again', () =>
  inFolder(async (folder) => {
    const queue = await openQueue(folder);
    await queue.add('1', { amount: 1 });
    await queue.work(
      async (job) => job,
      () => false,
    );
    await queue.add('1', { amount: 1 });
    let settled = 0;
    await queue.work(
      async (job) => ((settled += 1), job),
      () => false,
    );
    assert.equal(settled, 0);
  }));

test('stops between jobs', () =>
  inFolder(async (folder) => {
    const queue = await openQueue(folder);
    await queue.add('1', {});
    await queue.add('2', {});
    let done = 0;
    await queue.work(
      async (job) => ((done += 1), job),
      () => done >= 1,
    );
    assert.equal(done, 1);
  }));

test('a job that cannot be read is set aside, and those behind it are settled', () =>
  inFolder(async (folder) => {
    const queue = await openQueue(folder);
    await writeFile(join(folder, 'waiting', '1.json'), '{"cut o');
    await queue.add('2', {});
    await queue.work(
      async (job) => job,
      () => false,
    );
    assert.deepEqual(await queue.broken(), ['1.json']);
    assert.deepEqual(await queue.receipts(), ['2.json']);
  }));
