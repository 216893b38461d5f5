import { setTimeout as sleep } from 'node:timers/promises';
import type { z } from 'zod';
import { OutsideError, UserError } from '../../../core/errors.ts';
import { errorSchema, operationSchema } from './schema.ts';

export interface NeonApi {
  get<S extends z.ZodType>(path: string, schema: S, query?: Readonly<Record<string, string>>): Promise<z.output<S>>;
  post<S extends z.ZodType>(path: string, body: object, schema: S): Promise<z.output<S>>;
  /** What is not there is gone already. */
  remove(path: string): Promise<void>;
  /** Resolves once every operation that an answer names is over. */
  settled(operations: readonly { readonly id: string }[] | undefined): Promise<void>;
}

const TRIES = 5;
const OVER: ReadonlySet<string> = new Set(['finished', 'skipped']);
const FAILED: ReadonlySet<string> = new Set(['failed', 'error', 'cancelled']);

export function neonApi(options: { readonly api: string; readonly project: string; apiKey(): string; readonly pollMs: number }): NeonApi {
  const base = `${options.api}/projects/${options.project}`;

  async function ask(method: string, path: string, body: object | null): Promise<Response> {
    for (let attempt = 1; ; attempt += 1) {
      const answer = await fetch(`${base}${path}`, {
        method,
        headers: {
          authorization: `Bearer ${options.apiKey()}`,
          accept: 'application/json',
          ...(body === null ? {} : { 'content-type': 'application/json' }),
        },
        ...(body === null ? {} : { body: JSON.stringify(body) }),
      }).catch((error: unknown) => {
        throw new OutsideError(
          'NEON_UNREACHABLE',
          'the API of Neon does not answer',
          'It is tried again; see https://neonstatus.com.',
          error,
        );
      });
      // By its contract, 423 (another operation is under way), 503 and 429 are always safe to ask again; nothing else is.
      if (![423, 429, 503].includes(answer.status) || attempt === TRIES) return answer;
      await answer.arrayBuffer();
      await sleep(Math.min(10_000, options.pollMs * 2 ** attempt));
    }
  }

  async function parsed<S extends z.ZodType>(answer: Response, schema: S): Promise<z.output<S>> {
    const content: unknown = await answer.json().catch(() => null);
    if (!answer.ok) throw refusal(answer.status, errorSchema.safeParse(content).data?.message ?? `HTTP ${answer.status}`);
    const result = schema.safeParse(content);
    if (result.success) return result.data;
    throw new OutsideError(
      'NEON_UNREACHABLE',
      `the API of Neon answers something that is not understood: ${result.error.issues[0]?.path.join('.') ?? ''}`,
      'Its API may have changed: use a newer Sluice.',
      result.error,
    );
  }

  return {
    get: async (path, schema, query = {}) => {
      const search = new URLSearchParams(query).toString();
      return parsed(await ask('GET', search === '' ? path : `${path}?${search}`, null), schema);
    },
    post: async (path, body, schema) => parsed(await ask('POST', path, body), schema),
    async remove(path) {
      const answer = await ask('DELETE', path, null);
      if (answer.ok || answer.status === 404) return void (await answer.arrayBuffer());
      await parsed(answer, operationSchema);
    },
    async settled(operations = []) {
      for (const { id } of operations) {
        for (;;) {
          const { operation } = await parsed(await ask('GET', `/operations/${id}`, null), operationSchema);
          if (OVER.has(operation.status)) break;
          if (FAILED.has(operation.status))
            throw new OutsideError(
              'BACKUP_FAILED',
              `Neon could not do it: ${operation.error ?? operation.status}`,
              `Operation ${id} in the console of the project says more.`,
            );
          await sleep(options.pollMs);
        }
      }
    },
  };
}

function refusal(status: number, message: string): Error {
  if (status === 401 || status === 403)
    return new UserError(
      'NEON_NOT_ALLOWED',
      `Neon refuses the API key: ${message}`,
      'Give the variable that `apiKey` names a key that may write to this project.',
    );
  if (status === 404)
    return new UserError(
      'NEON_UNKNOWN',
      `Neon does not know it: ${message}`,
      'See `project` and `branch` in the configuration; a branch has an id that begins with br-.',
    );
  return status >= 500
    ? new OutsideError('NEON_UNREACHABLE', `Neon: ${message}`, 'It is tried again.')
    : new UserError('NEON_REFUSED', `Neon refuses: ${message}`, 'Its plan may allow fewer branches or a shorter history.');
}
