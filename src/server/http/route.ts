import type { z } from 'zod';
import type { EventSink } from './sse.ts';

/** One route: its check, its documentation and its work, in one place. */
export interface Route {
  readonly method: 'GET' | 'POST';
  /** With `:name` parameters. */
  readonly url: string;
  readonly id: string;
  readonly group: 'releases' | 'environments' | 'operations';
  readonly summary: string;
  readonly params: z.ZodObject | null;
  readonly query: z.ZodObject | null;
  readonly body: z.ZodObject | null;
  /** What a 200 carries; null where events are streamed. */
  readonly answer: z.ZodType | null;
  readonly handle: ((input: Input) => Promise<unknown>) | null;
  readonly stream: ((input: Input, open: () => EventSink) => Promise<void>) | null;
}

export interface Input {
  readonly params: unknown;
  readonly query: unknown;
  readonly body: unknown;
  /** Position in Last-Event-ID, null without one. */
  readonly lastEventId: number | null;
}

interface Given<P, Q, B> {
  readonly params: P;
  readonly query: Q;
  readonly body: B;
  readonly lastEventId: number | null;
}

interface Described<P extends z.ZodObject, Q extends z.ZodObject, B extends z.ZodObject> {
  readonly url: string;
  readonly id: string;
  readonly group: Route['group'];
  readonly summary: string;
  readonly params?: P;
  readonly query?: Q;
  readonly body?: B;
}

/** A route that answers once. */
export function route<P extends z.ZodObject, Q extends z.ZodObject, B extends z.ZodObject, A extends z.ZodType>(
  definition: Described<P, Q, B> & {
    readonly method: Route['method'];
    readonly answer: A;
    readonly handle: (given: Given<z.output<P>, z.output<Q>, z.output<B>>) => Promise<unknown>;
  },
): Route {
  const { params = null, query = null, body = null } = definition;
  return { ...definition, params, query, body, handle: definition.handle as Route['handle'], stream: null };
}

/** A route that streams events. What is wrong with the request is thrown before `open` is called, and answered as usual. */
export function eventRoute<P extends z.ZodObject, Q extends z.ZodObject>(
  definition: Described<P, Q, z.ZodObject> & {
    readonly stream: (given: Given<z.output<P>, z.output<Q>, unknown>, open: () => EventSink) => Promise<void>;
  },
): Route {
  const { params = null, query = null, body = null } = definition;
  return { ...definition, method: 'GET', params, query, body, answer: null, handle: null, stream: definition.stream as Route['stream'] };
}
