import { OutsideError, UserError } from '../../../core/errors.ts';
import { problem } from './schema.ts';

/** One request as GitHub's documentation writes it: `POST /repos/{owner}/{repo}/deployments`, and its parameters by name. Octokit's `request` is one. */
export type GithubRequest = (route: string, parameters: Readonly<Record<string, unknown>>) => Promise<{ readonly data: unknown }>;

export interface PlainOptions {
  /** `https://api.github.com`, or an Enterprise server's `https://host/api/v3`. */
  readonly url: string;
  /** Asked for with each request: tokens of Actions and apps are short-lived. */
  readonly token: () => string | Promise<string>;
  readonly timeoutMs?: number;
}

const VERSION = '2022-11-28';

/**
 * Requests over plain HTTP. Nothing is repeated here: the caller repeats what fails by the outside's fault.
 * @throws UserError `HOST_DENIED`, `HOST_NOT_FOUND`, `HOST_REFUSED` | OutsideError `HOST_UNREACHABLE`, `HOST_BUSY`.
 */
export function plainRequest({ url, token, timeoutMs = 30_000 }: PlainOptions): GithubRequest {
  return async (route, parameters) => {
    const { method, path, rest } = expand(route, parameters);
    const query = method === 'GET' ? searchOf(rest) : '';
    const body = method === 'GET' ? {} : { body: JSON.stringify(rest) };
    const given = await token();
    const response = await fetch(`${url.replace(/\/+$/, '')}${path}${query}`, {
      method,
      ...body,
      redirect: 'error',
      signal: AbortSignal.timeout(timeoutMs),
      headers: {
        accept: 'application/vnd.github+json',
        'x-github-api-version': VERSION,
        authorization: `Bearer ${given}`,
        'user-agent': 'sluice',
        ...(method === 'GET' ? {} : { 'content-type': 'application/json' }),
      },
    }).catch((error: unknown) => {
      throw new OutsideError(
        'HOST_UNREACHABLE',
        `GitHub did not answer ${method} ${path}`,
        'It is tried again; see the network and SLUICE_GITHUB_URL.',
        error,
      );
    });
    const text = await response.text();
    if (!response.ok) throw errorOf(response.status, response.headers, text, `${method} ${path}`);
    return { data: text === '' ? null : (JSON.parse(text) as unknown) };
  };
}

function expand(
  route: string,
  parameters: Readonly<Record<string, unknown>>,
): { method: string; path: string; rest: Record<string, unknown> } {
  const [method = 'GET', template = '/'] = route.split(' ');
  const used = new Set<string>();
  const path = template.replaceAll(/\{(\w+)\}/g, (_all, name: string) => {
    used.add(name);
    return encodeURIComponent(String(parameters[name]));
  });
  return {
    method,
    path,
    rest: Object.fromEntries(Object.entries(parameters).filter(([name, value]) => !used.has(name) && value !== undefined)),
  };
}

function searchOf(rest: Readonly<Record<string, unknown>>): string {
  const search = new URLSearchParams(Object.entries(rest).map(([name, value]): [string, string] => [name, String(value)])).toString();
  return search === '' ? '' : `?${search}`;
}

/** What an answer that is no success means, and who must act. */
function errorOf(status: number, headers: { get(name: string): string | null }, text: string, what: string): UserError | OutsideError {
  const said = messageIn(text);
  const wait = headers.get('retry-after');
  // Both limits answer 403 or 429; the headers tell them from a refusal.
  if (status === 429 || (status === 403 && (wait !== null || headers.get('x-ratelimit-remaining') === '0')))
    return new OutsideError(
      'HOST_BUSY',
      `GitHub asks to wait before ${what}: ${said}`,
      wait === null ? 'Try again later.' : `Try again in ${wait} s.`,
    );
  if (status === 401 || status === 403)
    return new UserError(
      'HOST_DENIED',
      `GitHub does not allow ${what}: ${said}`,
      'Give the token the permission: deployments, checks or pull-requests: write.',
    );
  if (status === 404)
    return new UserError(
      'HOST_NOT_FOUND',
      `GitHub knows nothing of ${what}: ${said}`,
      'See the name of the repository, and that the token may see it.',
    );
  if (status === 409 || status === 422)
    return new UserError('HOST_REFUSED', `GitHub refuses ${what}: ${said}`, 'The message says what it does not take.');
  return new OutsideError('HOST_UNREACHABLE', `GitHub answers ${what} with ${status}: ${said}`, 'It is tried again.');
}

function messageIn(text: string): string {
  try {
    return problem.parse(JSON.parse(text)).message.slice(0, 500);
  } catch {
    return 'no reason given';
  }
}
