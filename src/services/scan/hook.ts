import { chmod, mkdir, readFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { UserError } from '../../core/errors.ts';
import { writeAtomic } from '../../lib/atomic-file.ts';
import { git } from './git.ts';

const MARK = '# Written by sluice scan --install-hook';

/**
 * Has git scan what is about to be committed. A hook of somebody else stays as it is.
 * @throws UserError `HOOK_EXISTS`, `SCAN_GIT_FAILED`.
 */
export async function installHook(dir: string, self: readonly string[]): Promise<string> {
  const path = resolve(dir, (await git(dir, ['rev-parse', '--git-path', 'hooks/pre-commit'])).toString('utf8').trim());
  const before = await readFile(path, 'utf8').catch(() => null);
  const line = `${self.map(quoted).join(' ')} scan --staged --no-input`;
  if (before !== null && !before.includes(MARK))
    throw new UserError('HOOK_EXISTS', `${path} is somebody else's hook`, `Add this line to it: sluice scan --staged --no-input || exit 1`);
  await mkdir(dirname(path), { recursive: true });
  await writeAtomic(path, `#!/bin/sh\n${MARK}\nexec ${line}\n`, { mode: 0o755 });
  await chmod(path, 0o755);
  return path;
}

function quoted(word: string): string {
  return `'${word.replaceAll("'", String.raw`'\''`)}'`;
}
