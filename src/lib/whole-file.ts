import { renameSync, rmSync, writeFileSync } from 'node:fs';

/**
 * Replace a file so that a reader sees the old content or the new. After a crash of the machine it may be empty, or end too
 * early: only for what can be made anew, and that tells when it is not whole, as JSON does.
 */
export function writeWhole(path: string, data: string, { mode = 0o666 }: { readonly mode?: number } = {}): void {
  const temporary = `${path}.${process.pid}.${Math.random().toString(36).slice(2)}.tmp`;
  try {
    writeFileSync(temporary, data, { flag: 'wx', mode });
    renameSync(temporary, path);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
}
