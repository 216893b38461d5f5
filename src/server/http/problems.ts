import type { z } from 'zod';
import { SluiceError, UserError } from '../../core/errors.ts';

/** RFC 9457 problem details, with our code and what to do next. */
export interface Problem {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly code: string;
  readonly hint: string | null;
  readonly problems?: readonly unknown[];
}

const STATUS: Readonly<Record<string, number>> = {
  UNAUTHORIZED: 401,
  HOST_NOT_ALLOWED: 421,
  ORIGIN_NOT_ALLOWED: 403,
  WEBHOOK_UNSIGNED: 401,
  WEBHOOK_INVALID: 400,
  WEBHOOK_UNKNOWN: 404,
  REQUEST_INVALID: 400,
  NO_SUCH_ROUTE: 404,
  RELEASE_UNKNOWN: 404,
  UNKNOWN_ENVIRONMENT: 404,
  UNKNOWN_APP: 404,
  APP_UNKNOWN: 404,
  UNKNOWN_VERSION: 404,
  RELEASE_ENDED: 409,
  RELEASE_ACTIVE: 409,
  RELEASE_REJECTED: 409,
  TOO_LATE: 409,
  NOT_PAUSED: 409,
  NOTHING_TO_APPROVE: 409,
  NOTHING_TO_PROMOTE: 409,
  NOTHING_TO_RETRY: 409,
  NOTHING_TO_ROLL_BACK_TO: 409,
  PLAN_STALE: 409,
  VERSION_HELD: 409,
  FENCED: 409,
};

const TITLES: Readonly<Record<number, string>> = {
  400: 'The request cannot be read',
  401: 'Not signed in',
  403: 'Not allowed',
  404: 'Not found',
  409: 'Not possible now',
  413: 'The request is too large',
  415: 'The request is not JSON',
  421: 'Not meant for this server',
  422: 'Not possible',
  500: 'A bug in Sluice',
  503: 'Something outside did not work',
};

/** What an error means to a caller of the API. */
export function problemOf(error: unknown): Problem {
  if (error instanceof SluiceError) {
    const status = STATUS[error.code] ?? (error.blame === 'user' ? 422 : 503);
    const problems = 'problems' in error && Array.isArray(error.problems) ? { problems: error.problems as unknown[] } : {};
    return { ...basics(status, error.code), detail: error.message, hint: error.hint, ...problems };
  }
  const status = (error as { statusCode?: unknown } | null)?.statusCode;
  const message = error instanceof Error ? error.message : String(error);
  if (typeof status === 'number' && status >= 400 && status < 500) {
    return { ...basics(status, 'REQUEST_INVALID'), detail: message, hint: 'GET /openapi.json describes every request.' };
  }
  return {
    ...basics(500, 'BUG'),
    detail: `This should not happen: ${message}`,
    hint: "Please report it, with the control plane's log (.sluice/control-plane.log).",
  };
}

function basics(status: number, code: string): Pick<Problem, 'type' | 'title' | 'status' | 'code'> {
  return { type: `urn:sluice:error:${code}`, title: TITLES[status] ?? 'Not possible', status, code };
}

/**
 * Checked request data.
 * @throws UserError `REQUEST_INVALID` with every mistake.
 */
export function checked<T>(schema: z.ZodType<T>, value: unknown, where: string): T {
  const result = schema.safeParse(value ?? {});
  if (result.success) return result.data;
  const mistakes = result.error.issues.map((issue) => `${[where, ...issue.path].join('.')}: ${issue.message}`);
  throw invalid(mistakes.join('; '));
}

/** Levels of lists and objects in each other. A plan, the deepest that is sent to us, has 9. */
const DEEPEST = 64;
/** PostgreSQL stores neither NUL nor half of a surrogate pair. */
// oxlint-disable-next-line no-control-regex -- NUL is what is looked for
const UNSTORABLE = /\u0000|[\uD800-\uDBFF](?![\uDC00-\uDFFF])|(?<![\uD800-\uDBFF])[\uDC00-\uDFFF]/;

/**
 * Refuses what no schema describes and everything behind them would stumble over: texts that cannot be stored, and data so deep
 * that walking it would exhaust the stack.
 * @throws UserError `REQUEST_INVALID`.
 */
export function refuseUnstorable(parts: Readonly<Record<string, unknown>>): void {
  let level: unknown[] = Object.values(parts);
  for (let depth = 0; level.length > 0; depth += 1) {
    if (depth > DEEPEST) throw invalid('lists and objects lie too deep in each other');
    const next: unknown[] = [];
    for (const value of level) {
      if (typeof value === 'string' && UNSTORABLE.test(value)) throw invalid('a text contains a NUL or half a character');
      if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) continue;
      for (const [key, item] of Object.entries(value)) next.push(key, item);
    }
    level = next;
  }
}

function invalid(what: string): UserError {
  return new UserError('REQUEST_INVALID', what, 'GET /openapi.json describes every request.');
}
