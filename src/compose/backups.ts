import { createHash } from 'node:crypto';
import { access, constants, readdir, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { backupAdapter, backupStore } from '../adapters/backup/index.ts';
import { createKeeper, type Keeper } from '../adapters/backup/keeper.ts';
import { type Journal } from '../adapters/backup/keeper-options.ts';
import type { Programs } from '../adapters/backup/physical/programs.ts';
import { privateFolder } from '../lib/own-folder.ts';
import { createSecrets } from '../services/secrets/secrets.ts';
import { type BackupConfig } from '../config/schema/backup.ts';
import { backupSources, OWN_EVENTS, policyOf } from '../config/resolve/backup.ts';
import { loadConfig } from '../config/load/load.ts';
import type { Planner } from '../services/planning/planner.ts';
import type { Config } from '../config/schema/workspace.ts';
import { runbook, usualOrder } from '../core/backup/runbook.ts';
import { UserError } from '../core/errors.ts';
import type { BackupStage } from '../engine/perform/index.ts';
import { findBinaries } from '../engine/postgres/binaries.ts';
import { canEnter, whoRunsPostgres } from '../engine/postgres/identity.ts';
import { run } from '../engine/postgres/process.ts';
import type { BackupsFace } from '../server/routes/backups.ts';

/** Major version of the PostgreSQL that comes with Sluice. */
const EMBEDDED_MAJOR = 18;
const ROUND_MS = 15_000;

export interface BackupsOptions {
  readonly workspace: string;
  /** The control plane's own database; null when it is lost, and only stores are looked at. */
  readonly database: { readonly url: string; readonly embedded: EmbeddedServer | null } | null;
  readonly journal: Journal;
  readonly planner: Pick<Planner, 'environments' | 'environment'> | null;
  /** Whether it is for this control plane to keep the schedule; left out: it is the only one. */
  isFirst?(): Promise<boolean>;
  warn(message: string): void;
  /** Values that must never leave. */
  /** The configuration as it stands now. */
  config(): Promise<Config>;
  /** Value of a variable; undefined: it is nowhere set. */
  value(name: string): string | undefined;
}

interface EmbeddedServer {
  readonly dataDirectory: string;
  stop(): Promise<void>;
  revive(): Promise<void>;
}

export interface Backups extends BackupsFace {
  readonly stage: BackupStage;
  /** Look after the schedule until stopped. */
  start(): { stop(): Promise<void> };
}

/** Backups of a workspace: its configuration, the adapters that it names, and what looks after them. */
export function createBackups(options: BackupsOptions): Backups {
  const { workspace } = options;
  const keepers = keptKeepers(options);

  async function keeperOf(source: string | null): Promise<Keeper> {
    const all = await keepers();
    const found = source === null && all.length === 1 ? all[0] : all.find((one) => one.source === source);
    if (found !== undefined) return found;
    throw new UserError(
      'BACKUP_SOURCE_UNKNOWN',
      source === null ? 'there are several sources' : `nothing called "${source}" is backed up`,
      `Name one: ${all.map((one) => one.source).join(', ')}.`,
    );
  }

  return {
    overview: async () => Promise.all((await keepers()).map(async (keeper) => describe(await keeper.overview()))),
    async take(source, { by, say }, signal) {
      const keeper = await keeperOf(source);
      return { source: keeper.source, ...(await keeper.take(`by ${by}`, signal, { say })) };
    },
    async verify(source, { backup }, signal) {
      const keeper = await keeperOf(source);
      return { source: keeper.source, ...(await keeper.verify(backup, signal)) };
    },
    async drill(source, { by, seed, say }, signal) {
      const keeper = await keeperOf(source);
      return { source: keeper.source, objectives: keeper.options.policy.objectives, ...(await keeper.drill(by, signal, { seed, say })) };
    },
    async restore(source, request, signal) {
      const keeper = await keeperOf(source);
      const into = keeper.options.backup.capabilities.restoresTo === 'branch' ? request.into : resolve(workspace, request.into);
      const restored = await keeper.restore({ ...request, into }, signal);
      await restored.stop();
      const { backup, location, timings } = restored;
      return { source: keeper.source, backup, location, timings };
    },
    async runbook() {
      const all = await keepers();
      const { sources } = await configured(options.config);
      const facts = all.map(async (keeper) => {
        const seen = await keeper.overview();
        const { capabilities } = keeper.options.backup;
        const config = sources[keeper.source];
        const usual = usualOrder({ hasEvents: keeper.options.eventStore !== null, isDatabase: capabilities.isDatabase });
        return {
          name: keeper.source,
          adapter: seen.adapter,
          isOwn: keeper.options.isOwn === true,
          restoresTo: capabilities.restoresTo,
          pointInTime: capabilities.pointInTime,
          order: config?.restoreOrder ?? usual,
          location: keeper.options.backup.location,
          second: keeper.options.backup.secondLocation,
          policy: seen.policy,
          catalog: seen.catalog,
          alarms: seen.alarms,
          drill: seen.state.drill,
        };
      });
      return runbook({
        workspace,
        sources: await Promise.all(facts),
        environments: await environmentsOf(options.planner),
        madeAt: Date.now(),
      });
    },
    stage: {
      async restorePoints({ release }, { databases }, signal) {
        const made = databases.map(async (database) => {
          const keeper = await keeperOf(database);
          const { at, backup } = await keeper.restorePoint(`release ${release}`, signal);
          return { database, id: backup, at };
        });
        return Promise.all(made);
      },
    },
    start: () => startRounds(keepers, options),
  };
}

/** Events of a stream of ours, which only we write. */
export function backupEvents(
  entries: readonly { readonly at: number; readonly data: { readonly type: string } }[],
): Awaited<ReturnType<Journal['read']>> {
  return entries as Awaited<ReturnType<Journal['read']>>;
}

/**
 * A restore without a control plane: for when its own database is what was lost. Nothing of it is recorded.
 * @throws as `Backups.restore`
 */
export async function restoreOffline(
  where: { readonly workspace: string; readonly source: string | null; say(message: string): void },
  request: {
    readonly to: number | null;
    readonly backup: string | null;
    readonly into: string;
    readonly by: string;
    readonly fromCopy: boolean;
  },
): Promise<object> {
  const backups = createBackups({
    workspace: where.workspace,
    database: null,
    planner: null,
    journal: { append: async () => {}, read: async () => [] },
    warn: where.say,
    config: () => loadConfig(where.workspace),
    value: (name) => createSecrets({ workspace: where.workspace, own: process.env, ownFirst: true }).value(name, null),
  });
  return backups.restore(where.source, { ...request, say: stepsOnly(where.say) }, new AbortController().signal);
}

/** Not a line for every percent. */
function stepsOnly(say: (message: string) => void): (text: string) => void {
  let last = '';
  return (text) => {
    const step = text.replace(/\d+ %.*$/, '');
    if (step !== last) say(text);
    last = step;
  };
}

function describe({ state, ...rest }: Awaited<ReturnType<Keeper['overview']>>): object {
  const { drill, failures, verified, restorePoints } = state;
  return { ...rest, drill, failures, verified: [...verified], restorePoints };
}

async function environmentsOf(planner: BackupsOptions['planner']): Promise<{ name: string; apps: string[] }[]> {
  if (planner === null) return [];
  const names = await planner.environments().catch(() => []);
  return Promise.all(names.map(async (name) => ({ name, apps: (await planner.environment(name)).apps.map(({ app }) => app) })));
}

/** Every few seconds. What takes hours at one source keeps neither its heartbeats waiting nor any other source. */
function startRounds(
  keepers: () => Promise<readonly Keeper[]>,
  { warn, isFirst = async () => true }: Pick<BackupsOptions, 'warn' | 'isFirst'>,
): { stop(): Promise<void> } {
  const stopping = new AbortController();
  const { signal } = stopping;
  const busy = new Map<Keeper, Promise<unknown>>();
  const look = async (): Promise<void> => {
    // Two that fetch the same log and take the same backup would be in each other's way.
    if (!(await isFirst())) return;
    const all = await keepers();
    const held = all.filter((keeper) => busy.has(keeper));
    for (const keeper of all.filter((one) => !busy.has(one))) {
      const ticking = keeper.tick(Date.now(), signal).catch((error: unknown) => warn(`backups of ${keeper.source}: ${String(error)}`));
      busy.set(
        keeper,
        ticking.finally(() => busy.delete(keeper)),
      );
    }
    await Promise.all(held.map((keeper) => keeper.pulse(Date.now(), signal)));
  };
  const rounds = async (): Promise<void> => {
    while (!signal.aborted) {
      await look().catch((error: unknown) => {
        if (!signal.aborted) warn(`backups could not be looked after: ${error instanceof Error ? error.message : String(error)}`);
      });
      await sleep(ROUND_MS, undefined, { signal }).catch(() => {});
    }
    await Promise.all(busy.values());
  };
  const running = rounds();
  return {
    async stop() {
      stopping.abort();
      await running;
    },
  };
}

async function configured(read: () => Promise<Config>): Promise<ReturnType<typeof backupSources>> {
  const config = await read().catch((error: unknown) => {
    if (error instanceof UserError && error.code === 'CONFIG_NOT_FOUND') return null;
    throw error;
  });
  return backupSources(config);
}

/** The keepers of the configuration as it is now; made anew when its file changes, the same ones otherwise: each does one thing at a time. */
function keptKeepers(options: BackupsOptions): () => Promise<readonly Keeper[]> {
  let made: { readonly stamp: string; readonly keepers: Promise<readonly Keeper[]> } | null = null;
  return async () => {
    const stamp = await stampOf(options.workspace);
    if (made === null || made.stamp !== stamp) {
      const keepers = makeKeepers(options);
      made = { stamp, keepers };
      // What was wrong with the configuration may be right the next time.
      keepers.catch(() => (made = null));
    }
    return made.keepers;
  };
}

async function stampOf(workspace: string): Promise<string> {
  const names = (await readdir(workspace).catch(() => [])).filter((name) => name.startsWith('sluice.config.'));
  const stamps = await Promise.all(
    names.map(async (name) => `${name} ${(await stat(join(workspace, name)).catch(() => null))?.mtimeMs ?? 0}`),
  );
  return stamps.join('\n');
}

async function makeKeepers(options: BackupsOptions): Promise<readonly Keeper[]> {
  const { sources, isScheduled } = await configured(options.config);
  return Promise.all(Object.entries(sources).map(([source, config]) => makeKeeper(source, config, isScheduled, options)));
}

async function makeKeeper(source: string, config: BackupConfig, isScheduled: boolean, options: BackupsOptions): Promise<Keeper> {
  const { workspace, database } = options;
  const spare = database?.embedded === null || database === null ? join(workspace, '.sluice') : dirname(database.embedded.dataDirectory);
  const programs = await localPrograms({
    spare,
    ...('programs' in config && config.programs !== undefined ? { folder: config.programs } : {}),
  });
  const secret = (name: string): string => {
    const value = options.value(name);
    if (value === undefined || value === '')
      throw new UserError(
        'BACKUP_VARIABLE_MISSING',
        `the variable ${name} is not set, and backups of ${source} need it`,
        `Put it into .env, or set ${name} where the control plane is started.`,
      );
    return value;
  };
  const named = 'database' in config ? config.database : undefined;
  const isOwn = config.adapter === 'embedded' || (config.adapter !== 'file' && config.adapter !== 'neon' && named === undefined);
  const url = urlOf(named === undefined ? null : () => secret(named.fromEnv), isOwn, database?.url ?? null);
  const policy = policyOf(config);
  const scratch = config.scratch === undefined ? scratchFor(programs, spare, workspace) : resolve(workspace, config.scratch);
  const storeOf = (what: Parameters<typeof backupStore>[0] | undefined) =>
    what === undefined ? null : backupStore(what, { workspace, secret });
  return createKeeper({
    source,
    backup: backupAdapter(config, {
      source,
      url,
      embedded: database?.embedded ?? null,
      store: storeOf('to' in config && config.to !== undefined ? config.to : join('.sluice', 'backups')),
      second: storeOf('copyTo' in config ? config.copyTo : undefined),
      programs,
      spool: spoolFor(scratch, workspace, source),
      workspace,
      secret,
    }),
    policy,
    journal: options.journal,
    url: config.adapter === 'file' ? null : url,
    eventStore: ('events' in config ? config.events : undefined) ?? (isOwn ? OWN_EVENTS : null),
    scratch,
    isScheduled,
    isOwn,
    warn: options.warn,
  });
}

function urlOf(named: (() => string) | null, isOwn: boolean, own: string | null): () => Promise<string> {
  return async () => {
    if (named !== null) return named();
    if (isOwn && own !== null) return own;
    throw new UserError(
      'BACKUP_NO_DATABASE',
      'the database cannot be asked from here',
      'Name it as `database: { fromEnv: "…" }`, and run this where the control plane runs.',
    );
  };
}

/** Where PostgreSQL's own user gets in. */
function scratchFor(programs: Programs, spare: string, workspace: string): string {
  if (programs.owner === null) return join(workspace, '.sluice', 'scratch');
  return spare.startsWith(workspace) ? join(privateFolder(join(tmpdir(), 'sluice-scratch'), 0o711), 'copies') : join(spare, 'scratch');
}

/** Of this source of this workspace alone: two that are shipped from one folder would be one heap of both logs. */
export function spoolFor(scratch: string, workspace: string, source: string): string {
  const own = createHash('sha256').update(workspace).digest('hex').slice(0, 12);
  return join(scratch, '..', 'spool', own, source);
}

/** PostgreSQL's programs on this machine: those in a folder that the configuration names, Debian's, or our own. */
export async function localPrograms(options: { readonly spare: string; readonly folder?: string }): Promise<Programs> {
  const owner = await whoRunsPostgres();
  return {
    owner,
    canEnter: (folder) => canEnter(folder, owner),
    run: (program, args, env) => run(program, args, owner, undefined, env),
    async find(program, major) {
      // Debian's wrappers in /usr/bin pick a version by themselves: only for programs that have none.
      const usual = major === null ? ['/usr/bin', '/usr/local/bin'] : [`/usr/lib/postgresql/${major}/bin`, `/usr/pgsql-${major}/bin`];
      for (const folder of [...(options.folder === undefined ? [] : [options.folder]), ...usual])
        if (await isProgram(join(folder, program))) return join(folder, program);
      if (program !== 'pg_ctl' || major !== EMBEDDED_MAJOR) return null;
      return findBinaries(owner, options.spare).then(
        ({ pgCtl }) => pgCtl,
        () => null,
      );
    },
  };
}

async function isProgram(path: string): Promise<boolean> {
  return access(path, constants.X_OK).then(
    () => true,
    () => false,
  );
}
