import { Option } from 'commander';
import type { VerificationReport } from '../../../ports/projections.ts';
import { EXIT } from '../../session/exit.ts';
import { environmentOption } from '../../session/options.ts';
import { environmentOf } from '../../session/pick.ts';
import { command, numberOf } from '../../session/session.ts';
import { count } from '../../view/words.ts';

interface Options {
  readonly env?: string;
  readonly version?: string;
}

export const dbVerify = command<Options>({
  help: 'Both versions are brought to the same point of the log first. Exit code 3 when it is not right; it is then never switched to.',
  options: [environmentOption(), new Option('--version <number>', 'version to verify (otherwise the newest)')],
  async run(session, { args: [name = ''], options }) {
    const client = await session.client();
    const environment = await environmentOf(session, client, options.env);
    const version = options.version === undefined ? null : numberOf('--version', options.version, 1);
    const report = await client.post<VerificationReport>('/v1/projections/verify', { environment, name, version });
    const exit = report.passed ? EXIT.ok : EXIT.failed;
    return { exit, data: { ...report, exitCode: exit }, text: verificationLines(report).join('\n') };
  },
});

export function verificationLines({ passed, reasons, expected, rows, compared, against, refolded }: VerificationReport): string[] {
  const held = against === null ? 'no version before it to compare with' : `compared with version ${against} (${count(compared)} rows)`;
  const made =
    refolded === null
      ? 'none made anew: the log is too long for rows across streams'
      : `${count(refolded.rows)} made anew from ${count(refolded.events)} events`;
  return [
    `${passed ? 'Right' : 'NOT RIGHT'}: ${count(rows)} rows, ${held}, ${made}`,
    ...reasons.map((reason) => `  ${reason}`),
    ...expected.map((one) => `  as declared: ${one}`),
  ];
}
