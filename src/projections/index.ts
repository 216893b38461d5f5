import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { UserError } from '../core/errors.ts';
import { progressOf, type BuildProgress } from '../core/data/projections/progress.ts';
import type { CoverageFinding } from '../core/data/projections/upcast.ts';
import type { Projections, ProjectionStatus, ProjectionVersion, SwitchedReport, VerificationReport } from '../ports/projections.ts';
import { bundle, type Code } from './code.ts';
import { type Keeper, keepWorker, runJob } from './jobs.ts';
import { type Build, readBuilds, readCheckpoints, readLive, SCHEMA } from './builds.ts';
import { type Operations, openOperations } from './operations.ts';
import type { StoreConfig } from './stores.ts';

/** One database with events, in one environment. */
export interface Source {
  readonly name: string;
  /** Null: the variable that should hold it is not set. */
  readonly url: string | null;
  readonly variable: string;
  readonly modules: readonly string[];
  readonly events: StoreConfig;
  readonly readModels: string;
  readonly shards: number;
  readonly keepOldMs: number;
}

export interface ProjectionsOptions {
  /** Root of the workspace. */
  readonly dir: string;
  readonly sources: (environment: string) => Promise<readonly Source[]>;
  /** Write the workspace as a commit has it into an empty folder. */
  readonly checkout: (commit: string, into: string) => Promise<void>;
  readonly now: () => number;
  readonly warn: (message: string) => void;
}

/** The port, and what a release asks beyond it. */
export interface PostgresProjections extends Projections {
  /** Modules of a commit whose version readers do not have yet. */
  pending(sources: readonly Source[], commit: string): Promise<readonly ProjectionVersion[]>;
  /** Begin to build a version as a commit has it. */
  begin(environment: string, commit: string, name: string): Promise<ProjectionVersion>;
  /** Where one version stands; null when there is none. */
  status(environment: string, id: ProjectionVersion): Promise<ProjectionStatus | null>;
  /** Remove a version; switch back first when readers use it and there is one before. */
  withdraw(environment: string, id: ProjectionVersion): Promise<void>;
  /** Keep workers where something was built before. */
  adopt(environments: readonly string[]): Promise<void>;
  close(): Promise<void>;
}

interface Module {
  readonly source: Source;
  readonly code: Code;
  readonly name: string;
  readonly version: number;
}

/** Read models on PostgreSQL. */
export function postgresProjections(options: ProjectionsOptions): PostgresProjections {
  const { dir, warn } = options;
  const keepers = new Map<string, Keeper>();
  const opened = new Map<string, Promise<Operations>>();
  const looks = new Map<string, { readonly events: number; readonly share: number; readonly at: number }>();
  const inspected = new Map<string, Promise<ProjectionVersion>>();
  const versions = new Map<string, Promise<readonly ProjectionVersion[]>>();
  const closing = new AbortController();

  const placeOf = (source: Source) => ({ url: urlOf(source), schema: source.readModels, store: source.events });
  const job = <T>(source: Source, work: Parameters<typeof runJob>[1]): Promise<T> => runJob<T>(placeOf(source), work, closing.signal);

  function operationsOf(source: Source): Promise<Operations> {
    const key = JSON.stringify(placeOf(source));
    const known = opened.get(key);
    if (known !== undefined) return known;
    const made = openOperations(placeOf(source));
    opened.set(key, made);
    made.catch(() => opened.delete(key));
    return made;
  }

  function ensureWorker(source: Source): void {
    const order = placeOf(source);
    const key = JSON.stringify(order);
    if (closing.signal.aborted || keepers.has(key)) return;
    keepers.set(
      key,
      keepWorker(order, (line) => warn(`projections of ${source.name}: ${line}`)),
    );
  }

  /** The name and version that code says of itself. */
  function inspect(code: Code): Promise<ProjectionVersion> {
    const known =
      inspected.get(code.hash) ?? runJob<ProjectionVersion>({ url: '', schema: '', store: {} }, { kind: 'inspect', code }, closing.signal);
    inspected.set(code.hash, known);
    known.catch(() => inspected.delete(code.hash));
    return known;
  }

  /** Every module of a source, bundled, with the name and version that it says of itself. */
  async function modulesOf(source: Source, root = dir): Promise<readonly Module[]> {
    return Promise.all(
      source.modules.map(async (file) => {
        const code = await bundle(root, file, dir);
        return { source, code, ...(await inspect(code)) };
      }),
    );
  }

  async function findModule(environment: string, name: string, root = dir): Promise<Module> {
    const modules = (await Promise.all((await options.sources(environment)).map((source) => modulesOf(source, root)))).flat();
    const found = modules.find((module) => module.name === name);
    if (found !== undefined) return found;
    const known = modules.map((module) => module.name).join(', ') || 'none';
    throw new UserError(
      'PROJECTION_UNKNOWN',
      `there is no projection ${name} in ${environment}`,
      `Known: ${known}. Its module must stand below projections in sluice.config.`,
    );
  }

  /** The source that a name belongs to: where it has been built, or else where its module is. */
  async function findSource(environment: string, name: string): Promise<{ readonly source: Source; readonly builds: readonly Build[] }> {
    for (const source of await options.sources(environment)) {
      if (source.url === null) continue;
      const builds = await readBuilds((await operationsOf(source)).context.pool, name);
      if (builds.length > 0) return { source, builds };
    }
    return { source: (await findModule(environment, name)).source, builds: [] };
  }

  async function pick(environment: string, name: string, version: number | 'previous' | null) {
    const { source, builds } = await findSource(environment, name);
    const [live] = await readLive((await operationsOf(source)).context.pool, name);
    const wanted = version === 'previous' ? live?.previous : (version ?? builds.at(-1)?.version);
    const build = builds.find((one) => one.version === wanted);
    if (build !== undefined) return { source, build, live: live ?? null };
    const there = builds.map((one) => one.version).join(', ') || 'none';
    throw new UserError(
      'PROJECTION_UNKNOWN',
      `${name} has no ${version === 'previous' ? 'version before' : `version ${wanted ?? 'at all'}`} in ${environment}`,
      `Built there: ${there}. \`sluice db rebuild ${name}\` builds what its module says.`,
    );
  }

  function progress(source: Source, build: Build, checkpoints: Parameters<typeof progressOf>[1]): BuildProgress {
    if (build.phase === 'tail') return { share: 1, events: checkpoints.reduce((sum, { events }) => sum + events, 0), rate: null, etaMs: 0 };
    const key = `${source.name}/${build.projection}/${build.version}/${build.startedAt}`;
    const at = options.now();
    const before = looks.get(key) ?? { events: 0, share: 0, at: build.startedAt };
    const seen = progressOf(build.upper, checkpoints, before, at);
    if (at - before.at > PROGRESS_MS) looks.set(key, { events: seen.events, share: seen.share, at });
    return seen;
  }

  async function statusOf(source: Source, build: Build): Promise<ProjectionStatus> {
    const { pool } = (await operationsOf(source)).context;
    const [live] = await readLive(pool, build.projection);
    const dead = await pool.query<{ n: string }>(`SELECT count(*) AS n FROM ${SCHEMA}.dead_letter WHERE projection = $1 AND version = $2`, [
      build.projection,
      build.version,
    ]);
    return {
      source: source.name,
      name: build.projection,
      version: build.version,
      phase: build.error !== null ? 'stopped' : build.paused ? 'paused' : build.phase,
      live: live?.version === build.version,
      keptUntil: build.retireAt,
      progress: progress(source, build, await readCheckpoints(pool, build)),
      verified: build.verdict?.passed ?? null,
      deadLetters: Number(dead.rows[0]?.n),
      error: build.error,
    };
  }

  async function listSource(source: Source): Promise<ProjectionStatus[]> {
    const none = { source: source.name, live: false, keptUntil: null, progress: null, verified: null, deadLetters: 0 } as const;
    const modules = await modulesOf(source).catch((error: unknown) => error as Error);
    const fresh = (error: string | null, known: readonly ProjectionVersion[]): ProjectionStatus[] =>
      modules instanceof Error
        ? [{ ...none, name: source.name, version: 0, phase: 'stopped', error: modules.message }]
        : modules
            .filter((module) => !known.some(({ name, version }) => name === module.name && version === module.version))
            .map(({ name, version }) => ({ ...none, name, version, phase: 'notBuilt', error }));
    try {
      const builds = await readBuilds((await operationsOf(source)).context.pool);
      const built = await Promise.all(builds.map((build) => statusOf(source, build)));
      return [...built, ...fresh(null, built)];
    } catch (error) {
      return fresh((error as Error).message, []);
    }
  }

  /** None where the events do not exist yet: the release that is being planned may bring their table. */
  async function liveOf(source: Source) {
    try {
      return await readLive((await operationsOf(source)).context.pool);
    } catch (error) {
      if (error instanceof UserError && error.code === 'EVENTS_TABLE_UNKNOWN') return [];
      throw error;
    }
  }

  async function startModule({ source, code }: Module, shards = source.shards): Promise<ProjectionVersion> {
    const id = await job<ProjectionVersion>(source, { kind: 'start', code, shards });
    ensureWorker(source);
    return id;
  }

  async function atCommit<T>(commit: string, work: (root: string) => Promise<T>): Promise<T> {
    const root = await mkdtemp(join(tmpdir(), 'sluice-projections-'));
    try {
      await options.checkout(commit, root);
      return await work(root);
    } finally {
      await rm(root, { recursive: true, force: true });
    }
  }

  /** What the modules of a commit say of themselves: it never changes, and a release asks several times. */
  function versionsAt(commit: string, files: readonly string[]): Promise<readonly ProjectionVersion[]> {
    const key = JSON.stringify([commit, files]);
    const known = versions.get(key);
    if (known !== undefined) return known;
    const found = atCommit(commit, async (root) =>
      Promise.all(
        files.map(async (file) => {
          const { name, version } = await inspect(await bundle(root, file, dir));
          return { name, version };
        }),
      ),
    );
    const [oldest] = versions.keys();
    if (versions.size >= COMMITS_KNOWN && oldest !== undefined) versions.delete(oldest);
    versions.set(key, found);
    found.catch(() => versions.delete(key));
    return found;
  }

  const idOf = ({ projection, version }: Build): { projection: string; version: number } => ({ projection, version });

  return {
    list: async (environment) => (await Promise.all((await options.sources(environment)).map(listSource))).flat(),
    rebuild: async (environment, name, { shards }) => startModule(await findModule(environment, name), shards),
    async verify(environment, name, version) {
      const { source, build } = await pick(environment, name, version);
      return job<VerificationReport>(source, { kind: 'verify', id: idOf(build) });
    },
    async switch(environment, name, to) {
      const { source, build } = await pick(environment, name, to);
      return job<SwitchedReport>(source, { kind: 'switch', id: idOf(build), keepMs: source.keepOldMs });
    },
    async pause(environment, name) {
      const { source, build } = await pick(environment, name, null);
      await (await operationsOf(source)).pause(idOf(build));
      return { name, version: build.version };
    },
    async cancel(environment, name) {
      const { source, build } = await pick(environment, name, null);
      await (await operationsOf(source)).cancel(idOf(build));
      return { name, version: build.version };
    },
    async coverage(environment) {
      const modules = (await Promise.all((await options.sources(environment)).map((source) => modulesOf(source)))).flat();
      const found = await Promise.all(
        modules.map(async ({ source, code, name }) =>
          (await job<CoverageFinding[]>(source, { kind: 'coverage', code })).map((finding) => ({ ...finding, projection: name })),
        ),
      );
      return found.flat();
    },
    async pending(sources, commit) {
      if (sources.length === 0) return [];
      const found = await Promise.all(
        sources.map(async (source) => {
          const [live, modules] = await Promise.all([liveOf(source), versionsAt(commit, source.modules)]);
          return modules.filter(({ name, version }) => live.find((one) => one.projection === name)?.version !== version);
        }),
      );
      return found.flat();
    },
    begin: (environment, commit, name) => atCommit(commit, async (root) => startModule(await findModule(environment, name, root))),
    async status(environment, { name, version }) {
      const { source, builds } = await findSource(environment, name);
      const build = builds.find((one) => one.version === version);
      return build === undefined ? null : statusOf(source, build);
    },
    async withdraw(environment, id) {
      const found = await findSource(environment, id.name).catch(nothingBuilt);
      const build = found?.builds.find((one) => one.version === id.version);
      if (found === null || build === undefined) return;
      const operations = await operationsOf(found.source);
      const [live] = await readLive(operations.context.pool, id.name);
      // Without a version before there is nothing to go back to; nobody but the new code reads it.
      if (live?.version === id.version && live.previous === null) return;
      if (live?.version === id.version && live.previous !== null) {
        const before = { projection: id.name, version: live.previous };
        await job<SwitchedReport>(found.source, { kind: 'switch', id: before, keepMs: found.source.keepOldMs });
      }
      await operations.cancel(idOf(build));
    },
    async adopt(environments) {
      for (const environment of environments)
        for (const source of await options.sources(environment).catch(() => [])) {
          if (source.url === null) continue;
          const builds = await operationsOf(source)
            .then(({ context }) => readBuilds(context.pool))
            .catch(() => []);
          if (builds.length > 0) ensureWorker(source);
        }
    },
    async close() {
      closing.abort(new Error('the control plane ends'));
      await Promise.all([...keepers.values()].map((keeper) => keeper.stop()));
      for (const one of opened.values()) await one.then((operations) => operations.close()).catch(() => {});
    },
  };
}

const PROGRESS_MS = 2_000;
const COMMITS_KNOWN = 16;

/** Where there are no events, or no such module any more, nothing was built. */
function nothingBuilt(error: unknown): null {
  if (
    error instanceof UserError &&
    ['EVENTS_TABLE_UNKNOWN', 'EVENTS_COLUMN_UNKNOWN', 'PROJECTION_UNKNOWN', 'PROJECTION_UNREADABLE'].includes(error.code)
  )
    return null;
  throw error;
}

function urlOf({ name, url, variable }: Source): string {
  if (url !== null) return url;
  throw new UserError(
    'PROJECTION_NO_DATABASE',
    `the projections ${name} have no database here: ${variable} is not set`,
    `Start the control plane with ${variable}, a direct connection string.`,
  );
}
