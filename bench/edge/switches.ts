import { Agent, get } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Proxy } from './proxies.ts';
import type { Upstream } from './upstream.ts';

/** Between two switches, ms: an edge is not switched twenty times a second. */
const PAUSE_MS = 60;
const PATIENCE_MS = 5_000;

/** For each switch, ms from the command to the end of the first answer of the other version. */
export async function firstResponses(
  proxy: Proxy,
  upstreams: readonly [Upstream, Upstream],
  switches: number,
): Promise<{ ms: number[]; failed: number }> {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const ms: number[] = [];
  let failed = 0;
  let current = '';
  let isOver = false;
  let seen: (name: string) => void = () => {};
  const asking = (async () => {
    while (!isOver) {
      const answer = await ask(agent, proxy.url);
      if (answer === null) failed += 1;
      else seen((current = answer));
    }
  })();
  for (let i = 0; i < switches; i += 1) {
    const next = upstreams.find(({ name }) => name !== current) ?? upstreams[0];
    await proxy.announce(next);
    const begun = performance.now();
    const arrived = new Promise<number>((resolve) => {
      seen = (name) => name === next.name && resolve(performance.now());
    });
    const patience = sleep(PATIENCE_MS, Number.POSITIVE_INFINITY, { ref: false });
    const [at] = await Promise.all([Promise.race([arrived, patience]), proxy.switchOver()]);
    ms.push(at - begun);
    await sleep(PAUSE_MS);
  }
  isOver = true;
  await asking;
  agent.destroy();
  return { ms, failed };
}

function ask(agent: Agent, url: string): Promise<string | null> {
  return new Promise((resolve) => {
    get(url, { agent }, (response) => {
      let text = '';
      response.on('data', (chunk: Buffer) => (text += chunk.toString()));
      response.on('end', () => resolve(response.statusCode === 200 ? text : null));
      response.on('error', () => resolve(null));
    }).on('error', () => resolve(null));
  });
}
