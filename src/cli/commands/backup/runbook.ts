import { EXIT } from '../../session/exit.ts';
import { command } from '../../session/session.ts';

export const backupRunbook = command<object>({
  help: 'Markdown, made from the real configuration and the last drills. Keep a copy where the incident cannot reach it.',
  options: [],
  async run(session) {
    const client = await session.client();
    const data = await client.get<{ markdown: string }>('/v1/backups/runbook');
    return { exit: EXIT.ok, data, text: data.markdown.trimEnd() };
  },
});
