import { STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import { UserError } from '../../core/errors.ts';
import { isAuthorized, metricsTokenOf } from '../auth/tokens.ts';
import { backupRoutes } from '../routes/backups.ts';
import { type Deliveries, hooks } from '../routes/hooks.ts';
import { type HostNames, refuseStrangers } from './hosts.ts';
import { openapi } from './openapi.ts';
import { operationRoutes } from '../routes/operations.ts';
import { acceptOtlp, OTLP_PATH, otlpRoutes } from '../routes/otlp.ts';
import type { ServerParts } from '../parts.ts';
import { projectionRoutes } from '../routes/projections.ts';
import { checked, type Problem, problemOf, refuseUnstorable } from './problems.ts';
import { createRedactor, type Redactor, redactedStream } from './redact.ts';
import { releaseRoutes } from '../routes/releases.ts';
import type { Input, Route } from './route.ts';
import { type EventSink, openEvents } from './sse.ts';
import { variableRoutes } from '../routes/variables.ts';

export type { ServerParts } from '../parts.ts';
export type { Finding } from '../../services/doctor/finding.ts';
export { newToken } from '../auth/tokens.ts';

export interface ServerOptions extends ServerParts {
  /** What every request must carry as its bearer token. */
  readonly token: string;
  /** Values that must never leave: asked for anew each time, as they may change. */
  readonly secrets?: () => Iterable<string>;
  /** Where log lines go (JSON, one each); without it nothing is logged. */
  readonly log?: { readonly level: string; readonly write: (line: string) => void };
  /** Time between two signs of life on a quiet event stream, ms. */
  readonly heartbeatMs?: number;
  /** Takes signed deliveries of the repository's host; without it there is no such address. */
  readonly hook?: Deliveries;
  /** Names that it goes by besides those of loopback. */
  readonly hosts?: HostNames;
  /** Hold answers against their schema and fail when they differ: for tests. */
  readonly checkAnswers?: boolean;
}

/** The HTTP API. Knows no engine but the one handed in; not listening yet, see `listen`. */
export function createServer(options: ServerOptions): FastifyInstance {
  const metricsToken = metricsTokenOf(options.token);
  const redactor = createRedactor(() => [options.token, metricsToken, ...(options.secrets?.() ?? [])]);
  const server = Fastify({
    logger: options.log === undefined ? false : { level: options.log.level, stream: redactedStream(redactor, options.log.write) },
    bodyLimit: 1_000_000,
    forceCloseConnections: true,
    exposeHeadRoutes: false,
    clientErrorHandler: answerUnreadable,
    // What the router cannot read comes by no hook: it is let in, or refused, here.
    frameworkErrors(error, request, reply) {
      const refused = refusalOf(() => admit(request, [options.token]));
      void answerProblem(problemOf(refused ?? error), refused ?? error, request, reply, redactor);
    },
  });
  const admit = (request: FastifyRequest, tokens: readonly string[]): void => {
    refuseStrangers(request.raw, options.hosts ?? {});
    if (tokens.some((token) => isAuthorized(request.headers.authorization, token))) return;
    throw new UserError(
      'UNAUTHORIZED',
      'the request carries no valid token',
      'Send `Authorization: Bearer <token>`: the token stands in .sluice/control-plane.json, or in SLUICE_TOKEN for a remote control plane.',
    );
  };
  const closing = new AbortController();
  server.addHook('preClose', async () => closing.abort());
  server.addHook('onRequest', async (request) => {
    const { config, url } = request.routeOptions;
    if (config.isSigned === true) return refuseStrangers(request.raw, options.hosts ?? {});
    admit(request, url === OTLP_PATH ? [options.token, metricsToken] : [options.token]);
  });
  server.setErrorHandler((error, request, reply) => answerProblem(problemOf(error), error, request, reply, redactor));
  server.setNotFoundHandler((request, reply) => {
    const error = new UserError(
      'NO_SUCH_ROUTE',
      `there is no ${request.method} ${request.url.split('?')[0]}`,
      'GET /openapi.json describes every request.',
    );
    return answerProblem(problemOf(error), error, request, reply, redactor);
  });

  if (options.metrics !== undefined) acceptOtlp(server, options.metrics);
  const routes = allRoutes(options);
  const document = openapi(routes, options.version);
  server.get('/openapi.json', async () => document);
  for (const route of routes) register(server, route, { ...options, redactor, closing: closing.signal });
  if (options.hook !== undefined) void server.register(hooks(options.hook));
  return server;
}

/** Every route, in the order of the documentation. */
export function allRoutes(parts: ServerParts): readonly Route[] {
  return [
    ...releaseRoutes(parts),
    ...operationRoutes(parts),
    ...variableRoutes(parts),
    ...backupRoutes(parts),
    ...projectionRoutes(parts),
    ...otlpRoutes(parts),
  ];
}

interface Surroundings {
  readonly redactor: Redactor;
  readonly closing: AbortSignal;
  readonly heartbeatMs?: number;
  readonly checkAnswers?: boolean;
}

function register(server: FastifyInstance, route: Route, around: Surroundings): void {
  server.route({
    method: route.method,
    url: route.url,
    ...(route.id === 'health' ? { logLevel: 'warn' as const } : {}),
    async handler(request, reply) {
      const input = inputOf(route, request);
      if (route.stream !== null) return stream(route.stream, input, reply, around);
      const answer = await route.handle?.(input);
      if (around.checkAnswers === true) route.answer?.parse(answer);
      return around.redactor.deep(answer);
    },
  });
}

function refusalOf(admit: () => void): unknown {
  try {
    admit();
    return null;
  } catch (error) {
    return error;
  }
}

function inputOf(route: Route, request: FastifyRequest): Input {
  const last = Number(request.headers['last-event-id']);
  refuseUnstorable({ path: request.params, query: request.query, body: request.body });
  return {
    params: route.params === null ? null : checked(route.params, request.params, 'path'),
    query: route.query === null ? null : checked(route.query, request.query, 'query'),
    body: route.body === null ? null : checked(route.body, request.body, 'body'),
    lastEventId:
      Number.isSafeInteger(last) && last >= 0 && request.headers['last-event-id'] !== '' && request.headers['last-event-id'] !== undefined
        ? last
        : null,
  };
}

async function stream(run: NonNullable<Route['stream']>, input: Input, reply: FastifyReply, around: Surroundings): Promise<FastifyReply> {
  let sink: EventSink | null = null;
  const open = (): EventSink => {
    reply.hijack();
    sink ??= openEvents(reply.raw, {
      heartbeatMs: around.heartbeatMs ?? 15_000,
      closing: around.closing,
      clean: (data) => around.redactor.deep(data),
    });
    return sink;
  };
  try {
    await run(input, open);
    open().end();
  } catch (error) {
    const opened = sink as EventSink | null;
    if (opened === null) throw error;
    opened.send({ event: 'problem', data: problemOf(error) });
    opened.end();
  }
  return reply;
}

/** What is no HTTP request: says so and nothing else, because nothing about the sender is known. */
function answerUnreadable(error: Error & { readonly code?: string }, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy();
    return;
  }
  const status = error.code === 'HPE_HEADER_OVERFLOW' ? 431 : error.code === 'ERR_HTTP_REQUEST_TIMEOUT' ? 408 : 400;
  const body = JSON.stringify(problemOf(Object.assign(new Error('this is no HTTP request that can be read'), { statusCode: status })));
  socket.end(
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\nContent-Type: application/problem+json\r\nContent-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
  );
}

function answerProblem(problem: Problem, error: unknown, request: FastifyRequest, reply: FastifyReply, redactor: Redactor): FastifyReply {
  if (problem.status >= 500) request.log.error({ err: error }, problem.detail);
  else request.log.info({ code: problem.code }, problem.detail);
  return reply.code(problem.status).type('application/problem+json').send(redactor.deep(problem));
}
