// Users for trying things out: `node testing/users.js http://127.0.0.1:4190/accounts [requests a second] [users]`.
// Each keeps its connection and its cookies. Prints once a second who answered them: the release, how often, and what failed.
import { Agent, get } from 'node:http';

const [, , url, perSecond = '200', users = '50'] = process.argv;
if (url === undefined) {
  console.error('usage: node testing/users.js <url> [requests a second] [users]');
  process.exit(2);
}
const pauseMs = (1000 * Number(users)) / Number(perSecond);
let counts = {};
const count = (what) => (counts[what] = (counts[what] ?? 0) + 1);

for (let user = 0; user < Number(users); user += 1)
  setTimeout(browse, Math.random() * pauseMs, new Agent({ keepAlive: true, maxSockets: 1 }));
setInterval(() => {
  console.log(
    Object.entries(counts)
      .toSorted(([a], [b]) => a.localeCompare(b))
      .map(([what, times]) => `${what}: ${times}`)
      .join('  ') || 'nobody answered',
  );
  counts = {};
}, 1000);

async function browse(agent, cookie = '') {
  const next = await ask(agent, cookie).catch((error) => {
    count(`failed (${error.code ?? error.message})`);
    return cookie;
  });
  setTimeout(browse, pauseMs, agent, next);
}

/** Answers the user's cookie for the next request. */
function ask(agent, cookie) {
  return new Promise((resolve, reject) => {
    const request = get(url, { agent, timeout: 10_000, headers: cookie === '' ? {} : { cookie } }, (answer) => {
      const release = answer.headers['x-app-release'];
      count(
        `${release === undefined ? 'nobody' : `release ${String(release)}`}${answer.statusCode < 400 ? '' : ` (${answer.statusCode})`}`,
      );
      answer.on('error', reject);
      answer.on('end', () => resolve(answer.headers['set-cookie']?.[0]?.split(';')[0] ?? cookie));
      answer.resume();
    });
    request.on('timeout', () => request.destroy(new Error('no answer')));
    request.on('error', reject);
  });
}
