import { timingSafeEqual } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { EdgeIntent } from '../ports/edge.ts';
import { edgeIntent, type EdgeState } from './state-file.ts';
import type { Table } from './table.ts';

/** Fences outlive the apps they guard: a late caller must not bring a removed app back. */
export interface ControlOptions {
  readonly table: Table;
  readonly state: EdgeState;
  readonly token: string;
  readonly epoch: string;
  stop(): void;
}

interface Answer {
  readonly status: number;
  readonly body: unknown;
}

/**
 * The control protocol, JSON over HTTP on loopback, for the adapter alone (bearer token in a 0600 file):
 * `GET /health`, `PUT|GET|DELETE /apps/:app`, `GET /apps/:app/stats`, `POST /stop`.
 * Changes are carried out one after another, stored before they take effect.
 */
export function createControl(options: ControlOptions): Server {
  const fences = new Map<string, number>(options.table.intents().map(({ app, fence }) => [app, fence]));
  let last: Promise<unknown> = Promise.resolve();

  function inTurn<T>(work: () => Promise<T>): Promise<T> {
    const mine = last.then(work, work);
    last = mine.catch(() => {});
    return mine;
  }

  async function put(intent: EdgeIntent): Promise<Answer> {
    const accepted = fences.get(intent.app) ?? -Infinity;
    if (intent.fence < accepted) return { status: 409, body: { code: 'FENCED', accepted } };
    const others = options.table.intents().filter(({ app }) => app !== intent.app);
    await options.state.save([...others, intent]);
    fences.set(intent.app, intent.fence);
    options.table.apply(intent);
    return { status: 200, body: options.table.observe(intent.app) };
  }

  async function remove(app: string, fence: number): Promise<Answer> {
    const accepted = fences.get(app) ?? -Infinity;
    if (fence < accepted) return { status: 409, body: { code: 'FENCED', accepted } };
    await options.state.save(options.table.intents().filter((intent) => intent.app !== app));
    fences.set(app, fence);
    options.table.remove(app);
    return { status: 200, body: null };
  }

  async function answer(request: IncomingMessage): Promise<Answer> {
    const url = new URL(request.url ?? '/', 'http://edge');
    const [, room, name, detail] = url.pathname.split('/');
    const app = decodeURIComponent(name ?? '');
    if (room === 'health') return { status: 200, body: { pid: process.pid, epoch: options.epoch, apps: options.table.intents().length } };
    if (room === 'stop' && request.method === 'POST') {
      setImmediate(options.stop);
      return { status: 200, body: null };
    }
    if (room !== 'apps' || app === '') return { status: 404, body: null };
    if (detail === 'stats') return { status: 200, body: options.table.stats(app, Date.now()) };
    if (request.method === 'GET') return { status: 200, body: options.table.observe(app) };
    if (request.method === 'DELETE') return inTurn(() => remove(app, Number(url.searchParams.get('fence') ?? 0)));
    const parsed = edgeIntent.safeParse(await readJsonBody(request));
    if (!parsed.success) return { status: 422, body: { code: 'BAD_INTENT', message: parsed.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`).join('; ') } };
    return inTurn(() => put(parsed.data));
  }

  return createServer((request, response) => {
    if (!isAllowed(request, options.token)) return respond(response, { status: 401, body: null });
    answer(request).then(
      (result) => respond(response, result),
      (error: unknown) => respond(response, { status: 500, body: { code: codeOf(error), message: error instanceof Error ? error.message : String(error) } }),
    );
  });
}

function respond(response: ServerResponse, { status, body }: Answer): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}

function isAllowed(request: IncomingMessage, token: string): boolean {
  const given = Buffer.from(request.headers.authorization ?? '');
  const wanted = Buffer.from(`Bearer ${token}`);
  return given.length === wanted.length && timingSafeEqual(given, wanted);
}

async function readJsonBody(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return JSON.parse(Buffer.concat(chunks).toString('utf8'));
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : 'BUG';
}
