import type { BackupRecord } from '../../../core/backup/catalog.ts';
import type { BackupStore } from '../../../ports/backup.ts';

/** Bring to the second location what it does not have. Manifests last. */
export async function copyMissing(from: BackupStore, to: BackupStore, prefix: string, signal: AbortSignal): Promise<void> {
  const [there, here] = await Promise.all([to.list(prefix), from.list(prefix)]);
  const known = new Set(there.map(({ key, bytes }) => `${key} ${bytes}`));
  const isManifest = (key: string) => Number(key.endsWith('/manifest.json'));
  for (const { key, bytes } of here.toSorted((a, b) => isManifest(a.key) - isManifest(b.key))) {
    signal.throwIfAborted();
    if (!known.has(`${key} ${bytes}`)) await to.put(key, await from.get(key));
  }
}

export async function uncopiedOf(backups: readonly BackupRecord[], second: BackupStore, prefix: string): Promise<string[]> {
  const there = await second.list(`${prefix}backups/`).catch(() => []);
  const keys = new Set(there.map(({ key }) => key));
  return backups.map(({ id }) => id).filter((id) => !keys.has(`${prefix}backups/${id}/manifest.json`));
}
