import type pg from 'pg';
import type { Limits } from './limits.ts';

/**
 * The limits of the runner, for the transaction that is open. Said anew after every statement of a file, because a file may set
 * them to something else; the plan says them on the clone in the same places.
 */
export function limitsInSql({ lockTimeoutMs, statementTimeoutMs }: Pick<Limits, 'lockTimeoutMs' | 'statementTimeoutMs'>): string {
  return `SET LOCAL lock_timeout = ${lockTimeoutMs}; SET LOCAL statement_timeout = ${statementTimeoutMs}; SET LOCAL idle_in_transaction_session_timeout = 60000; SET LOCAL client_encoding = 'UTF8'`;
}

/** Back to the role and the settings that the session began with, in a transaction or outside one: what follows is the runner's own. */
export async function ownAgain(client: pg.Client, limits: string): Promise<void> {
  await client.query(`RESET SESSION AUTHORIZATION; RESET ROLE; RESET ALL; ${limits}`);
}

/**
 * As a new session has it: every file begins so. Nothing that one set, prepared or locked reaches the next: settings, role,
 * temporary tables, prepared statements, advisory locks.
 */
export async function freshSession(client: pg.Client): Promise<void> {
  await client.query('DISCARD ALL');
}

/** One statement of a file, and the runner's limits again. */
export async function runStatement(client: pg.Client, sql: string, limits: string): Promise<void> {
  await client.query(`${sql}\n;${limits}`);
}
