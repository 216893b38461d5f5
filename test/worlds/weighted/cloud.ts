import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { VERSION_HEADER } from '../../../src/core/app/traffic.ts';
import type { Weights } from '../../../src/core/app/traffic.ts';
import type { AppRef } from '../../../src/core/app/run.ts';

/**
 * A cloud on loopback that splits traffic itself, in the manner of Workers: at most two versions of an app, weights
 * that sum to 100 and may be 0, an override header, sticky users. It keeps its own books, so that a test can
 * compare what a platform claims with what happened.
 */
export interface WeightedCloud {
  /** Base URL of its API. */
  readonly api: string;
  /** Where users of an app go. A user is the `x-user` header; without one each request is somebody new. */
  trafficUrl(ref: AppRef): string;
  /** How a version answers from now on, whether it exists yet or not. */
  behave(ref: AppRef, version: string, behaviour: Partial<Behaviour>): void;
  /** How often a version was created. */
  starts(ref: AppRef, version: string): number;
  exists(ref: AppRef, version: string): boolean;
  /** What users got of each version, by the traffic URL. */
  served(ref: AppRef): Readonly<Record<string, { readonly requests: number; readonly failed: number }>>;
  /** What no tool should ever have done, in words. */
  readonly violations: readonly string[];
  stop(): Promise<void>;
}

export interface Behaviour {
  readonly status: number;
  /** Share of requests answered with 500, 0 to 1. */
  readonly errorShare: number;
  readonly latencyMs: number;
}

export const VERSIONS_MAX = 2;

const GOOD: Behaviour = { status: 200, errorShare: 0, latencyMs: 0 };

interface CloudApp {
  readonly ref: AppRef;
  fence: number;
  weights: Record<string, number>;
  readonly versions: Map<string, CloudVersion>;
  readonly behaviours: Map<string, Behaviour>;
  readonly starts: Map<string, number>;
  readonly served: Map<string, { requests: number; failed: number }>;
  readonly log: { version: string; line: string }[];
}

interface CloudVersion {
  readonly id: string;
  readonly artifact: string;
  readonly server: Server;
  readonly port: number;
}

interface Cloud {
  readonly apps: Map<string, CloudApp>;
  readonly uploads: Set<string>;
  readonly violations: string[];
}

interface Answer {
  readonly status: number;
  readonly body: unknown;
}

export async function weightedCloud(): Promise<WeightedCloud> {
  const cloud: Cloud = { apps: new Map(), uploads: new Set(), violations: [] };
  const server = createServer((request, response) => void handle(cloud, request, response));
  const port = await listen(server);
  const api = `http://127.0.0.1:${port}`;
  return {
    api,
    trafficUrl: (ref) => `${api}/traffic/${ref.environment}/${ref.app}`,
    behave: (ref, version, behaviour) => {
      const app = appOf(cloud, ref);
      app.behaviours.set(version, { ...GOOD, ...app.behaviours.get(version), ...behaviour });
    },
    starts: (ref, version) => appOf(cloud, ref).starts.get(version) ?? 0,
    exists: (ref, version) => appOf(cloud, ref).versions.has(version),
    served: (ref) => Object.fromEntries(appOf(cloud, ref).served),
    violations: cloud.violations,
    stop: async () => {
      const versions = [...cloud.apps.values()].flatMap((app) => [...app.versions.values()]);
      await Promise.all([close(server), ...versions.map((version) => close(version.server))]);
    },
  };
}

async function handle(cloud: Cloud, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const url = new URL(request.url ?? '/', 'http://cloud');
  const [room = '', ...names] = url.pathname.split('/').slice(1).map(decodeURIComponent);
  if (room === 'traffic') return serve(appOf(cloud, refOf(names)), request, response);
  const body = await readBody(request);
  const answer = room === 'uploads' ? upload(cloud, names[0] ?? '') : await manage(cloud, request.method ?? '', names, body);
  response.writeHead(answer.status, { 'content-type': 'application/json' }).end(JSON.stringify(answer.body));
}

function upload(cloud: Cloud, digest: string): Answer {
  cloud.uploads.add(digest);
  return { status: 200, body: { digest } };
}

async function manage(
  cloud: Cloud,
  method: string,
  [environment = '', name = '', what = '', version = '']: readonly string[],
  body: Record<string, unknown>,
): Promise<Answer> {
  if (environment === '') return { status: 200, body: { apps: [...cloud.apps.values()].map(({ ref }) => ref) } };
  const app = appOf(cloud, { environment, app: name });
  if (method === 'GET') return { status: 200, body: what === 'log' ? app.log : describe(app) };
  const fence = Number(body['fence']);
  if (fence < app.fence) return { status: 412, body: { error: `fence ${fence} is lower than ${app.fence}` } };
  app.fence = fence;
  if (what === 'weights') return setWeights(app, body['weights'] as Weights);
  if (method === 'PUT') return create(cloud, app, version, body);
  return remove(cloud, app, version);
}

async function create(cloud: Cloud, app: CloudApp, id: string, body: Record<string, unknown>): Promise<Answer> {
  if (app.versions.has(id)) return { status: 200, body: describe(app) };
  const artifact = String(body['artifact']);
  const behaviour = String(body['behaviour']);
  if (behaviour === 'broken') return { status: 422, body: { error: 'the entry point "broken" does not exist in the upload' } };
  if (!cloud.uploads.has(artifact)) return { status: 422, body: { error: `${artifact} was not uploaded` } };
  if (app.versions.size >= VERSIONS_MAX)
    return {
      status: 409,
      body: { error: `${[...app.versions.keys()].join(' and ')} exist already, and there are at most ${VERSIONS_MAX}` },
    };
  if (behaviour === 'sick') app.behaviours.set(id, { ...GOOD, status: 500, ...app.behaviours.get(id) });
  const server = createServer((_, response) => void reply(app, id, response));
  app.versions.set(id, { id, artifact, server, port: await listen(server) });
  app.starts.set(id, (app.starts.get(id) ?? 0) + 1);
  app.log.push({ version: id, line: `version ${id} serves` });
  return { status: 201, body: describe(app) };
}

async function remove(cloud: Cloud, app: CloudApp, id: string): Promise<Answer> {
  const version = app.versions.get(id);
  const weight = app.weights[id] ?? 0;
  if (version !== undefined && weight > 0 && app.versions.size > 1) {
    cloud.violations.push(`${app.ref.environment}/${app.ref.app}: ${id} was removed while it had ${weight} % of the traffic`);
  }
  app.versions.delete(id);
  delete app.weights[id];
  if (version !== undefined) await close(version.server);
  return { status: 200, body: describe(app) };
}

function setWeights(app: CloudApp, weights: Weights): Answer {
  const entries = Object.entries(weights);
  const unknown = entries.find(([id]) => !app.versions.has(id));
  if (unknown !== undefined) return { status: 422, body: { error: `version ${unknown[0]} does not exist` } };
  const sum = entries.reduce((total, [, weight]) => total + weight, 0);
  if (Math.abs(sum - 100) > 0.001 || entries.some(([, weight]) => weight < 0))
    return { status: 422, body: { error: `weights must be 0 or more and sum to 100, not ${sum}` } };
  app.weights = { ...weights };
  return { status: 200, body: describe(app) };
}

function describe(app: CloudApp): unknown {
  const versions = [...app.versions.values()].map(({ id, artifact, port }) => ({ id, artifact, port }));
  return { versions, weights: app.weights };
}

async function serve(app: CloudApp, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const asked = request.headers[VERSION_HEADER];
  const id = typeof asked === 'string' && app.versions.has(asked) ? asked : chosen(app, request.headers['x-user']);
  request.resume();
  if (id === null) return void response.writeHead(503).end('no version has traffic');
  const failed = await reply(app, id, response);
  const counted = app.served.get(id) ?? { requests: 0, failed: 0 };
  app.served.set(id, { requests: counted.requests + 1, failed: counted.failed + Number(failed) });
}

/** The newest version takes the low end of the range: raising its weight never moves a user back. */
function chosen(app: CloudApp, user: string | string[] | undefined): string | null {
  const bucket = typeof user === 'string' ? bucketOf(user) : Math.random() * 100;
  let upTo = 0;
  for (const id of [...app.versions.keys()].toReversed()) {
    upTo += app.weights[id] ?? 0;
    if (bucket < upTo) return id;
  }
  return null;
}

function bucketOf(user: string): number {
  let hash = 2_166_136_261;
  for (const character of user) hash = Math.imul(hash ^ (character.codePointAt(0) ?? 0), 16_777_619) >>> 0;
  return (hash % 10_000) / 100;
}

async function reply(app: CloudApp, id: string, response: ServerResponse): Promise<boolean> {
  const { status, errorShare, latencyMs } = app.behaviours.get(id) ?? GOOD;
  if (latencyMs > 0) await sleep(latencyMs);
  const code = Math.random() < errorShare ? 500 : status;
  response.writeHead(code, { 'x-version': id }).end(id);
  return code >= 500;
}

function appOf(cloud: Cloud, ref: AppRef): CloudApp {
  const key = `${ref.environment}/${ref.app}`;
  const known = cloud.apps.get(key);
  if (known !== undefined) return known;
  const app: CloudApp = {
    ref,
    fence: 0,
    weights: {},
    versions: new Map(),
    behaviours: new Map(),
    starts: new Map(),
    served: new Map(),
    log: [],
  };
  cloud.apps.set(key, app);
  return app;
}

function refOf([environment = '', app = '']: readonly string[]): AppRef {
  return { environment, app };
}

async function readBody(request: IncomingMessage): Promise<Record<string, unknown>> {
  let text = '';
  for await (const part of request) text += String(part);
  return text === '' ? {} : (JSON.parse(text) as Record<string, unknown>);
}

async function listen(server: Server): Promise<number> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
  return (server.address() as AddressInfo).port;
}

async function close(server: Server): Promise<void> {
  const closed = new Promise((resolve) => server.close(resolve));
  server.closeAllConnections();
  await closed;
}
