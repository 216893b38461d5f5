import { Option } from 'commander';
import type { LogLine } from '../../../ports/platform.ts';
import { EXIT } from '../../session/exit.ts';
import { environmentOption, timeoutOption } from '../../session/options.ts';
import { environmentOf } from '../../session/pick.ts';
import { command, numberOf, timeoutOf } from '../../session/session.ts';

interface LogsOptions {
  readonly env?: string;
  readonly follow?: boolean;
  readonly lines?: string;
  readonly versionId?: string;
  readonly timeout?: string;
}

export const logs = command<LogsOptions>({
  help: 'Lines go to stdout as they are, the version and instance before each. With --json: one object a line.\n\n  $ sluice logs web -e production -f',
  options: [
    environmentOption(),
    new Option('-f, --follow', 'go on with new lines until Ctrl-C or --timeout'),
    new Option('-n, --lines <number>', 'how many old lines (200)'),
    new Option('--version-id <id>', 'only this version'),
    timeoutOption(),
  ],
  async run(session, { args, options }) {
    const client = await session.client();
    const environment = await environmentOf(session, client, options.env);
    const timeoutMs = timeoutOf(options.timeout);
    const query = new URLSearchParams({
      environment,
      app: args[0] ?? '',
      lines: String(numberOf('--lines', options.lines, 200)),
      follow: String(options.follow === true),
    });
    if (options.versionId !== undefined) query.set('version', options.versionId);
    const stop = new AbortController();
    const dispose = session.terminal.onInterrupt(() => stop.abort());
    const timer = timeoutMs === null ? null : setTimeout(() => stop.abort(), timeoutMs);
    let count = 0;
    try {
      for await (const event of client.events(`/v1/logs?${query.toString()}`, { signal: stop.signal, resumes: false })) {
        if (event.event === 'end') break;
        count += 1;
        const line = JSON.parse(event.data) as LogLine;
        session.terminal.out(session.json ? `${JSON.stringify(line)}\n` : `${line.version}/${line.instance}  ${line.line}\n`);
      }
    } finally {
      dispose();
      if (timer !== null) clearTimeout(timer);
    }
    return { exit: EXIT.ok, data: { environment, app: args[0], lines: count }, text: '' };
  },
});
