import { existsSync, readFileSync } from 'node:fs';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { Ajv, type ValidateFunction } from 'ajv';
import formats from 'ajv-formats';

/* GitHub as far as we use it, on loopback: keeps what it is told, and refuses what its official description does not allow. */

const CONTRACT = join(process.env['SLUICE_CONTRACTS'] ?? join(import.meta.dirname, '../../../shared/contracts'), 'github.json');

export function hasGithubContract(): boolean {
  return existsSync(CONTRACT);
}

export interface FakeGithub {
  readonly url: string;
  readonly owner: string;
  readonly repo: string;
  readonly state: GithubState;
  /** `METHOD path` of every request, in order. */
  readonly requests: string[];
  /** How each route was used, by its template. */
  readonly routes: Set<string>;
  /** What was not as the description says. */
  readonly violations: string[];
  /** The next requests are answered like this. */
  readonly failures: {
    readonly status: number;
    readonly headers?: Record<string, string>;
    readonly message: string;
    readonly isDone?: boolean;
  }[];
  close(): Promise<void>;
}

interface GithubState {
  readonly deployments: {
    id: number;
    sha: string;
    environment: string;
    task: string;
    payload: unknown;
    statuses: Record<string, unknown>[];
    made: Record<string, unknown>;
  }[];
  readonly checks: {
    id: number;
    name: string;
    head_sha: string;
    external_id: string | null;
    annotations: unknown[];
    fields: Record<string, unknown>;
  }[];
  readonly comments: { id: number; issue: number; body: string }[];
  readonly protection: Record<string, unknown>[];
  /** Pull requests that a commit is part of. */
  readonly changes: { readonly commit: string; readonly number: number }[];
}

type Body = Record<string, unknown>;

export async function fakeGithub(): Promise<FakeGithub> {
  const check = hasGithubContract() ? contract() : null;
  const state: GithubState = { deployments: [], checks: [], comments: [], protection: [], changes: [] };
  const [requests, violations, failures]: [string[], string[], FakeGithub['failures']] = [[], [], []];
  const routes = new Set<string>();
  const server = createServer((request, response) => {
    void (async () => {
      const text = await bodyOf(request);
      const url = new URL(request.url ?? '/', 'http://github');
      const method = request.method ?? 'GET';
      requests.push(`${method} ${url.pathname}`);
      const body = text === '' ? null : (JSON.parse(text) as Body);
      const problems = check?.(method, url, body, routes) ?? [];
      violations.push(...problems);
      const failure = failures.shift();
      const done = failure === undefined || failure.isDone === true ? act(state, method, url, body) : null;
      const [status, answer] =
        problems.length > 0
          ? [422, { message: problems.join('; ') }]
          : failure === undefined
            ? (done ?? [404, { message: 'Not Found' }])
            : [failure.status, { message: failure.message }];
      response.writeHead(status, { 'content-type': 'application/json', ...failure?.headers });
      response.end(status === 204 ? '' : JSON.stringify(answer));
    })();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    owner: 'acme',
    repo: 'shop',
    state,
    requests,
    routes,
    violations,
    failures,
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  let text = '';
  for await (const chunk of request) text += String(chunk);
  return text;
}

let next = 1000;

function act(state: GithubState, method: string, url: URL, body: Body | null): [number, unknown] | null {
  const path = url.pathname.replace('/repos/acme/shop', '');
  const given = body ?? {};
  const page = <T>(all: readonly T[]): T[] => {
    const size = Number(url.searchParams.get('per_page') ?? 30);
    const from = (Number(url.searchParams.get('page') ?? 1) - 1) * size;
    return all.slice(from, from + size);
  };
  const id = Number(/\/(\d+)(\/|$)/.exec(path)?.[1] ?? 0);
  if (path === '/deployments' && method === 'GET') {
    const fits = (one: GithubState['deployments'][number]): boolean =>
      (['sha', 'environment', 'task'] as const).every((key) => (url.searchParams.get(key) ?? one[key]) === one[key]);
    return [200, page(state.deployments.filter(fits).toReversed())];
  }
  if (path === '/deployments') {
    const made = {
      id: (next += 1),
      sha: String(given['ref']),
      environment: String(given['environment']),
      task: String(given['task']),
      payload: given['payload'],
      statuses: [],
      made: given,
    };
    state.deployments.push(made);
    return [201, made];
  }
  if (path.endsWith('/statuses')) {
    const found = state.deployments.find((one) => one.id === id);
    if (found === undefined) return null;
    if (method === 'GET') return [200, page(found.statuses.toReversed())];
    found.statuses.push(given);
    return [201, { id: (next += 1), ...given }];
  }
  const commit = /^\/commits\/([^/]+)\/pulls$/.exec(path)?.[1];
  if (commit !== undefined) return [200, page(state.changes.filter((one) => one.commit === commit))];
  if (path.includes('/check-runs')) return checks(state, method, path, url, given, id, page);
  if (path.endsWith('/comments') && method === 'GET') return [200, page(state.comments.filter((one) => one.issue === id)).map(shown)];
  if (path.endsWith('/comments')) {
    const made = { id: (next += 1), issue: id, body: String(given['body']) };
    state.comments.push(made);
    return [201, shown(made)];
  }
  if (path.startsWith('/issues/comments/')) {
    const found = state.comments.find((one) => one.id === id);
    if (found === undefined) return null;
    found.body = String(given['body']);
    return [200, shown(found)];
  }
  if (path.endsWith('/deployment_protection_rule')) {
    const before = state.protection.find((one) => one['environment_name'] === given['environment_name'] && one['run'] === id);
    if (before !== undefined) return [422, { message: `The deployment has already been ${String(before['state'])}` }];
    state.protection.push({ ...given, run: id });
    return [204, ''];
  }
  return null;
}

function shown(one: GithubState['comments'][number]): object {
  return { id: one.id, body: one.body, html_url: `https://github.test/acme/shop/pull/${one.issue}#${one.id}` };
}

function checks(
  state: GithubState,
  method: string,
  path: string,
  url: URL,
  given: Body,
  id: number,
  page: <T>(all: readonly T[]) => T[],
): [number, unknown] | null {
  const answer = (one: GithubState['checks'][number]): object => ({
    ...one.fields,
    id: one.id,
    external_id: one.external_id,
    html_url: `https://github.test/runs/${one.id}`,
    output: { annotations_count: one.annotations.length },
  });
  const output = given['output'] as { summary?: string; annotations?: unknown[] } | undefined;
  // Said in its documentation, and not enforced by its description.
  if (given['status'] === 'completed' && given['conclusion'] === undefined) return [422, { message: 'completed needs a conclusion' }];
  if ((output?.annotations?.length ?? 0) > 50) return [422, { message: 'more than 50 annotations' }];
  if ((output?.summary?.length ?? 0) > 65_535) return [422, { message: 'summary too long' }];
  if (method === 'GET') {
    const commit = decodeURIComponent(/\/commits\/([^/]+)\//.exec(path)?.[1] ?? '');
    const newest = new Map(
      state.checks
        .filter((one) => one.head_sha === commit && one.name === (url.searchParams.get('check_name') ?? one.name))
        .map((one) => [one.name, one]),
    );
    return [200, { total_count: newest.size, check_runs: page([...newest.values()]).map(answer) }];
  }
  if (method === 'POST') {
    const made = {
      id: (next += 1),
      name: String(given['name']),
      head_sha: String(given['head_sha']),
      external_id: (given['external_id'] as string | undefined) ?? null,
      annotations: [...(output?.annotations ?? [])],
      fields: given,
    };
    state.checks.push(made);
    return [201, answer(made)];
  }
  const found = state.checks.find((one) => one.id === id);
  if (found === undefined) return null;
  Object.assign(found.fields, given);
  found.annotations.push(...(output?.annotations ?? []));
  return [200, answer(found)];
}

interface Operation {
  readonly parameters?: readonly ({ readonly $ref?: string } & Parameter)[];
  readonly requestBody?: { readonly required?: boolean; readonly content: Record<string, { readonly schema: object }> };
}
interface Parameter {
  readonly name: string;
  readonly in: string;
  readonly required?: boolean;
  readonly schema: { readonly type?: string };
}
interface Description {
  readonly paths: Record<string, Record<string, Operation>>;
  readonly components: { readonly parameters: Record<string, Parameter> };
}

type Check = (method: string, url: URL, body: Body | null, routes: Set<string>) => string[];

function contract(): Check {
  const description = JSON.parse(readFileSync(CONTRACT, 'utf8')) as Description;
  const ajv = new Ajv({ strict: false, allErrors: true, coerceTypes: false });
  formats.default(ajv);
  ajv.addSchema(description, 'github');
  const compiled = new Map<string, ValidateFunction>();
  const templates = Object.keys(description.paths).map((path) => ({
    path,
    pattern: new RegExp(`^${path.replaceAll(/\{\w+\}/g, '([^/]+)')}$`),
  }));
  return (method, url, body, routes) => {
    const found = templates.find(({ pattern }) => pattern.test(url.pathname));
    const operation = found === undefined ? undefined : description.paths[found.path]?.[method.toLowerCase()];
    if (found === undefined || operation === undefined) return [`${method} ${url.pathname} is not described`];
    routes.add(`${method} ${found.path}`);
    const parameters = (operation.parameters ?? []).map((one) =>
      one.$ref === undefined ? one : (description.components.parameters[one.$ref.split('/').at(-1) ?? ''] ?? one),
    );
    const problems = [...url.searchParams].flatMap(([name, value]) => {
      const known = parameters.find((one) => one.in === 'query' && one.name === name);
      if (known === undefined) return [`${method} ${found.path}: no parameter ${name}`];
      const typed = known.schema.type === 'integer' ? Number(value) : value;
      const validate = ajv.compile(known.schema);
      return validate(typed) ? [] : [`${method} ${found.path}: ${name} ${ajv.errorsText(validate.errors)}`];
    });
    const type = 'application/json';
    const schema = operation.requestBody?.content[type]?.schema;
    if (schema === undefined) return body === null ? problems : [...problems, `${method} ${found.path}: takes no body`];
    const place = ['paths', found.path, method.toLowerCase(), 'requestBody', 'content', type, 'schema']
      .map((part) => encodeURIComponent(part.replaceAll('~', '~0').replaceAll('/', '~1')))
      .join('/');
    const validate = compiled.get(place) ?? ajv.compile({ $ref: `github#/${place}` });
    compiled.set(place, validate);
    return validate(body ?? {}) ? problems : [...problems, `${method} ${found.path}: ${ajv.errorsText(validate.errors)}`];
  };
}
