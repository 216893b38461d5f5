import { readFile, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { UserError } from '../../core/errors.ts';

/** The user that PostgreSQL runs as; null = the one we are ourselves. */
export type RunAs = { readonly uid: number; readonly gid: number } | null;

/**
 * PostgreSQL refuses to run as root. Then it runs as `postgres`, or `nobody` where there is none.
 * @throws UserError DATABASE_NO_USER
 */
export async function whoRunsPostgres(): Promise<RunAs> {
  if (process.getuid?.() !== 0) return null;
  const passwd = await readFile('/etc/passwd', 'utf8').catch(() => '');
  for (const name of ['postgres', 'nobody']) {
    const fields = passwd
      .split('\n')
      .map((line) => line.split(':'))
      .find(([user]) => user === name);
    const uid = Number(fields?.[2]);
    const gid = Number(fields?.[3]);
    if (fields !== undefined && uid > 0 && Number.isInteger(gid)) return { uid, gid };
  }
  throw new UserError(
    'DATABASE_NO_USER',
    'Sluice runs as root, PostgreSQL may not, and there is neither a user "postgres" nor "nobody" to run it as.',
    'Run Sluice as an ordinary user, or set DATABASE_URL to a PostgreSQL server.',
  );
}

/** Whether `runAs` can enter this folder and every folder above it. */
export async function canEnter(folder: string, runAs: RunAs): Promise<boolean> {
  if (runAs === null) return true;
  for (let at = folder; ; at = dirname(at)) {
    const info = await stat(at).catch(() => null);
    if (info !== null) {
      const bit = info.uid === runAs.uid ? 0o100 : info.gid === runAs.gid ? 0o010 : 0o001;
      if ((info.mode & bit) === 0) return false;
    }
    if (dirname(at) === at) return true;
  }
}
