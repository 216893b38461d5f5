import { Option } from 'commander';
import type { CoverageFinding } from '../../../core/data/projections/upcast.ts';
import { EXIT } from '../../session/exit.ts';
import { environmentOption } from '../../session/options.ts';
import { environmentOf } from '../../session/pick.ts';
import { projectionLines, projectionsOf } from './projections-view.ts';
import { command } from '../../session/session.ts';

interface Options {
  readonly env?: string;
  readonly coverage?: boolean;
}

export const dbProjections = command<Options>({
  help: 'Exit code 3 when one stands still, or when --coverage finds events that cannot be read.',
  options: [environmentOption(), new Option('--coverage', 'see whether every stored type and schema of event can be read')],
  async run(session, { options }) {
    const client = await session.client();
    const environment = await environmentOf(session, client, options.env);
    const projections = await projectionsOf(client, environment);
    const findings =
      options.coverage === true
        ? (await client.get<{ findings: CoverageFinding[] }>(`/v1/projections/${environment}/coverage`)).findings
        : [];
    const isBad = projections.some(({ phase }) => phase === 'stopped') || findings.some(({ problem }) => problem !== 'unread');
    const exit = isBad ? EXIT.failed : EXIT.ok;
    const covered =
      options.coverage === true && findings.length === 0
        ? ['Every stored event can be read.']
        : findings.map(({ problem, message }) => `${problem}: ${message}`);
    return {
      exit,
      data: { projections, findings, exitCode: exit },
      text: [...projectionLines(session, projections), ...covered].join('\n'),
    };
  },
});
