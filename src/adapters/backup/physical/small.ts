import { randomBytes } from 'node:crypto';
import type { Finding, FindingCode } from '../../../core/backup/catalog.ts';
import { SluiceError, UserError } from '../../../core/errors.ts';
import type { BackupStore } from '../../../ports/backup.ts';

/** `20261121-031500F-a1b2`: sorts by time, says the kind, and two at once differ. */
export function newId(now: number, kind: 'F' | 'D' | 'I'): string {
  const digits = new Date(now).toISOString().replaceAll(/\D/g, '');
  return `${digits.slice(0, 8)}-${digits.slice(8, 14)}${kind}-${randomBytes(2).toString('hex')}`;
}

export async function readText(store: BackupStore, key: string): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of await store.get(key)) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString('utf8');
}

/** `41 % of 2.2 GB` */
export function share(done: number, total: number): string {
  const percent = total === 0 ? 100 : Math.min(100, Math.floor((100 * done) / total));
  return `${percent} % of ${total >= 1e9 ? `${(total / 1e9).toFixed(1)} GB` : `${Math.ceil(total / 1e6)} MB`}`;
}

export function noCopy(source: string): UserError {
  return new UserError(
    'BACKUP_NO_COPY',
    `the backups of ${source} have no second location that could be read`,
    'Give it a `copyTo` in the configuration; pgBackRest and Neon keep their copies themselves.',
  );
}

const KNOWN: ReadonlySet<string> = new Set<FindingCode>([
  'BACKUP_TAMPERED',
  'BACKUP_FILE_MISSING',
  'BACKUP_MANIFEST_CHANGED',
  'WAL_SEGMENT_MISSING',
  'WAL_SEGMENT_TAMPERED',
  'ARCHIVER_OFF',
  'ARCHIVER_FAILING',
  'ARCHIVER_STOPPED',
  'RESTORE_FAILED',
]);

/** An error as a defect with its own name, or as a restore that failed. */
export function findingOf(error: unknown): Finding {
  const known = error instanceof SluiceError ? error : null;
  const code = known !== null && KNOWN.has(known.code) ? (known.code as FindingCode) : 'RESTORE_FAILED';
  const message = error instanceof Error ? error.message : String(error);
  return {
    code,
    severity: 'fail',
    message: known !== null && code === 'RESTORE_FAILED' && known.code !== code ? `${message} (${known.code})` : message,
    hint: known?.hint ?? 'See the log of the control plane.',
  };
}
