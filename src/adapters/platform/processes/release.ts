import { randomUUID } from 'node:crypto';
import { constants } from 'node:fs';
import { access, chmod, copyFile, mkdir, readdir, readFile, readlink, rename, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { delimiter, isAbsolute, join, resolve } from 'node:path';
import { UserError } from '../../../core/errors.ts';
import { diskError, readJson } from '../../../lib/atomic-file.ts';
import { startTimeOf } from '../../../lib/process-identity.ts';
import type { VersionPaths } from '../../../supervisor/paths.ts';

interface Made {
  readonly artifact: string;
  /** A machine that lost power may have lost what it had not written to the disk yet: then it is made again. */
  readonly boot: string;
}

const COPIES_AT_ONCE = 16;

/** Whether the version's own copy of its artifact is there and complete. */
export async function isReleaseMade(paths: VersionPaths, artifact: string): Promise<boolean> {
  const made = await readJson<Partial<Made>>(join(paths.release, 'made.json'));
  return made !== null && made.artifact === artifact && made.boot === (await currentBoot());
}

/**
 * Give the version its own copy of the artifact (sharing blocks where the file system can): what an app does in
 * its working folder never reaches the artifact store, and its files are read-only as far as modes go.
 * Folders stay writable, for apps that keep caches beside their code.
 * @throws OutsideError DISK_FULL with nothing half-made in place.
 */
export async function makeRelease(paths: VersionPaths, artifact: string, source: string, wrote: (what: string) => void): Promise<void> {
  const temporary = join(paths.folder, `.release.${randomUUID()}`);
  try {
    await mkdir(temporary, { recursive: true, mode: 0o700 });
    wrote('release folder');
    await copyTree(source, join(temporary, 'files'));
    const made: Made = { artifact, boot: await currentBoot() };
    await writeFile(join(temporary, 'made.json'), JSON.stringify(made), { mode: 0o600 });
    wrote('release copy');
    await moveIntoPlace(paths, temporary, artifact);
    wrote('release');
  } catch (error) {
    throw diskError(error, paths.release);
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
}

async function moveIntoPlace(paths: VersionPaths, temporary: string, artifact: string): Promise<void> {
  for (;;) {
    try {
      return await rename(temporary, paths.release);
    } catch (error) {
      if (!isExists(error)) throw error;
    }
    // Another control plane was quicker, or an old one is in the way.
    if (await isReleaseMade(paths, artifact)) return;
    const old = join(paths.folder, `.release.${randomUUID()}`);
    await rename(paths.release, old);
    await rm(old, { recursive: true, force: true });
  }
}

async function copyTree(from: string, to: string): Promise<void> {
  const files: [string, string][] = [];
  const folders: [string, string][] = [[from, to]];
  for (let next = folders.pop(); next !== undefined; next = folders.pop()) {
    const [source, target] = next;
    await mkdir(target, { mode: 0o755 });
    for (const entry of await readdir(source, { withFileTypes: true })) {
      const pair: [string, string] = [join(source, entry.name), join(target, entry.name)];
      if (entry.isDirectory()) folders.push(pair);
      else if (entry.isSymbolicLink()) await symlink(await readlink(pair[0]), pair[1]);
      else if (entry.isFile()) files.push(pair);
    }
  }
  const copyNext = async (): Promise<void> => {
    for (let pair = files.pop(); pair !== undefined; pair = files.pop()) await copyReadOnly(...pair);
  };
  await Promise.all(Array.from({ length: COPIES_AT_ONCE }, copyNext));
}

async function copyReadOnly(from: string, to: string): Promise<void> {
  await copyFile(from, to, constants.COPYFILE_FICLONE);
  await chmod(to, (await stat(from)).mode & 0o555);
}

/**
 * Absolute path of the program of a command: a path is looked up from the release, a bare name in PATH.
 * @throws UserError COMMAND_NOT_FOUND
 */
export async function findProgram(command: readonly string[], folder: string, env: Readonly<Record<string, string>>): Promise<string> {
  const [name = ''] = command;
  const search = (env['PATH'] ?? '').split(delimiter).filter((part) => part !== '');
  const candidates =
    name === '' ? [] : name.includes('/') || isAbsolute(name) ? [resolve(folder, name)] : search.map((part) => resolve(folder, part, name));
  for (const candidate of candidates) if (await isProgram(candidate)) return candidate;
  const where = name.includes('/') ? 'in the built artifact, or it cannot be executed' : 'in PATH';
  throw new UserError(
    'COMMAND_NOT_FOUND',
    `the command ${JSON.stringify(name)} is not found ${where}`,
    'Check `run.command`: a path is relative to the artifact, a bare name must be installed on this machine. No shell reads it.',
  );
}

async function isProgram(path: string): Promise<boolean> {
  try {
    await access(path, constants.X_OK);
    return (await stat(path)).isFile();
  } catch {
    return false;
  }
}

function isExists(error: unknown): boolean {
  return error instanceof Error && 'code' in error && (error.code === 'ENOTEMPTY' || error.code === 'EEXIST');
}

async function currentBoot(): Promise<string> {
  try {
    return (await readFile('/proc/sys/kernel/random/boot_id', 'utf8')).trim();
  } catch {
    return (await startTimeOf(1)) ?? 'boot';
  }
}
