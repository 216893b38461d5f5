import type { ChecklistLine } from '../../../core/release/state/checklist-line.ts';
import { EXIT } from '../../session/exit.ts';
import { command } from '../../session/session.ts';
import { table } from '../../view/words.ts';

const SIGNS: Readonly<Record<ChecklistLine['result'], string>> = { done: '✓', failed: '✗', open: '…', notApplicable: '-' };

export const checklist = command<object>({
  help: 'Each line has its proof, or the reason why it does not apply. The list is recorded when the release ends.\nExit 3 when a line has failed.',
  options: [],
  async run(session, { args }) {
    const client = await session.client();
    const { release, lines } = await client.get<{ release: string; lines: ChecklistLine[] }>(
      `/v1/releases/${encodeURIComponent(args[0] ?? '')}/checklist`,
    );
    const exit = lines.some(({ result }) => result === 'failed') ? EXIT.failed : EXIT.ok;
    return { exit, data: { release, lines, exitCode: exit }, text: checklistText(lines).join('\n') };
  },
});

export function checklistText(lines: readonly ChecklistLine[]): string[] {
  return table(
    lines.map(({ item, result, text, proof }) => {
      const said = result === 'notApplicable' ? `not applicable because ${text}` : text;
      return [SIGNS[result], item, proof === null ? said : `${said} [${proof}]`];
    }),
  );
}
