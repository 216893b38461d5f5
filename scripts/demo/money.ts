import { mkdir, readdir, readFile, rename, writeFile } from 'node:fs/promises';
import { Agent, request } from 'node:http';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Workspace } from './workspace.ts';

const DEPOSIT_EVERY_MS = 100;
const PAYMENT_EVERY_MS = 100;

export interface Saved {
  readonly requests: number;
  /** No answer, or an answer of the edge's own making. */
  readonly failed: number;
  /** Deposits answered with 200. */
  readonly answered: number;
  /** What the account says in the end. */
  readonly balance: number;
}

/** Opens two accounts and saves a cent with each request into one of them, one request after another, without a second try. */
export async function startSaver(url: string): Promise<{ stop(): Promise<Saved> }> {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  for (const [path, amount] of [
    ['/accounts/demo/open', ''],
    ['/accounts/demo/deposit', '12500'],
    ['/accounts/saver/open', ''],
  ] as const) {
    const { status } = await post(agent, url + path, amount);
    if (status !== 200) throw new Error(`${path} answered ${status}`);
  }
  const counts = { requests: 0, failed: 0, answered: 0 };
  let stopping = false;
  const working = (async () => {
    while (!stopping) {
      const { status } = await post(agent, `${url}/accounts/saver/deposit`, '1').catch(() => ({ status: 0 }));
      counts.requests += 1;
      if (status === 200) counts.answered += 1;
      else if (status !== 500) counts.failed += 1;
      await sleep(DEPOSIT_EVERY_MS);
    }
  })();
  return {
    async stop() {
      stopping = true;
      await working;
      agent.destroy();
      const account = (await (await fetch(`${url}/accounts/saver`)).json()) as { balance: number };
      return { ...counts, balance: account.balance };
    },
  };
}

export interface Settled {
  readonly sent: number;
  /** Payments with one receipt, naming the right amount. */
  readonly once: number;
  /** Releases of the worker that settled any. */
  readonly releases: readonly string[];
}

/** Puts payments into the worker's queue; `stop` waits until all of them are settled. */
export async function startPayments(workspace: Workspace): Promise<{ stop(): Promise<Settled> }> {
  const folder = join(workspace.data('production'), 'payments');
  const waiting = join(folder, 'waiting');
  await mkdir(waiting, { recursive: true });
  let sent = 0;
  let stopping = false;
  const working = (async () => {
    while (!stopping) {
      const path = join(waiting, `${String(sent).padStart(6, '0')}.json`);
      await writeFile(`${path}.new`, JSON.stringify({ cents: sent }));
      await rename(`${path}.new`, path);
      sent += 1;
      await sleep(PAYMENT_EVERY_MS);
    }
  })();
  return {
    async stop() {
      stopping = true;
      await working;
      const deadline = Date.now() + 15_000;
      while ((await readdir(waiting)).length > 0 && Date.now() < deadline) await sleep(100);
      const names = (await readdir(join(folder, 'settled'))).filter((name) => name.endsWith('.json'));
      const receipts = await Promise.all(
        names.map(async (name) => ({
          number: Number(name.slice(0, -5)),
          ...(JSON.parse(await readFile(join(folder, 'settled', name), 'utf8')) as { cents: number; release: string }),
        })),
      );
      const once = new Set(receipts.filter(({ number, cents }) => number === cents).map(({ number }) => number)).size;
      return { sent, once, releases: [...new Set(receipts.map(({ release }) => release))].toSorted() };
    },
  };
}

function post(agent: Agent, url: string, body: string): Promise<{ status: number }> {
  return new Promise((resolve, reject) => {
    const call = request(
      url,
      { agent, method: 'POST', timeout: 30_000, headers: { 'content-length': Buffer.byteLength(body) } },
      (answer) => {
        answer.on('error', reject);
        answer.on('end', () => resolve({ status: answer.statusCode ?? 0 }));
        answer.resume();
      },
    );
    call.on('timeout', () => call.destroy(new Error('no answer within 30 s')));
    call.on('error', reject);
    call.end(body);
  });
}
