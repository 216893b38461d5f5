import type { IncomingMessage } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { OutsideError, SluiceError, UserError } from '../../core/errors.ts';
import { contentOf, isOk, requestTo, type Request } from './request.ts';
import { parseEvents, type ServerEvent } from './sse.ts';

/** A control plane to talk to. */
export interface Target {
  readonly url: string;
  readonly token: string;
  readonly isLocal: boolean;
}

export interface Client {
  readonly target: () => Target;
  get<T>(path: string, query?: Readonly<Record<string, string | number | boolean | undefined>>): Promise<T>;
  post<T>(path: string, body: object): Promise<T>;
  /** Events of a stream, once each, across breaks of the connection; ends when the server ends it on purpose. */
  events(
    path: string,
    options: { readonly signal: AbortSignal; readonly isOver?: () => boolean; readonly resumes?: boolean },
  ): AsyncGenerator<ServerEvent>;
}

export interface ClientOptions {
  /** Finds the control plane; asked again after the connection broke, as a local one may have been started anew. */
  readonly locate: () => Promise<Target>;
  readonly requestMs?: number;
  /** How long a stream tries to come back, ms. */
  readonly comeBackMs?: number;
  /** A stream that says nothing for so long is dead, ms. The server shows signs of life every 15 s. */
  readonly silentMs?: number;
}

/** Asks one control plane; what it answers to a mistake is thrown as our own error. */
export async function createClient(options: ClientOptions): Promise<Client> {
  const { requestMs = 60_000, comeBackMs = 120_000, silentMs = 45_000 } = options;
  let target = await options.locate();

  async function ask<T>(method: string, path: string, body: object | null): Promise<T> {
    const late = new AbortController();
    let timer: NodeJS.Timeout | undefined;
    const expired = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(() => {
        reject(unreachable(target, new Error(`no answer within ${requestMs / 1000} s`)));
        late.abort();
      }, requestMs);
    });
    const answered = async (): Promise<T> => {
      const json = body === null ? {} : { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } };
      const answer = await send(target, path, { method, signal: late.signal, ...json });
      const content = await contentOf(answer);
      if (!isOk(answer) || content === null) throw errorOf(answer, content, target);
      return content as T;
    };
    try {
      return await Promise.race([answered(), expired]);
    } finally {
      clearTimeout(timer);
    }
  }

  async function* events(
    path: string,
    { signal, isOver = () => false, resumes = true }: Parameters<Client['events']>[1],
  ): AsyncGenerator<ServerEvent> {
    let last: string | null = null;
    let failedSince: number | null = null;
    for (let tries = 0; !signal.aborted;) {
      try {
        for await (const event of connect(target, path, last, signal, silentMs)) {
          failedSince = null;
          tries = 0;
          if (event.event === '') continue;
          if (event.event === 'problem') throw problemError(JSON.parse(event.data));
          last = event.id ?? last;
          yield event;
        }
        if (isOver() || !resumes) return;
      } catch (error) {
        if (signal.aborted) return;
        if (!(error instanceof OutsideError) || error.code !== 'CONTROL_PLANE_UNREACHABLE') throw error;
        failedSince ??= Date.now();
        if (Date.now() - failedSince > comeBackMs || !resumes) throw error;
      }
      tries += 1;
      await sleep(Math.min(5000, 100 * 2 ** tries), undefined, { signal }).catch(() => {});
      if (!signal.aborted) target = await options.locate().catch(() => target);
    }
  }

  return {
    target: () => target,
    get: (path, query = {}) => ask('GET', withQuery(path, query), null),
    post: (path, body) => ask('POST', path, body),
    events,
  };
}

/** One connection of a stream. Ends when the server ends it, when `signal` fires, or with an error after a long silence. */
async function* connect(
  target: Target,
  path: string,
  last: string | null,
  signal: AbortSignal,
  silentMs: number,
): AsyncGenerator<ServerEvent> {
  const opening = new AbortController();
  let isSilent = false;
  const stop = (): void => opening.abort();
  const silence = (): void => {
    isSilent = true;
    stop();
  };
  let timer = setTimeout(silence, silentMs);
  signal.addEventListener('abort', stop, { once: true });
  try {
    if (signal.aborted) return;
    const headers = last === null ? {} : { 'last-event-id': last };
    const answer = await send(target, path, { method: 'GET', signal: opening.signal, headers });
    if (!isOk(answer)) throw errorOf(answer, await contentOf(answer), target);
    for await (const event of parseEvents(answer)) {
      clearTimeout(timer);
      timer = setTimeout(silence, silentMs);
      yield event;
    }
  } catch (error) {
    if (signal.aborted && !(error instanceof UserError)) return;
    if (isSilent) throw unreachable(target, new Error('nothing was heard for a long time'));
    throw error instanceof SluiceError ? error : unreachable(target, error);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', stop);
    stop();
  }
}

async function send(target: Target, path: string, request: Request): Promise<IncomingMessage> {
  try {
    return await requestTo(target, path, request);
  } catch (error) {
    throw unreachable(target, error);
  }
}

function unreachable(target: Target, error: unknown): OutsideError {
  const { message, code } = error as NodeJS.ErrnoException;
  const why = code ?? message;
  const hint = target.isLocal
    ? '`sluice doctor` says more; its log is .sluice/control-plane.log.'
    : 'See that SLUICE_URL is right, and that the control plane runs.';
  return new OutsideError('CONTROL_PLANE_UNREACHABLE', `the control plane at ${target.url} cannot be reached: ${why}`, hint, error);
}

function errorOf(answer: IncomingMessage, content: unknown, target: Target): SluiceError {
  if (isProblem(content)) return problemError(content);
  return new OutsideError(
    'NOT_A_CONTROL_PLANE',
    `what answers at ${target.url} is not a Sluice control plane (status ${answer.statusCode})`,
    'See that SLUICE_URL is right.',
  );
}

interface ProblemAnswer {
  readonly code: string;
  readonly detail: string;
  readonly hint: string | null;
  readonly status: number;
}

function isProblem(content: unknown): content is ProblemAnswer {
  return typeof content === 'object' && content !== null && 'code' in content && 'detail' in content;
}

function problemError({ code, detail, hint, status }: ProblemAnswer): SluiceError {
  return status >= 500 ? new OutsideError(code, detail, hint) : new UserError(code, detail, hint);
}

function withQuery(path: string, query: Readonly<Record<string, string | number | boolean | undefined>>): string {
  const given = Object.entries(query).flatMap(([key, value]) => (value === undefined ? [] : [[key, String(value)]]));
  return given.length === 0 ? path : `${path}?${new URLSearchParams(given as [string, string][]).toString()}`;
}
