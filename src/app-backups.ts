import { access, constants } from 'node:fs/promises';
import { join } from 'node:path';
import type { Programs } from './adapters/backup/physical/programs.ts';
import { findBinaries } from './engine/postgres/binaries.ts';
import { canEnter, whoRunsPostgres } from './engine/postgres/identity.ts';
import { run } from './engine/postgres/process.ts';

/** Major version of the PostgreSQL that comes with Sluice. */
const EMBEDDED_MAJOR = 18;

/** PostgreSQL's programs on this machine: our own, Debian's, or those in a folder that the configuration names. */
export async function localPrograms(options: { readonly spare: string; readonly folder?: string }): Promise<Programs> {
  const owner = await whoRunsPostgres();
  const owned = (major: number | null) => major === null || major === EMBEDDED_MAJOR;
  return {
    owner,
    canEnter: (folder) => canEnter(folder, owner),
    run: (program, args, env) => run(program, args, owner, undefined, env),
    async find(program, major) {
      const folders = [
        ...(options.folder === undefined ? [] : [options.folder]),
        ...(major === null ? [] : [`/usr/lib/postgresql/${major}/bin`]),
        '/usr/bin',
        '/usr/local/bin',
      ];
      // Debian's wrapper in /usr/bin picks a version by itself: only for programs that have no version.
      for (const folder of major === null ? folders : folders.filter((one) => !one.startsWith('/usr/bin') && !one.startsWith('/usr/local')))
        if (await isProgram(join(folder, program))) return join(folder, program);
      if (program !== 'pg_ctl' || !owned(major)) return null;
      return findBinaries(owner, options.spare)
        .then(({ pgCtl }) => pgCtl)
        .catch(() => null);
    },
  };
}

async function isProgram(path: string): Promise<boolean> {
  return access(path, constants.X_OK).then(
    () => true,
    () => false,
  );
}
