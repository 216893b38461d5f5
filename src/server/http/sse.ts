import type { ServerResponse } from 'node:http';

export interface EventSink {
  /** One event; `id` is what a client names to go on after it. */
  send(event: { readonly id?: string; readonly event: string; readonly data: unknown }): void;
  /** Says what the client should know before it ends, and ends it. */
  end(): void;
  /** Fires when the client is gone, too slow, or the server closes. */
  readonly signal: AbortSignal;
}

/** A client that does not read for so long that this much is waiting is cut off: it comes back with Last-Event-ID. */
const MOST_WAITING_BYTES = 4_000_000;

/** Server-sent events over one answer, kept alive by comments. */
export function openEvents(
  response: ServerResponse,
  options: { readonly heartbeatMs: number; readonly closing: AbortSignal; readonly clean: (data: unknown) => unknown },
): EventSink {
  const gone = new AbortController();
  response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8', 'cache-control': 'no-store', 'x-accel-buffering': 'no' });
  response.write('retry: 1000\n\n');
  const heartbeat = setInterval(() => response.write(': still here\n\n'), options.heartbeatMs);
  const stop = (): void => {
    clearInterval(heartbeat);
    options.closing.removeEventListener('abort', end);
    gone.abort();
  };
  const end = (): void => {
    if (gone.signal.aborted) return;
    stop();
    response.end();
  };
  response.on('close', stop);
  response.on('error', stop);
  if (options.closing.aborted) end();
  options.closing.addEventListener('abort', end, { once: true });
  return {
    signal: gone.signal,
    end,
    send({ id, event, data }) {
      if (gone.signal.aborted) return;
      // JSON has no line breaks of its own, so one data line is enough.
      response.write(`${id === undefined ? '' : `id: ${id}\n`}event: ${event}\ndata: ${JSON.stringify(options.clean(data))}\n\n`);
      if (response.writableLength > MOST_WAITING_BYTES) response.destroy();
    },
  };
}
