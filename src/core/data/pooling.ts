/** A connection, as far as it takes to see what is at its other end. */
export interface Session {
  /** Number of the server process as it was told on connecting; null = not told. */
  readonly announced: number | null;
  /** Rejects when the answer takes too long. */
  query(text: string): Promise<{ readonly rows: readonly { readonly pid?: number }[] }>;
}

const PID = 'SELECT pg_backend_pid() AS pid';

/**
 * Whether a connection keeps its server process from one transaction to the next. Through a pooler in transaction mode it does not:
 * advisory locks then exclude nobody, LISTEN hears nothing, and settings leak to other clients.
 *
 * A process number other than the announced one says only that something lies between: poolers in session mode and gateways of hosters
 * do that too, and are as good as direct. So then a second connection holds a transaction open, and the first is asked again.
 */
export async function keepsItsProcess(first: Session, openSecond: () => Promise<Session>): Promise<boolean> {
  const pid = async (session: Session) => (await session.query(PID)).rows[0]?.pid ?? null;
  const before = await pid(first);
  if (before === null || before === first.announced) return true;
  const second = await openSecond();
  await second.query('BEGIN');
  const other = await pid(second);
  // With a single process for all, the answer never comes.
  const after = await pid(first).catch(() => null);
  await second.query('ROLLBACK').catch(() => {});
  return other !== before && after === before;
}
