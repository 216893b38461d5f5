import { timingSafeEqual } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { z } from 'zod';
import { problemOf, takenRoute } from '../core/edge/intent.ts';
import { SluiceError, UserError } from '../core/errors.ts';
import type { EdgeIntent, EdgeRules } from '../core/app/traffic.ts';
import { edgeIntent, edgeRules, type EdgeState, type LoadedState } from './state-file.ts';
import type { Table } from './table.ts';

/** Raised when an edge of another release of Sluice could misunderstand the calls. */
export const CONTROL_PROTOCOL = 2;

export interface ControlOptions {
  readonly table: Table;
  readonly state: EdgeState;
  readonly loaded: LoadedState;
  readonly token: string;
  readonly epoch: string;
  configure(rules: EdgeRules): Promise<void>;
}

interface Answer {
  readonly status: number;
  readonly body: unknown;
}

/** Larger than any intent; a caller that sends more has gone wrong. */
const MAX_BODY_BYTES = 4 * 1024 * 1024;

/**
 * The control protocol, JSON over HTTP on loopback, for the adapter alone (bearer token in a 0600 file):
 * `GET /health`, `PUT /rules`, `PUT|GET|DELETE /apps/:app`, `GET /apps/:app/stats`.
 */
export function createControl(options: ControlOptions): Server {
  const intents = createIntents(options);

  async function answer(request: IncomingMessage): Promise<Answer> {
    const url = new URL(request.url ?? '/', 'http://edge');
    const [, room, name, detail] = url.pathname.split('/');
    const app = decodeURIComponent(name ?? '');
    if (room === 'health') {
      return ok({
        protocol: CONTROL_PROTOCOL,
        pid: process.pid,
        epoch: options.epoch,
        apps: options.table.intents().length,
        problem: options.loaded.problem,
      });
    }
    if (room === 'rules' && request.method === 'PUT') {
      await options.configure(parsed(edgeRules, await readJsonBody(request)));
      return ok(null);
    }
    if (room !== 'apps' || app === '') return { status: 404, body: null };
    if (detail === 'stats') return ok(options.table.stats(app, Date.now()));
    if (request.method === 'GET') return ok(options.table.observe(app));
    if (request.method === 'DELETE') return intents.remove(app, Number(url.searchParams.get('fence')));
    return intents.put(parsed(edgeIntent, await readJsonBody(request)));
  }

  return createServer({ keepAliveTimeout: 30_000 }, (request, response) => {
    if (!isAllowed(request, options.token)) return respond(response, { status: 401, body: null });
    answer(request).then(
      (result) => respond(response, result),
      (error: unknown) => respond(response, failure(error)),
    );
  });
}

/** Changes are carried out one after another, and stored before they take effect. */
function createIntents({ table, state, loaded }: ControlOptions) {
  // Fences outlive the apps they guard: a late caller must not bring a removed app back.
  const fences = new Map<string, number>(Object.entries(loaded.fences));
  let last: Promise<unknown> = Promise.resolve();

  function inTurn<T>(work: () => Promise<T>): Promise<T> {
    const mine = last.then(work, work);
    last = mine.catch(() => {});
    return mine;
  }

  async function change(app: string, fence: number, intents: readonly EdgeIntent[], take: () => void): Promise<Answer> {
    await state.save({ intents, fences: { ...Object.fromEntries(fences), [app]: fence } });
    fences.set(app, fence);
    take();
    return ok(table.observe(app));
  }

  function fenced(app: string, fence: number): Answer | null {
    const accepted = fences.get(app) ?? Number.NEGATIVE_INFINITY;
    return fence >= accepted
      ? null
      : { status: 409, body: { blame: 'fenced', message: `the edge has accepted fence ${accepted} for ${app}; this call has ${fence}` } };
  }

  return {
    put: (intent: EdgeIntent) =>
      inTurn(async () => {
        const refusal = fenced(intent.app, intent.fence);
        if (refusal !== null) return refusal;
        const problem = problemOf(intent);
        if (problem !== null) throw impossible(problem);
        const taken = takenRoute(intent, table.intents());
        if (taken !== null) {
          const route = `${taken.route.host ?? 'any host'} ${taken.route.pathPrefix}`;
          throw new UserError(
            'EDGE_ROUTE_TAKEN',
            `${intent.app} cannot have the route ${route}: ${taken.app} has it`,
            `Give one of the two another host or path, or remove ${taken.app} first.`,
          );
        }
        const others = table.intents().filter(({ app }) => app !== intent.app);
        return change(intent.app, intent.fence, [...others, intent], () => table.apply(intent));
      }),
    remove: (app: string, fence: number) =>
      inTurn(async () => {
        const others = table.intents().filter((intent) => intent.app !== app);
        return fenced(app, fence) ?? change(app, fence, others, () => table.remove(app));
      }),
  };
}

function parsed<T>(schema: z.ZodType<T>, body: unknown): T {
  const { success, data, error } = schema.safeParse(body);
  if (success) return data;
  throw impossible(error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`).join('; '));
}

function impossible(problem: string): UserError {
  return new UserError(
    'EDGE_INTENT_INVALID',
    `the edge cannot do that: ${problem}`,
    'The edge goes on with what it was told before; look at the strategy and the endpoints of the app.',
  );
}

function ok(body: unknown): Answer {
  return { status: 200, body };
}

function failure(error: unknown): Answer {
  if (error instanceof SluiceError) {
    const { blame, code, message, hint } = error;
    return { status: blame === 'user' ? 422 : 503, body: { blame, code, message, hint } };
  }
  console.error('edge: control:', error);
  return { status: 500, body: { message: error instanceof Error ? error.message : String(error) } };
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
  let size = 0;
  for await (const chunk of request) {
    size += (chunk as Buffer).length;
    if (size > MAX_BODY_BYTES) throw impossible('the call is too large');
    chunks.push(chunk as Buffer);
  }
  try {
    return JSON.parse(Buffer.concat(chunks).toString('utf8'));
  } catch {
    throw impossible('the call is no JSON');
  }
}
