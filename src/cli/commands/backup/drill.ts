import { Option } from 'commander';
import type { Finding } from '../../../core/backup/catalog.ts';
import { type Evidence, span } from '../../../core/backup/drill.ts';
import { findingLines, perform, second, size } from './client.ts';
import { EXIT } from '../../session/exit.ts';
import { command, numberOf } from '../../session/session.ts';

interface Result {
  readonly source: string;
  readonly objectives: { readonly rtoMs: number; readonly rpoMs: number };
  readonly evidence: Evidence;
  readonly verdict: { readonly passed: boolean; readonly findings: readonly Finding[] };
}

export const drill = command<{ readonly seed?: string }>({
  help: 'Restores the newest backup with all of its log, and one to a random moment; compares files, pages, rows, the event store and\nthe migration version; and keeps what it found in the audit log. Exit code 3 when it fails. Production is only read.',
  options: [new Option('--seed <number>', 'the random moment of an earlier drill, once more')],
  async run(session, { args, options }) {
    const result = await perform<Result>(session, 'drill', {
      by: session.by,
      ...(args[0] === undefined ? {} : { source: args[0] }),
      ...(options.seed === undefined ? {} : { seed: numberOf('--seed', options.seed, 1) }),
    });
    const { evidence, verdict, objectives } = result;
    const against = (ms: number | null, objective: number) => `${ms === null ? 'not reached' : span(ms)} (objective ${span(objective)})`;
    const lines = [
      `${result.source}: drill ${verdict.passed ? session.terminal.colour('green', 'passed') : session.terminal.colour('red', 'FAILED')}, ${evidence.drill}`,
      `  recovery time   ${against(evidence.rtoMs, objectives.rtoMs)}`,
      `  recovery point  ${against(evidence.rpoMs, objectives.rpoMs)}`,
      `  from ${evidence.backup}, ${size(evidence.bytes)}: ${evidence.timings.map(({ part, ms }) => `${part} ${span(ms)}`).join(', ')}`,
      ...(evidence.target === null ? [] : [`  random moment ${second(evidence.target.at)} (--seed ${evidence.target.seed})`]),
      ...evidence.compared.map((line) => `  compared: ${line}`),
      ...findingLines(session, verdict.findings),
    ];
    const exit = verdict.passed ? EXIT.ok : EXIT.failed;
    return { exit, data: { ...result, exitCode: exit }, text: lines.join('\n') };
  },
});
