import pg from 'pg';
import { OutsideError } from '../core/errors.ts';

/** What the pg package does not type: its wire, which COPY is spoken on. */
interface Wire {
  readonly stream: NodeJS.ReadWriteStream & { destroy(): void; pause(): void; resume(): void };
  query(text: string): void;
  sendCopyFromChunk(chunk: Buffer): boolean | void;
  endCopyFrom(): void;
  sendCopyFail(message: string): void;
}

const wireOf = (client: pg.Client): Wire => (client as unknown as { readonly connection: Wire }).connection;

export async function connect(url: string, name: string, settings: Readonly<Record<string, string>> = {}): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: url, application_name: name, keepAlive: true, connectionTimeoutMillis: 10_000 });
  client.on('error', () => {});
  await client.connect();
  for (const [key, value] of Object.entries(settings)) await client.query(`SET ${key} = ${value}`);
  return client;
}

const [COPY_DATA, COPY_OUT, COPY_DONE, COMPLETE, ERROR, READY] = [0x64, 0x48, 0x63, 0x43, 0x45, 0x5a];

/**
 * Run `COPY … TO STDOUT` and hand over each message as it comes in, without a copy. The connection is used for nothing
 * else any more and closed at the end. The reader is slowed down by the reader of the messages: as long as `take`
 * is busy, nothing is read.
 * @throws the server's error, OutsideError `DATABASE_UNREACHABLE` when the connection breaks
 */
export function copyOut(
  client: pg.Client,
  statement: string,
  take: (chunk: Buffer, from: number, to: number) => void,
  signal: AbortSignal,
  /** Asked after each chunk: wait for it before reading on. */
  hold: () => Promise<void> | null = () => null,
): Promise<void> {
  const { stream } = wireOf(client);
  return new Promise((resolve, reject) => {
    let rest: Buffer | null = null;
    let isOver = false;
    const finish = (error: unknown): void => {
      if (isOver) return;
      isOver = true;
      signal.removeEventListener('abort', abort);
      stream.destroy();
      if (error === null) resolve();
      else reject(error instanceof Error ? error : new Error('interrupted', { cause: error }));
    };
    const abort = (): void => finish(signal.reason ?? new Error('interrupted'));
    const lost = (error?: Error): void =>
      finish(
        new OutsideError(
          'DATABASE_UNREACHABLE',
          `the connection that events are read from was lost${error === undefined ? '' : `: ${error.message}`}`,
          'It is tried again from the last checkpoint.',
          error,
        ),
      );
    const data = (bytes: Buffer): void => {
      if (isOver) return;
      const chunk: Buffer = rest === null ? bytes : Buffer.concat([rest, bytes]);
      try {
        const end = messages(chunk, take);
        rest = end.at === chunk.length ? null : chunk.subarray(end.at);
        if (end.error !== null) return finish(end.error);
        if (end.isReady) return finish(null);
      } catch (error) {
        return finish(error);
      }
      const waiting = hold();
      if (waiting === null) return;
      stream.pause();
      waiting.then(() => stream.resume(), finish);
    };
    for (const event of ['data', 'error', 'end', 'close']) stream.removeAllListeners(event);
    stream.on('data', data as (chunk: unknown) => void);
    stream.on('error', lost);
    stream.on('close', () => lost());
    if (signal.aborted) return abort();
    signal.addEventListener('abort', abort, { once: true });
    wireOf(client).query(statement);
  });
}

/** Every whole message of a chunk; `at` is where the rest begins. */
function messages(
  chunk: Buffer,
  take: (chunk: Buffer, from: number, to: number) => void,
): { at: number; isReady: boolean; error: Error | null } {
  let at = 0;
  let error: Error | null = null;
  while (at + 5 <= chunk.length) {
    const end = at + 1 + chunk.readInt32BE(at + 1);
    if (end > chunk.length) break;
    const kind = chunk[at];
    if (kind === COPY_DATA) take(chunk, at + 5, end);
    else if (kind === ERROR) error = serverError(chunk.subarray(at + 5, end));
    else if (kind === READY) return { at: end, isReady: true, error };
    else if (kind !== COPY_OUT && kind !== COPY_DONE && kind !== COMPLETE && kind !== 0x4e && kind !== 0x53)
      error = new Error(`unexpected message ${kind}`);
    at = end;
    if (error !== null) break;
  }
  return { at, isReady: false, error };
}

function serverError(fields: Buffer): Error {
  const parts = new Map<string, string>();
  for (const field of fields.toString('utf8').split('\0')) if (field !== '') parts.set(field.charAt(0), field.slice(1));
  return Object.assign(new Error(parts.get('M') ?? 'unknown error'), { code: parts.get('C') ?? '' });
}

/**
 * Run `COPY … FROM STDIN` with these chunks, inside whatever transaction the connection is in.
 * @throws the server's error
 */
export function copyIn(client: pg.Client, statement: string, chunks: readonly Buffer[]): Promise<void> {
  return new Promise((resolve, reject) => {
    let failure: Error | null = null;
    // What pg calls on anything that is handed to `client.query` and can submit itself.
    const query = {
      submit(wire: Wire): void {
        wire.query(statement);
      },
      handleCopyInResponse(wire: Wire): void {
        for (const chunk of chunks) wire.sendCopyFromChunk(chunk);
        wire.endCopyFrom();
      },
      handleError(error: Error): void {
        failure = error;
        reject(error);
      },
      handleCommandComplete(): void {},
      handleReadyForQuery(): void {
        if (failure === null) resolve();
      },
      handleRowDescription(): void {},
      handleDataRow(): void {},
      handlePortalSuspended(): void {},
      handleEmptyQuery(): void {},
      handleCopyData(): void {},
    };
    client.query(query as unknown as pg.Submittable);
  });
}

/** Each value of a query with one jsonb column. Closes the connection. */
export async function readJson<T>(
  client: pg.Client,
  select: string,
  each: (value: T) => void,
  signal: AbortSignal = new AbortController().signal,
): Promise<void> {
  let isFirst = true;
  await copyOut(
    client,
    `COPY (${select}) TO STDOUT (FORMAT binary)`,
    (chunk, from, to) => {
      // The first message begins with 19 bytes of header; then number of fields, length, version of jsonb.
      const at = isFirst ? from + 19 : from;
      isFirst = false;
      if (at + 2 > to || chunk.readInt16BE(at) < 0) return;
      each(JSON.parse(chunk.toString('utf8', at + 7, at + 6 + chunk.readInt32BE(at + 2))) as T);
    },
    signal,
  );
}
