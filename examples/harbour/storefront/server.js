// The site: asks accounts and rates through the edge, and says so where one of them does not answer.
import { Agent, get } from 'node:http';
import { page } from './page.js';
import { serve } from './service.js';

const edge = process.env.HARBOUR_EDGE_URL ?? 'http://127.0.0.1:4190';
const agent = new Agent({ keepAlive: true });
const TIMEOUT_MS = 1_000;

serve(async (_request, url) => {
  const user = url.searchParams.get('user') ?? 'demo';
  const [account, rates] = await Promise.all([ask(`/accounts/${encodeURIComponent(user)}`), ask('/rates')]);
  return { status: 200, type: 'text/html; charset=utf-8', body: page({ account, rates }) };
});

/** JSON of another service; null when it is not there, slow or unwell. */
function ask(path) {
  return new Promise((resolve) => {
    const request = get(edge + path, { agent, timeout: TIMEOUT_MS }, (answer) => {
      const chunks = [];
      answer.on('data', (chunk) => chunks.push(chunk));
      answer.on('error', () => resolve(null));
      answer.on('end', () => {
        try {
          resolve(answer.statusCode === 200 ? JSON.parse(Buffer.concat(chunks).toString()) : null);
        } catch {
          resolve(null);
        }
      });
    });
    request.on('timeout', () => request.destroy());
    request.on('error', () => resolve(null));
  });
}
