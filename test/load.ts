import { Agent, type IncomingHttpHeaders, type IncomingMessage, request } from 'node:http';

/**
 * Users of a site: each keeps one connection and its cookies, sends one request after another, and never tries again.
 * Whatever goes wrong is counted.
 */
export interface LoadOptions {
  readonly url: string;
  /** Sticky users stay where they are: of 8 of them none is among the first fifth in one run of six, of 48 in one of 40,000. */
  readonly clients: number;
  /** Asked in turn. */
  readonly paths: readonly string[];
  /** Of all clients together, at a moment too (ms since epoch); as fast as they can when left out. */
  readonly ratePerSecond?: number | ((now: number) => number);
  /** How long a client waits for an answer until it gives up, ms (30,000). */
  readonly patienceMs?: number;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface LoadReport {
  readonly requests: number;
  /** Connections that broke, and answers 502, 503, 504: the data path failed the user. */
  readonly failed: number;
  /** The first few failures, in words. */
  readonly failures: readonly string[];
  /** Answers 500: a version's own fault. */
  readonly appErrors: number;
  readonly byStatus: Readonly<Record<string, number>>;
  readonly byVersion: Readonly<Record<string, number>>;
  /** Milliseconds since the Unix epoch at which each version first answered. */
  readonly firstSeen: Readonly<Record<string, number>>;
  /** How often a user was given a version that they had had before another one, on the same path. A rollback does that, a growing release must not. */
  readonly movedBack: number;
  readonly latencyMs: { readonly p50: number; readonly p99: number; readonly max: number };
}

export interface Load {
  report(): LoadReport;
  stop(): Promise<LoadReport>;
}

const KEPT_LATENCIES = 200_000;

export function startLoad(options: LoadOptions): Load {
  const base = new URL(options.url);
  const byStatus: Record<string, number> = {};
  const byVersion: Record<string, number> = {};
  const firstSeen: Record<string, number> = {};
  const failures: string[] = [];
  const latencies: number[] = [];
  const users: Map<string, string[]>[] = Array.from({ length: options.clients }, () => new Map());
  let requests = 0;
  let failed = 0;
  let appErrors = 0;
  let movedBack = 0;
  let stopping = false;

  function seen(user: number, path: string, version: string): void {
    byVersion[version] = (byVersion[version] ?? 0) + 1;
    firstSeen[version] ??= Date.now();
    const had = users[user]?.get(path) ?? [];
    if (had.at(-1) === version) return;
    if (had.includes(version)) movedBack += 1;
    users[user]?.set(path, [...had, version]);
  }

  function fail(why: string): void {
    failed += 1;
    if (failures.length < 10) failures.push(`${new Date().toISOString()} ${why}`);
  }

  async function client(user: number): Promise<void> {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const cookies = new Map<string, string>();
    const { ratePerSecond: rate } = options;
    const pauseOf = () => (rate === undefined ? 0 : (1000 * options.clients) / (typeof rate === 'number' ? rate : rate(Date.now())));
    let due = performance.now() + Math.random() * pauseOf();
    for (let turn = user; !stopping; turn += 1) {
      const pauseMs = pauseOf();
      if (pauseMs > 0) {
        await until(due);
        due = Math.max(due + pauseMs, performance.now());
      }
      const path = options.paths[turn % options.paths.length] as string;
      const startedAt = performance.now();
      try {
        const { status, headers } = await get(agent, base, path, cookies, options.headers ?? {}, options.patienceMs ?? 30_000);
        remember(cookies, headers);
        byStatus[status] = (byStatus[status] ?? 0) + 1;
        if (status === 500) appErrors += 1;
        else if (status > 500) fail(`${path} answered ${status}`);
        const version = headers['x-app-version'];
        if (typeof version === 'string') seen(user, path, version);
      } catch (error) {
        fail(`${path}: ${error instanceof Error ? error.message : String(error)}`);
      }
      requests += 1;
      const took = performance.now() - startedAt;
      if (latencies.length < KEPT_LATENCIES) latencies.push(took);
      else latencies[Math.floor(Math.random() * KEPT_LATENCIES)] = took;
    }
    agent.destroy();
  }

  const running = Promise.all(Array.from({ length: options.clients }, (_, user) => client(user)));

  function report(): LoadReport {
    const sorted = latencies.toSorted((a, b) => a - b);
    const at = (q: number) => sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] ?? 0;
    const latencyMs = { p50: at(0.5), p99: at(0.99), max: sorted.at(-1) ?? 0 };
    return {
      requests,
      failed,
      failures: [...failures],
      appErrors,
      byStatus: { ...byStatus },
      byVersion: { ...byVersion },
      firstSeen: { ...firstSeen },
      movedBack,
      latencyMs,
    };
  }

  return {
    report,
    async stop() {
      stopping = true;
      await running;
      return report();
    },
  };
}

function until(due: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, Math.max(0, due - performance.now())));
}

function get(
  agent: Agent,
  base: URL,
  path: string,
  cookies: ReadonlyMap<string, string>,
  extra: Readonly<Record<string, string>>,
  patienceMs: number,
): Promise<{ status: number; headers: IncomingHttpHeaders }> {
  const cookie = [...cookies].map(([name, value]) => `${name}=${value}`).join('; ');
  const headers = { ...extra, ...(cookie === '' ? {} : { cookie }) };
  return new Promise((resolve, reject) => {
    const call = request({ agent, host: base.hostname, port: base.port, path, headers, timeout: patienceMs }, (answer: IncomingMessage) => {
      answer.on('error', reject);
      answer.on('aborted', () => reject(new Error('the answer was cut off')));
      answer.on('end', () => resolve({ status: answer.statusCode ?? 0, headers: answer.headers }));
      answer.resume();
    });
    call.on('timeout', () => call.destroy(new Error(`no answer within ${patienceMs / 1000} s`)));
    call.on('error', reject);
    call.end();
  });
}

function remember(cookies: Map<string, string>, headers: IncomingHttpHeaders): void {
  for (const line of headers['set-cookie'] ?? []) {
    const [pair = ''] = line.split(';');
    const at = pair.indexOf('=');
    if (at > 0) cookies.set(pair.slice(0, at), pair.slice(at + 1));
  }
}
