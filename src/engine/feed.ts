import pg from 'pg';
import { CHANNEL } from './log/log.ts';
import type { Log } from './logging.ts';

/** Hears of appends by all control planes as they happen. */
export interface Feed {
  /** Called after each append, by anyone: the log reaches at least `position`. */
  onAppend(listener: (position: number) => void): () => void;
  close(): Promise<void>;
}

export interface FeedOptions {
  readonly databaseUrl: string;
  readonly log: Log;
  /** Somebody else appended to this stream. */
  appended(stream: string, origin: string): void;
  /** Notes may have been missed. */
  reconnected(): void;
}

const RECONNECT_MS = 500;

export function openFeed(options: FeedOptions): Feed {
  const listeners = new Set<(position: number) => void>();
  let client: pg.Client | null = null;
  let timer: NodeJS.Timeout | null = null;
  let closed = false;

  async function connect(): Promise<void> {
    const next = new pg.Client({ connectionString: options.databaseUrl, application_name: 'sluice feed', keepAlive: true });
    client = next;
    next.on('error', () => lost(next));
    next.on('end', () => lost(next));
    next.on('notification', ({ payload }) => heard(payload ?? ''));
    try {
      await next.connect();
      await next.query(`LISTEN ${CHANNEL}`);
      options.reconnected();
      for (const listener of listeners) listener(0);
    } catch (error) {
      options.log.debug({ error: String(error) }, 'the event feed has no connection');
      lost(next);
    }
  }

  function lost(which: pg.Client): void {
    if (client !== which) return;
    client = null;
    void which.end().catch(() => {});
    if (!closed) timer = setTimeout(() => void connect(), RECONNECT_MS);
  }

  function heard(payload: string): void {
    const [position = '', origin = '', ...stream] = payload.split(' ');
    for (const listener of listeners) listener(Number(position));
    options.appended(stream.join(' '), origin);
  }

  void connect();
  return {
    onAppend(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    async close() {
      closed = true;
      if (timer !== null) clearTimeout(timer);
      const last = client;
      client = null;
      await last?.end().catch(() => {});
    },
  };
}
