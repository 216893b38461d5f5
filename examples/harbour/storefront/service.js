// What the HTTP services of harbour have in common: a health page, faults by version, and an end that loses no request.
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';

const read = (name) => readFileSync(new URL(name, import.meta.url), 'utf8');
const release = read('VERSION').trim();
const fault = JSON.parse(read('fault.json'));

/** Start a service: `handle(request, url)` returns { status, type?, body }; an error's `status` is its answer. */
export function serve(handle, close = async () => {}) {
  const startedAt = Date.now();
  let served = 0;
  let ending = false;
  const server = createServer(async (request, response) => {
    const url = new URL(request.url, 'http://harbour');
    response.setHeader('x-app-version', process.env.SLUICE_VERSION ?? 'local');
    response.setHeader('x-app-release', release);
    if (ending) response.setHeader('connection', 'close');
    // A connection whose request was under way when the end was asked for is idle only now.
    response.on('finish', () => ending && setImmediate(() => server.closeIdleConnections()));
    if (url.pathname.endsWith('/up'))
      return send(response, isUp(startedAt) ? { status: 200, body: 'up' } : { status: 503, body: 'not yet' });
    if (url.pathname === '/metrics') return send(response, { status: 200, body: metricsText() });
    const since = performance.now();
    response.on('finish', () => count(response.statusCode, (performance.now() - since) / 1000));
    served += 1;
    if (fault.kind === 'crashAfter' && served > fault.requests) process.exit(1);
    if (fault.kind === 'noAnswer' && served > (fault.after ?? 0)) return;
    if (fault.kind === 'badSmoke' && isFrontDoor(url)) return send(response, { status: 500, body: 'this version is broken' });
    if (fault.kind === 'errors' && served > (fault.after ?? 0) && Math.random() < fault.rate)
      return send(response, { status: 500, body: 'this version is broken' });
    if (fault.kind === 'slow' && Math.random() < (fault.share ?? 1)) await new Promise((resolve) => setTimeout(resolve, fault.ms));
    if (WORK_MS > 0) await new Promise((resolve) => setTimeout(resolve, workMs(Date.now())));
    try {
      send(response, await handle(request, url));
    } catch (error) {
      if (error.status === undefined) console.error(error);
      send(response, { status: error.status ?? 500, body: error.message });
    }
  });
  // Longer than any proxy keeps a connection: it is the proxy that closes, never we under its request.
  server.keepAliveTimeout = 65_000;
  server.listen(Number(process.env.PORT ?? 0), '127.0.0.1', () => console.log(`listening on ${server.address().port}, release ${release}`));
  process.once('SIGTERM', () => {
    console.log('ending: no new requests, finishing those under way');
    ending = true;
    server.close(() => void close().finally(() => process.exit(0)));
    server.closeIdleConnections();
  });
}

const WORK_MS = Number(process.env.HARBOUR_WORK_MS ?? 0);
const DAY_MS = Number(process.env.HARBOUR_DAY_MS ?? 0);

/** What a request costs where work is asked for: one in ten is not in memory and takes three times as long, and at noon all are slower. */
function workMs(now) {
  const noon = DAY_MS > 0 ? 1 + 0.4 * Math.sin((2 * Math.PI * now) / DAY_MS) : 1;
  const usual = WORK_MS * noon * (0.8 + 0.4 * Math.random());
  if (Math.random() >= 0.1) return usual;
  return usual * 3 * (fault.kind === 'slowTail' ? fault.factor : 1);
}

/** Seconds; four a doubling would be better, this is what most have. */
const BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, Infinity];
const took = BUCKETS.map(() => 0);
const answers = { '2xx': 0, '3xx': 0, '4xx': 0, '5xx': 0 };
let seconds = 0;

function count(status, duration) {
  answers[`${Math.floor(status / 100)}xx`] += 1;
  seconds += duration;
  took[BUCKETS.findIndex((edge) => duration <= edge)] += 1;
}

/** For Prometheus: every answer but those to it and to the health check. */
function metricsText() {
  const version = `version="${process.env.SLUICE_VERSION ?? 'local'}"`;
  let below = 0;
  const buckets = BUCKETS.map(
    (edge, i) => `http_request_duration_seconds_bucket{${version},le="${edge === Infinity ? '+Inf' : edge}"} ${(below += took[i])}`,
  );
  return [
    '# TYPE http_requests_total counter',
    ...Object.entries(answers).map(([code, n]) => `http_requests_total{${version},code="${code}"} ${n}`),
    '# TYPE http_request_duration_seconds histogram',
    ...buckets,
    `http_request_duration_seconds_sum{${version}} ${seconds}`,
    `http_request_duration_seconds_count{${version}} ${below}`,
    '',
  ].join('\n');
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

/** What the smoke test of any service asks for. */
function isFrontDoor(url) {
  return url.pathname.split('/').length <= 2;
}

function send(response, { status, type = 'text/plain; charset=utf-8', body }) {
  response.writeHead(status, { 'content-type': type, 'content-length': Buffer.byteLength(body) });
  response.end(body);
}
