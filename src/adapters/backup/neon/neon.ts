import { baseFor, type BackupRecord, type Finding } from '../../../core/backup/catalog.ts';
import { OutsideError, UserError } from '../../../core/errors.ts';
import type { Backup, Restored, RestoreRequest } from '../../../ports/backup.ts';
import { timed, withClient } from '../physical/scratch.ts';
import { newId, noCopy } from '../physical/small.ts';
import { neonApi } from './api.ts';
import { type Branch, branchesSchema, branchSchema, projectSchema, uriSchema } from './schema.ts';

export interface NeonOptions {
  readonly project: string;
  /** Id of the branch that production works on. */
  readonly branch: string;
  apiKey(): string;
  readonly database: string;
  readonly role: string;
  readonly api: string;
  /** Time between two looks at an operation, ms. */
  readonly pollMs?: number;
}

const PREFIX = 'sluice-backup-';

/**
 * Backups that Neon keeps: a branch is a copy that costs nothing until it differs, and every moment of the project's history can be
 * branched from. Transaction ids stay as they are, so event stores remain readable.
 */
export function neonBackup(options: NeonOptions): Backup {
  const { branch, database, role } = options;
  const api = neonApi({ api: options.api, project: options.project, apiKey: () => options.apiKey(), pollMs: options.pollMs ?? 1_000 });

  async function branches(search: string): Promise<Branch[]> {
    const found: Branch[] = [];
    let cursor: string | undefined;
    do {
      const page = await api.get('/branches', branchesSchema, { search, limit: '1000', ...(cursor === undefined ? {} : { cursor }) });
      found.push(...page.branches);
      cursor = page.branches.length === 0 ? undefined : page.pagination?.next;
    } while (cursor !== undefined);
    return found;
  }

  const records = async (): Promise<BackupRecord[]> =>
    (await branches(PREFIX))
      .filter(({ name }) => name.startsWith(PREFIX))
      .map(recordOf)
      .toSorted((a, b) => a.endedAt - b.endedAt);

  return {
    adapter: 'neon',
    location: `branches of Neon project ${options.project}`,
    secondLocation: null,
    capabilities: { pointInTime: true, partial: false, restoresTo: 'branch', isDatabase: true },
    async prepare() {
      await api.get(`/branches/${branch}`, branchSchema);
    },
    async take({ reason }) {
      const startedAt = Date.now();
      const id = newId(startedAt, 'F').toLowerCase();
      const made = await api.post('/branches', { branch: { parent_id: branch, name: `${PREFIX}${id}` } }, branchSchema);
      await api.settled(made.operations);
      return { ...recordOf(made.branch), startedAt, endedAt: Date.now(), reason };
    },
    async catalog() {
      const [backups, { project }] = await Promise.all([records(), api.get('', projectSchema)]);
      const now = Date.now();
      return { backups, window: { from: now - project.history_retention_seconds * 1000, to: now - 1_000 }, uncopied: [] };
    },
    async verify(id): Promise<readonly Finding[]> {
      const found = (await branches(`${PREFIX}${id}`)).find(({ name }) => name === `${PREFIX}${id}`);
      if (found?.current_state === 'ready' || found?.current_state === 'archived') return [];
      const message = found === undefined ? `branch ${PREFIX}${id} is gone` : `branch ${PREFIX}${id} is ${found.current_state}`;
      return [
        {
          code: 'BACKUP_FILE_MISSING',
          severity: 'fail',
          message,
          hint: 'Restore to a moment instead, as far as the history of the project goes, and take another backup.',
        },
      ];
    },
    async restore(request) {
      if (request.fromCopy === true) throw noCopy(options.project);
      return request.into === branch ? restoreInPlace(request) : restoreBeside(request);
    },
    async expire({ expire }) {
      const known = await branches(PREFIX);
      for (const id of expire) {
        const found = known.find(({ name }) => name === `${PREFIX}${id}`);
        if (found !== undefined) await api.remove(`/branches/${found.id}`);
      }
    },
    // Neon keeps the log itself.
    ship: async () => {},
    archiver: async () => null,
  };

  /** A branch with a computer of its own. */
  async function restoreBeside(request: RestoreRequest): Promise<Restored> {
    const timings: { part: string; ms: number }[] = [];
    const time = timed(timings);
    const known = await branches(PREFIX);
    const name = branchName(request.into);
    const parent = request.backup === null ? null : known.find((one) => one.name === `${PREFIX}${request.backup}`);
    if (parent === undefined)
      throw new UserError('BACKUP_UNKNOWN', `there is no backup ${request.backup ?? ''}`, '`sluice backup list` shows what there is.');
    // The newest there is lies on the branch itself, not in a backup of it; the backups are for when that branch is gone.
    const from =
      request.to === null && request.backup !== null && (await isReady(branch)) && request.scratch ? branch : (parent?.id ?? branch);
    const at = request.to === null ? {} : { parent_timestamp: new Date(request.to).toISOString() };
    const made = await time('branch', async () => {
      const answer = await api.post(
        '/branches',
        { branch: { parent_id: request.to === null ? from : branch, name, ...at }, endpoints: [{ type: 'read_write' }] },
        branchSchema,
      );
      await api.settled(answer.operations);
      return answer.branch;
    });
    const { uri } = await api.get('/connection_uri', uriSchema, { branch_id: made.id, database_name: database, role_name: role });
    await time('start', () => answering(uri));
    const remove = () => api.remove(`/branches/${made.id}`);
    const base = request.backup ?? baseFor(known.map(recordOf), request.to)?.id ?? branch;
    return {
      backup: base,
      location: name,
      url: uri,
      timings,
      checkPages: async () => ({ pages: 0, damaged: [] }),
      stop: async () => {},
      destroy: remove,
    };
  }

  /** The branch itself goes back; what it was is kept under another name. */
  async function restoreInPlace(request: RestoreRequest): Promise<Restored> {
    const timings: { part: string; ms: number }[] = [];
    const kept = `before-restore-${newId(Date.now(), 'F').toLowerCase()}`;
    const source = request.backup === null ? branch : (await branches(`${PREFIX}${request.backup}`))[0]?.id;
    if (source === undefined || (source === branch && request.to === null))
      throw new UserError(
        'BACKUP_UNKNOWN',
        'a branch can only be put back to a moment (--to) or to a backup (--backup)',
        '`sluice backup list` shows both.',
      );
    const at = request.to === null ? {} : { source_timestamp: new Date(request.to).toISOString() };
    await timed(timings)('branch', async () => {
      const answer = await api.post(
        `/branches/${branch}/restore`,
        { source_branch_id: source, preserve_under_name: kept, ...at },
        branchSchema,
      );
      await api.settled(answer.operations);
    });
    const { uri } = await api.get('/connection_uri', uriSchema, { branch_id: branch, database_name: database, role_name: role });
    const location = `${branch}; what it was before is kept as ${kept}`;
    return {
      backup: request.backup ?? branch,
      location,
      url: uri,
      timings,
      checkPages: async () => ({ pages: 0, damaged: [] }),
      stop: async () => {},
      destroy: async () => {},
    };
  }

  async function isReady(id: string): Promise<boolean> {
    return api.get(`/branches/${id}`, branchSchema).then(
      () => true,
      () => false,
    );
  }
}

/** A path is asked for by drills, which know folders only. */
function branchName(into: string): string {
  return into.split('/').findLast((part) => part !== '') ?? into;
}

async function answering(uri: string): Promise<void> {
  const deadline = Date.now() + 120_000;
  for (;;) {
    try {
      await withClient(uri, (client) => client.query('SELECT 1'));
      return;
    } catch (error) {
      if (Date.now() > deadline)
        throw new OutsideError(
          'RESTORE_FAILED',
          `the restored branch does not answer: ${error instanceof Error ? error.message : String(error)}`,
          'See the branch and its compute in the console of the project.',
          error,
        );
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
  }
}

function recordOf({ name, created_at: at, logical_size: bytes }: Branch): BackupRecord {
  const time = Date.parse(at);
  return {
    id: name.slice(PREFIX.length),
    kind: 'full',
    needs: [],
    startedAt: time,
    endedAt: time,
    wal: null,
    bytes: bytes ?? 0,
    storedBytes: 0,
    digest: null,
    reason: 'schedule',
    damaged: [],
  };
}
