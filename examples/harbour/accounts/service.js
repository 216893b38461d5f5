// What every HTTP service of harbour has in common: a health page, faults by version, and an end that loses no request.
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';

const read = (name) => readFileSync(new URL(name, import.meta.url), 'utf8');
const release = read('VERSION').trim();
const fault = JSON.parse(read('fault.json'));

/** Start a service: `handle(request, url)` returns { status, type?, body }. */
export function serve(handle) {
  let served = 0;
  const startedAt = Date.now();
  const server = createServer(async (request, response) => {
    const url = new URL(request.url, 'http://harbour');
    response.setHeader('x-app-version', process.env.SLUICE_VERSION ?? 'local');
    response.setHeader('x-app-release', release);
    if (url.pathname.endsWith('/up')) return send(response, isUp(startedAt) ? { status: 200, body: 'up' } : { status: 503, body: 'not yet' });
    served += 1;
    if (fault.kind === 'crashAfter' && served > fault.requests) process.exit(1);
    if (fault.kind === 'noAnswer') return;
    if (fault.kind === 'errors' && Math.random() < fault.rate) return send(response, { status: 500, body: 'this version is broken' });
    if (fault.kind === 'badSmoke' && isSmoke(url)) return send(response, { status: 500, body: 'smoke' });
    if (fault.kind === 'slow' && Math.random() < (fault.share ?? 1)) await new Promise((resolve) => setTimeout(resolve, fault.ms));
    try {
      send(response, await handle(request, url));
    } catch (error) {
      send(response, { status: error.status ?? 500, body: error.message });
    }
  });
  // Longer than any proxy keeps a connection: it is the proxy that closes, never we under its request.
  server.keepAliveTimeout = 65_000;
  server.listen(Number(process.env.PORT ?? 0), '127.0.0.1', () => console.log(`listening on ${server.address().port}, release ${release}`));
  process.on('SIGTERM', () => {
    console.log('ending: no new requests, finishing those under way');
    server.close(() => process.exit(0));
    server.closeIdleConnections();
  });
  return server;
}

/** The whole request body as text. */
export async function bodyOf(request) {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  return Buffer.concat(chunks).toString('utf8');
}

function isUp(startedAt) {
  if (fault.kind === 'badHealth') return false;
  return fault.kind !== 'slowStart' || Date.now() - startedAt >= fault.ms;
}

/** What the smoke test of any service asks for: its own front door. */
function isSmoke(url) {
  return url.pathname.split('/').length <= 2;
}

function send(response, { status, type = 'text/plain; charset=utf-8', body }) {
  response.writeHead(status, { 'content-type': type, 'content-length': Buffer.byteLength(body) });
  response.end(body);
}
