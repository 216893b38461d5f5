import pg from 'pg';
import { keepsItsProcess, type Session } from '../core/data/pooling.ts';
import { UserError } from '../core/errors.ts';

/** Longest wait for an answer before it is taken that a pooler has no process to spare, ms. */
const ANSWER_MS = 5_000;

/**
 * That an address leads to PostgreSQL itself, or to something as good. Errors of connecting are left to the next connection.
 * @param why what does not work through a pooler
 * @throws UserError DATABASE_URL_POOLED
 */
export async function requireDirect(url: string, name: string, why: string): Promise<void> {
  const open: pg.Client[] = [];
  const session = async (): Promise<Session> => {
    const client = new pg.Client({
      connectionString: url,
      application_name: name,
      connectionTimeoutMillis: 10_000,
      query_timeout: ANSWER_MS,
    });
    client.on('error', () => {});
    open.push(client);
    await client.connect();
    const { processID } = client as unknown as { readonly processID: number | null };
    return { announced: processID, query: (text) => client.query(text) };
  };
  try {
    if (await keepsItsProcess(await session(), session)) return;
  } finally {
    await Promise.all(open.map((client) => client.end().catch(() => {})));
  }
  throw new UserError(
    'DATABASE_URL_POOLED',
    `the address of the database leads through a pooler, and ${why}`,
    'Give the address of PostgreSQL itself (as a rule port 5432). Apps may go on using the pooler.',
  );
}
