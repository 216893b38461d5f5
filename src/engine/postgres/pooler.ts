import pg from 'pg';
import { keepsItsProcess, type Session } from '../../core/data/pooling.ts';
import { UserError } from '../../core/errors.ts';

/** Longest wait for an answer before it is taken that a pooler has no process to spare, ms. */
const ANSWER_MS = 5_000;

/**
 * Our store lives by advisory locks, LISTEN and settings of a session: none of it works through a pooler in transaction mode.
 * @throws UserError DATABASE_URL_POOLED
 */
export async function refusePooler(pool: pg.Pool, databaseUrl: string): Promise<void> {
  const ours = await pool.connect();
  try {
    const { rows } = await ours.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
    if (rows[0]?.pid === announcedBy(ours)) return;
  } finally {
    ours.release();
  }
  const open: pg.Client[] = [];
  const session = async (): Promise<Session> => {
    const client = new pg.Client({
      connectionString: databaseUrl,
      application_name: 'sluice',
      connectionTimeoutMillis: 10_000,
      query_timeout: ANSWER_MS,
    });
    client.on('error', () => {});
    open.push(client);
    await client.connect();
    return { announced: announcedBy(client), query: (text) => client.query(text) };
  };
  try {
    if (!(await keepsItsProcess(await session(), session))) throw pooled();
  } finally {
    await Promise.all(open.map((client) => client.end().catch(() => {})));
  }
}

function announcedBy(client: pg.ClientBase): number | null {
  return (client as unknown as { readonly processID: number | null }).processID;
}

/** A pooler refuses what it cannot pass on: settings sent with the connection. */
export function isPoolerRefusal(error: unknown): boolean {
  return error instanceof Error && /unsupported startup parameter/i.test(error.message);
}

export function pooled(): UserError {
  return new UserError(
    'DATABASE_URL_POOLED',
    'DATABASE_URL leads through a pooler, where advisory locks exclude nobody, LISTEN hears nothing, and settings leak to others.',
    'Give the address of PostgreSQL itself (as a rule port 5432). The addresses that apps and migrations use may be pooled.',
  );
}
