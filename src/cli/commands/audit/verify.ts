import type { AuditReport } from '../../../engine/face.ts';
import { EXIT } from '../../session/exit.ts';
import { command } from '../../session/session.ts';
import { plural } from '../../view/words.ts';

export const auditVerify = command<object>({
  help: 'Walks the hash chain of all events. Exit code 3 when it is broken. Keep the head elsewhere to prove later\nthat nothing was cut off.',
  options: [],
  async run(session) {
    const client = await session.client();
    const report = await client.get<AuditReport>('/v1/audit/verify');
    const text = report.intact
      ? `Intact: ${plural(report.events, 'event')}, head ${report.head ?? 'none'}`
      : `BROKEN at event ${report.brokenAt}: it, or one before it, was changed or removed after it was written.`;
    return { exit: report.intact ? EXIT.ok : EXIT.failed, data: report, text };
  },
});
