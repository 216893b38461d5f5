import { execFile } from 'node:child_process';
import { access, constants } from 'node:fs/promises';
import { delimiter, isAbsolute, join } from 'node:path';
import { promisify } from 'node:util';
import { UserError } from '../../../core/errors.ts';

const run = promisify(execFile);
/** Servers can be added while it runs, without the experimental mode, since 2.6. */
const OLDEST: readonly [number, number] = [2, 6];
/** Where packages put it; `sbin` is often not in an ordinary user's PATH. */
const USUAL_FOLDERS = ['/usr/sbin', '/usr/local/sbin', '/opt/homebrew/sbin', '/opt/homebrew/bin'];

/**
 * Path of an HAProxy that is new enough.
 * @throws UserError HAPROXY_MISSING, HAPROXY_TOO_OLD
 */
export async function haproxyBinary(wanted = 'haproxy'): Promise<string> {
  const path = await find(wanted);
  if (path === null) {
    throw new UserError(
      'HAPROXY_MISSING',
      `there is no HAProxy here (looked for ${wanted})`,
      'Install HAProxy 2.6 or newer (`apt-get install haproxy`, `brew install haproxy`), or use the embedded edge.',
    );
  }
  const { stdout } = await run(path, ['-v']);
  const [, major = '0', minor = '0'] = /version (\d+)\.(\d+)/.exec(stdout) ?? [];
  if (Number(major) < OLDEST[0] || (Number(major) === OLDEST[0] && Number(minor) < OLDEST[1])) {
    throw new UserError(
      'HAPROXY_TOO_OLD',
      `${path} is HAProxy ${major}.${minor}`,
      `Install HAProxy ${OLDEST.join('.')} or newer, or use the embedded edge.`,
    );
  }
  return path;
}

async function find(wanted: string): Promise<string | null> {
  const folders = isAbsolute(wanted) ? [''] : [...(process.env['PATH'] ?? '').split(delimiter), ...USUAL_FOLDERS];
  for (const folder of folders) {
    const path = folder === '' ? wanted : join(folder, wanted);
    if (isAbsolute(path) && (await isProgram(path))) return path;
  }
  return null;
}

function isProgram(path: string): Promise<boolean> {
  return access(path, constants.X_OK).then(
    () => true,
    () => false,
  );
}
