import type { AuditReport } from '../face.ts';
import type { Database } from '../postgres/database.ts';
import { chainHash, digestOf } from './hash.ts';
import { readStored } from './log.ts';

const PAGE = 1_000;

/** Walk the hash chain from the first event to the head: any event changed, removed or put in breaks it. */
export async function verifyAudit(database: Database): Promise<AuditReport> {
  let events = 0;
  let hash = '';
  let position = 0;
  for (;;) {
    const page = await readStored(database, position, PAGE);
    for (const event of page) {
      const whole = event.position === position + 1 && event.hash === chainHash(hash, event.position, digestOf(event));
      if (!whole) return { events, intact: false, brokenAt: event.position, head: hash === '' ? null : hash };
      events += 1;
      ({ position, hash } = event);
    }
    if (page.length < PAGE) break;
  }
  // The end cut off leaves an intact chain: the head still knows.
  const intact = await endsAtHead(database);
  return { events, intact, brokenAt: intact ? null : position + 1, head: hash === '' ? null : hash };
}

/** One statement, one snapshot: no append can come in between. */
async function endsAtHead(database: Database): Promise<boolean> {
  const [row] = await database.read<{ whole: boolean }>(
    `SELECT h.position = coalesce(e.position, 0) AND h.hash = coalesce(e.hash, '') AS whole
     FROM sluice.head h LEFT JOIN (SELECT position, hash FROM sluice.event ORDER BY position DESC LIMIT 1) e ON true`,
  );
  return row?.whole ?? false;
}
