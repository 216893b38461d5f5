import { writeFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { Option } from 'commander';
import { UserError } from '../../../core/errors.ts';
import { secretsSarif } from '../../../core/secret-scan/sarif.ts';
import { EXIT } from '../../session/exit.ts';
import { reasonOption } from '../../session/options.ts';
import { command } from '../../session/session.ts';
import { scanLines } from '../../view/scan.ts';

interface ScanOptions {
  readonly workspace?: string;
  readonly staged?: boolean;
  readonly range?: string;
  readonly force?: boolean;
  readonly ignore?: string;
  readonly reason?: string;
  readonly installHook?: boolean;
  readonly sarif?: string;
}

export const scan = command<ScanOptions>({
  help: `Without options: every file that is tracked or would be. A secret is never printed; each has a mark that it is known by.
Rules of a .gitleaks.toml count. Exit code 3 when something was found, or could not be looked at.

  $ sluice scan
  $ sluice scan --staged
  $ sluice scan --range origin/main..HEAD --sarif secrets.sarif
  $ sluice scan --ignore 3fa9c1d2 --reason "key of a public sandbox"
  $ sluice scan --install-hook`,
  options: [
    new Option('--staged', 'only new lines of what is about to be committed'),
    new Option('--range <commits>', 'only new lines of these commits: a base, or base..head'),
    new Option('--force', 'look at files again that were clean before'),
    new Option('--ignore <mark>', 'answer for a secret that was found: its mark, or the beginning of it; needs --reason'),
    reasonOption(),
    new Option('--sarif <file>', 'write what was found there, as SARIF 2.1.0'),
    new Option('--install-hook', 'have git scan before each commit'),
  ],
  async run(session, { options }) {
    const { ignoreSecrets, installHook, scanSecrets } = await import('../../../services/scan/scan.ts');
    const dir = resolve(options.workspace ?? '.');
    if (options.installHook === true) {
      const path = await installHook(dir, session.self);
      return { exit: EXIT.ok, data: { hook: path }, text: `${path} scans before each commit` };
    }
    const what =
      options.staged === true
        ? ({ kind: 'staged' } as const)
        : options.range === undefined
          ? ({ kind: 'tree' } as const)
          : ({ kind: 'range', range: options.range } as const);
    if (options.ignore !== undefined) {
      if (!/^[0-9a-f]{8,64}$/.test(options.ignore))
        throw new UserError('USAGE', '--ignore takes a mark, or at least 8 characters of it', 'sluice scan prints the marks.');
      if (options.reason === undefined)
        throw new UserError('USAGE', 'why may it be ignored?', 'Say --reason "…": it stands beside the mark.');
      const at = new Date(session.now()).toISOString().slice(0, 10);
      const count = await ignoreSecrets(dir, options.ignore, { by: session.by, reason: options.reason, at }, what);
      if (count === 0)
        throw new UserError(
          'MARK_UNKNOWN',
          `no secret with the mark ${options.ignore} was found`,
          'Say --staged or --range if it was found there.',
        );
      return { exit: EXIT.ok, data: { ignored: count }, text: `Written to .sluice-secrets: commit it` };
    }
    const result = await scanSecrets(dir, { what, force: options.force === true });
    if (options.sarif !== undefined) await writeSarif(options.sarif, secretsSarif(result, session.version));
    // A commit without new lines is no failure; a tree in which nothing was looked at is no success.
    const isGood = result.verdict === 'clean' || (result.verdict === 'nothing' && what.kind !== 'tree');
    const exit = isGood ? EXIT.ok : EXIT.failed;
    const lines = scanLines(result, what.kind);
    return { exit, data: { ...result, exitCode: exit }, text: lines.join('\n') };
  },
});

async function writeSarif(file: string, content: object): Promise<void> {
  await writeFile(file, `${JSON.stringify(content, null, 1)}\n`).catch((error: NodeJS.ErrnoException) => {
    throw new UserError('USAGE', `${file} cannot be written: ${error.message}`, 'Name a file in a folder that is there.');
  });
}
