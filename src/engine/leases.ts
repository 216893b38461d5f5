import type { Decision } from '../core/release/runbook/effects.ts';
import type { ReleaseState } from '../core/release/state/state.ts';
import type { Database } from './postgres/database.ts';
import type { TurnTools } from './turn.ts';

export interface Claim {
  readonly state: ReleaseState;
  readonly version: number;
  readonly decision: Decision;
  /** The token to work under; null = there is nothing to do until `wakeAt`. */
  readonly fence: number | null;
  readonly wakeAt: number | null;
}

export interface ClaimRequest {
  readonly release: string;
  readonly holder: string;
  /** Whether nothing of this release is at work here. */
  isIdle(): boolean;
}

/**
 * Look at a release and take it if there is something to do; give it back if there is not. Null when it is
 * closed or in other hands.
 */
export async function claim(database: Database, { runbook, states, now }: TurnTools, request: ClaimRequest): Promise<Claim | null> {
  const { release, holder } = request;
  return database.patientTransaction(async (sql) => {
    const found = await sql.query<{ holder: string | null; fence: number; wakeAt: number | null; woken: boolean }>(
      `SELECT holder, fence, wake_at AS "wakeAt", EXISTS (SELECT FROM sluice.wake w WHERE w.release = a.release) AS woken
       FROM sluice.active a WHERE release = $1 FOR UPDATE`,
      [release],
    );
    const lease = found.rows[0];
    if (lease !== undefined && lease.holder !== null && lease.holder !== holder) return null;
    if (lease?.woken !== false) await sql.query('DELETE FROM sluice.wake WHERE release = $1', [release]);
    if (lease === undefined) return null;
    const folded = await states.load(sql, release);
    if (folded === null) return null;
    const decision = runbook.next(folded.state, now());
    const { effects, wakeAt } = decision;
    const looked = { ...folded, decision, wakeAt };
    if (effects.length === 0) {
      if (!request.isIdle()) return { ...looked, fence: lease.holder === holder ? lease.fence : null };
      if (lease.holder !== null || lease.wakeAt !== wakeAt)
        await sql.query('UPDATE sluice.active SET holder = NULL, wake_at = $2 WHERE release = $1', [release, wakeAt]);
      return { ...looked, fence: null };
    }
    if (lease.holder === holder && !request.isIdle()) return { ...looked, fence: lease.fence };
    const taken = await sql.query<{ fence: number }>(
      `UPDATE sluice.active SET holder = $2, fence = nextval('sluice.fence'), wake_at = 0 WHERE release = $1 RETURNING fence`,
      [release, holder],
    );
    return { ...looked, fence: taken.rows[0]?.fence ?? 0 };
  });
}
