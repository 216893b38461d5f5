import { createServer, type IncomingMessage } from 'node:http';
import { answerMistakes, operationOf, requestMistakes } from './contract.ts';

/** Neon's API on loopback: branches of one PostgreSQL. Every request and every answer is held against its OpenAPI document. */
export interface NeonWorld {
  readonly api: string;
  readonly key: string;
  readonly branches: Map<string, NeonBranch>;
  /** What a request or an answer had wrong. */
  readonly mistakes: string[];
  readonly requests: string[];
  /** The next requests are answered 423: another operation is under way. */
  lockNext(times: number): void;
  close(): Promise<void>;
}

export interface NeonBranch {
  readonly id: string;
  name: string;
  readonly parent: string | null;
  at: string | null;
  readonly createdAt: string;
}

export const NEON = { project: 'shiny-wind-028834', main: 'br-aged-salad-637688' };

/** `uri`: what every branch's connection string is. */
export async function neonWorld(uri: string): Promise<NeonWorld> {
  const key = 'neon-test-key';
  const branches = new Map<string, NeonBranch>([
    [NEON.main, { id: NEON.main, name: 'main', parent: null, at: null, createdAt: new Date(0).toISOString() }],
  ]);
  const mistakes: string[] = [];
  const requests: string[] = [];
  const operations = new Map<string, number>();
  let locked = 0;
  let count = 0;

  const server = createServer((request, response) => {
    void answer(request).then(({ status, body }) =>
      response.writeHead(status, { 'content-type': 'application/json' }).end(status === 204 ? undefined : JSON.stringify(body)),
    );
  });

  async function answer(request: IncomingMessage): Promise<{ status: number; body: unknown }> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const text = Buffer.concat(chunks).toString('utf8');
    const url = new URL(request.url ?? '/', 'http://127.0.0.1');
    const path = url.pathname.replace('/api/v2', '');
    const method = request.method ?? '';
    requests.push(`${method} ${path}`);
    if (request.headers.authorization !== `Bearer ${key}`) return { status: 401, body: { code: '', message: 'not allowed' } };
    if (locked > 0) {
      locked -= 1;
      return { status: 423, body: { code: '', message: 'project already has running operations' } };
    }
    const operation = operationOf(method, path);
    if (operation === null) {
      mistakes.push(`there is no ${method} ${path}`);
      return { status: 404, body: { code: '', message: 'not found' } };
    }
    const body = text === '' ? null : (JSON.parse(text) as Record<string, never>);
    mistakes.push(...requestMistakes(operation, url.searchParams, body).map((one) => `${method} ${path}: ${one}`));
    const result = respond(method, path, url.searchParams, body);
    mistakes.push(...answerMistakes(operation, result.status, result.body).map((one) => `our own ${method} ${path}: ${one}`));
    return result;
  }

  function respond(
    method: string,
    path: string,
    query: URLSearchParams,
    body: Record<string, never> | null,
  ): { status: number; body: unknown } {
    const [, , , kind, id, action] = path.split('/');
    if (kind === undefined) return { status: 200, body: { project: project() } };
    if (kind === 'operations') return operationState(id ?? '');
    if (kind === 'connection_uri') return { status: 200, body: { uri } };
    if (kind === 'branches' && id === undefined) return method === 'POST' ? create(body ?? {}) : list(query);
    const branch = branches.get(id ?? '');
    if (branch === undefined)
      return method === 'DELETE'
        ? { status: 204, body: null }
        : { status: 404, body: { code: 'BRANCH_NOT_FOUND', message: 'branch not found' } };
    if (method === 'DELETE') branches.delete(branch.id);
    if (action === 'restore') return restore(branch, body ?? {});
    return {
      status: 200,
      body:
        method === 'GET' ? { branch: shown(branch), annotation: annotation() } : { branch: shown(branch), operations: [begun(branch.id)] },
    };
  }

  function create(body: { branch?: { name?: string; parent_id?: string; parent_timestamp?: string }; endpoints?: unknown[] }): {
    status: number;
    body: unknown;
  } {
    count += 1;
    const made: NeonBranch = {
      id: `br-test-${count}`,
      name: body.branch?.name ?? `br-${count}`,
      parent: body.branch?.parent_id ?? NEON.main,
      at: body.branch?.parent_timestamp ?? null,
      createdAt: new Date().toISOString(),
    };
    branches.set(made.id, made);
    return { status: 201, body: { branch: shown(made), endpoints: [], operations: [begun(made.id)], roles: [], databases: [] } };
  }

  function restore(
    branch: NeonBranch,
    body: { source_branch_id?: string; source_timestamp?: string; preserve_under_name?: string },
  ): { status: number; body: unknown } {
    if (body.source_branch_id === branch.id && (body.preserve_under_name ?? '') === '')
      return { status: 400, body: { code: '', message: 'preserve_under_name is required' } };
    create({ branch: { name: body.preserve_under_name ?? '', parent_id: branch.id } });
    branch.at = body.source_timestamp ?? null;
    return { status: 200, body: { branch: shown(branch), operations: [begun(branch.id)] } };
  }

  function list(query: URLSearchParams): { status: number; body: unknown } {
    const found = [...branches.values()].filter(({ name }) => name.includes(query.get('search') ?? ''));
    return { status: 200, body: { branches: found.map(shown), annotations: {} } };
  }

  function begun(branch: string): object {
    const id = `a07f8772-1877-4da9-a939-${String(operations.size).padStart(12, '0')}`;
    operations.set(id, 1);
    return operationShown(id, 'running', branch);
  }

  function operationState(id: string): { status: number; body: unknown } {
    const left = operations.get(id) ?? 0;
    operations.set(id, left - 1);
    return { status: 200, body: { operation: operationShown(id, left > 0 ? 'running' : 'finished', NEON.main) } };
  }

  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return {
    api: `http://127.0.0.1:${address.port}/api/v2`,
    key,
    branches,
    mistakes,
    requests,
    lockNext: (times) => {
      locked = times;
    },
    close: () => new Promise((resolve) => server.close(() => resolve())),
  };
}

function operationShown(id: string, status: string, branch: string): object {
  const at = new Date().toISOString();
  return {
    id,
    project_id: NEON.project,
    branch_id: branch,
    action: 'create_branch',
    status,
    failures_count: 0,
    created_at: at,
    updated_at: at,
    total_duration_ms: 5,
  };
}

function annotation(): object {
  return { object: { type: 'console/branch', id: NEON.main }, value: {} };
}

function shown({ id, name, parent, at, createdAt }: NeonBranch): object {
  return {
    id,
    project_id: NEON.project,
    ...(parent === null ? {} : { parent_id: parent }),
    ...(at === null ? {} : { parent_timestamp: at }),
    name,
    current_state: 'ready',
    state_changed_at: createdAt,
    logical_size: 31_000_000,
    creation_source: 'console',
    created_at: createdAt,
    updated_at: createdAt,
    default: parent === null,
    protected: false,
    cpu_used_sec: 0,
    compute_time_seconds: 0,
    active_time_seconds: 0,
    written_data_bytes: 0,
    data_transfer_bytes: 0,
  };
}

function project(): object {
  const at = new Date().toISOString();
  return {
    id: NEON.project,
    platform_id: 'aws',
    region_id: 'aws-us-east-2',
    name: 'shop',
    provisioner: 'k8s-pod',
    pg_version: 17,
    history_retention_seconds: 604_800,
    created_at: at,
    updated_at: at,
    proxy_host: 'us-east-2.aws.neon.tech',
    branch_logical_size_limit: 0,
    branch_logical_size_limit_bytes: 0,
    cpu_used_sec: 0,
    owner_id: '1',
    creation_source: 'console',
    store_passwords: true,
    data_storage_bytes_hour: 0,
    data_transfer_bytes: 0,
    written_data_bytes: 0,
    compute_time_seconds: 0,
    active_time_seconds: 0,
    consumption_period_start: at,
    consumption_period_end: at,
  };
}
