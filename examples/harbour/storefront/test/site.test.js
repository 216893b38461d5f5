import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { test } from 'node:test';
import { withApp } from '../../testing/run-app.js';

/** An edge that knows accounts but no rates. */
function edge(answer) {
  const server = createServer((request, response) =>
    request.url.startsWith('/accounts/') ? answer(response) : response.writeHead(404).end(),
  );
  return new Promise((resolve) =>
    server.listen(0, '127.0.0.1', () =>
      resolve({ url: `http://127.0.0.1:${server.address().port}`, close: () => server.closeAllConnections() ?? server.close() }),
    ),
  );
}

const pageOf = async (url) => {
  const answer = await fetch(url);
  assert.equal(answer.status, 200);
  assert.match(answer.headers.get('content-type'), /text\/html/);
  return answer.text();
};

test('shows what accounts says, through the edge', async () => {
  const { url: edgeUrl, close } = await edge((response) => response.end('{"open":true,"balance":4200}'));
  await withApp('storefront', { env: { HARBOUR_EDGE_URL: edgeUrl } }, async ({ url }) =>
    assert.match(await pageOf(`${url}/?user=ann`), /42\.00 €/),
  );
  close();
});

test('stands when accounts is unwell, says nonsense or is not there', async () => {
  for (const answer of [(response) => response.writeHead(500).end(), (response) => response.end('<html>')]) {
    const { url: edgeUrl, close } = await edge(answer);
    await withApp('storefront', { env: { HARBOUR_EDGE_URL: edgeUrl } }, async ({ url }) =>
      assert.match(await pageOf(url), /not available just now/),
    );
    close();
  }
  await withApp('storefront', { env: { HARBOUR_EDGE_URL: 'http://127.0.0.1:1' } }, async ({ url }) =>
    assert.match(await pageOf(url), /not available just now/),
  );
});
