import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { Agent, get } from 'node:http';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { withApp } from '../../testing/run-app.js';

const post = async (url, body = '') => (await fetch(url, { method: 'POST', body })).json();

test('keeps accounts, and says which version answers', () =>
  withApp('accounts', {}, async ({ url }) => {
    await post(`${url}/accounts/ann/open`);
    await post(`${url}/accounts/ann/deposit`, '500');
    assert.deepEqual(await post(`${url}/accounts/ann/withdraw`, '120'), { open: true, balance: 380 });
    const answer = await fetch(`${url}/accounts/ann`);
    assert.equal(answer.headers.get('x-app-version'), 'v-test');
    assert.deepEqual(await answer.json(), { open: true, balance: 380 });
    assert.equal((await fetch(`${url}/accounts/ann/withdraw`, { method: 'POST', body: '1000' })).status, 409);
    assert.equal((await fetch(`${url}/accounts/bob`)).status, 404);
  }));

test('of deposits that come at the same time none is lost', () =>
  withApp('accounts', {}, async ({ url }) => {
    await post(`${url}/accounts/ann/open`);
    const answers = await Promise.all(Array.from({ length: 8 }, () => fetch(`${url}/accounts/ann/deposit`, { method: 'POST', body: '1' })));
    const good = answers.filter(({ status }) => status === 200).length;
    assert.ok(good >= 1);
    assert.equal((await (await fetch(`${url}/accounts/ann`)).json()).balance, good);
  }));

test('ends without losing the request under way, on a connection that is kept alive', () =>
  withApp('accounts', { fault: { kind: 'slow', ms: 400 } }, async ({ url, child, ended }) => {
    const agent = new Agent({ keepAlive: true });
    const status = new Promise((resolve, reject) =>
      get(`${url}/accounts`, { agent }, (answer) => answer.resume().on('end', () => resolve(answer.statusCode))).on('error', reject),
    );
    await sleep(150);
    const since = Date.now();
    child.kill('SIGTERM');
    assert.equal(await status, 200);
    assert.equal(await ended, 0);
    assert.ok(Date.now() - since < 5_000, 'it does not wait until the connection has been idle for long');
    await assert.rejects(fetch(`${url}/accounts`));
    agent.destroy();
  }));

test('faults: errors begin after the smoke test; a bad health page never turns good', async () => {
  await withApp('accounts', { fault: { kind: 'errors', rate: 1, after: 2 } }, async ({ url }) => {
    const statuses = [];
    for (let i = 0; i < 4; i += 1) statuses.push((await fetch(`${url}/accounts`)).status);
    assert.deepEqual(statuses, [200, 200, 500, 500]);
    assert.equal((await fetch(`${url}/up`)).status, 200);
  });
  await withApp('accounts', { fault: { kind: 'badHealth' } }, async ({ url }) => assert.equal((await fetch(`${url}/up`)).status, 503));
  await withApp('accounts', { fault: { kind: 'crashAfter', requests: 1 } }, async ({ url, ended }) => {
    assert.equal((await fetch(`${url}/accounts`)).status, 200);
    await assert.rejects(fetch(`${url}/accounts`));
    assert.equal(await ended, 1);
  });
});

test('accounts and storefront have the same service.js', async () => {
  const [ours, theirs] = await Promise.all(
    ['../service.js', '../../storefront/service.js'].map((path) => readFile(new URL(path, import.meta.url), 'utf8')),
  );
  assert.equal(ours, theirs);
});
