import { createHash } from 'node:crypto';
import { mkdir, readdir } from 'node:fs/promises';
import { createServer as createNetServer, type Server } from 'node:net';
import { join, resolve } from 'node:path';
import { pino } from 'pino';
import { fileArtifacts } from './adapters/artifacts/files.ts';
import { localBuilder } from './adapters/builder/local.ts';
import { createEdges, edges as edgeKinds } from './adapters/edge/index.ts';
import { processesPlatform } from './adapters/platform/processes/index.ts';
import { gitAuthors } from './adapters/source/authors.ts';
import { gitSource } from './adapters/source/git.ts';
import { changeReaders } from './app-changes.ts';
import { createReleaseChecks } from './app-checks.ts';
import { withGateResults } from './app-gates.ts';
import { createMigrations, withSchemaGate } from './app-migrations.ts';
import { backupEvents, createBackups } from './app-backups.ts';
import { createHost } from './app-host.ts';
import { createMetrics } from './app-metrics.ts';
import { notifyPeople } from './app-notices.ts';
import { createProjections } from './app-projections.ts';
import { startCaretaker } from './caretaker.ts';
import { createPlanner, type Planner } from './config/planner.ts';
import { restorePointsOf } from './config/restore-points.ts';
import type { Config } from './config/schema.ts';
import { isOldest } from './followers.ts';
import { UserError } from './core/errors.ts';
import { evolve } from './core/release/evolve.ts';
import { next } from './core/release/next.ts';
import { examine } from './doctor.ts';
import { createEngine, systemClock } from './engine/engine.ts';
import type { Engine } from './engine/face.ts';
import { createPerformer } from './engine/perform/index.ts';
import { type EmbeddedPostgres, startEmbeddedPostgres } from './engine/postgres/embedded.ts';
import type { Platform } from './ports/platform.ts';
import { createServer, newToken } from './server/create.ts';
import { listen } from './server/listen.ts';
import { createRedactor, redactedStream } from './server/redact.ts';

export interface ControlPlaneOptions {
  /** Root of the workspace, where `sluice.config.*` is. */
  readonly workspaceDir: string;
  /** A PostgreSQL server of your own; without it an embedded one runs below `.sluice/`. */
  readonly databaseUrl?: string;
  readonly host?: string;
  /** Port of the API; 0 (default) takes any free one. */
  readonly port?: number;
  readonly version: string;
  /** What clients must show; without it a new one is made. */
  readonly token?: string;
  /** Told what takes a while as it starts, one phrase each. */
  readonly onProgress?: (message: string) => void;
  /** Takes JSON log lines, secrets already taken out. */
  readonly writeLog?: (line: string) => void;
  readonly logLevel?: string;
  /** Asked for over the API; `all`: also apps, edges and the embedded database. */
  readonly onShutdown?: (options: { readonly all: boolean }) => void;
}

export interface ControlPlane {
  readonly url: string;
  readonly token: string;
  readonly engine: Engine;
  /** Stop working. Apps, edges and the database go on. */
  close(): Promise<void>;
  /** Stop working, and everything that was started for this workspace. */
  closeAll(): Promise<void>;
}

/** The composition root: the only place that picks adapters. */
export async function createControlPlane(options: ControlPlaneOptions): Promise<ControlPlane> {
  const { onProgress = () => {}, writeLog = () => {}, logLevel = 'info' } = options;
  const workspace = resolve(options.workspaceDir);
  const dir = join(workspace, '.sluice');
  const lock = options.databaseUrl === undefined ? await lockWorkspace(workspace) : null;
  const token = options.token ?? newToken();
  const secrets = secretValues(token);
  const log = pino({ level: logLevel }, redactedStream(createRedactor(secrets.values), writeLog));

  const source = gitSource({ dir: workspace });
  const migrations = createMigrations({
    workspace,
    source,
    env: process.env,
    manifest: (environment) => engine.manifest(environment),
    scratch: async () => database.url,
    notice: secrets.notice,
    log: (message) => log.info(message),
  });
  const projections = createProjections({ workspace, source, warn: (message) => log.warn(message), notice: secrets.notice });
  const stages = async ({ name }: { readonly name: string }, commit: string, config: Config) => {
    const [planned, rebuilds] = await Promise.all([migrations.planned(name, commit, config), projections.planned(name, commit, config)]);
    const backup = restorePointsOf(config, name, planned?.databases.map(({ database: changed }) => changed) ?? []);
    return {
      ...(backup === undefined ? {} : { backup }),
      ...(planned === undefined ? {} : { migrations: planned }),
      ...(rebuilds === undefined ? {} : { projections: rebuilds }),
    };
  };
  const planner = noticing(
    withGateResults(
      withSchemaGate(
        createPlanner({
          dir: workspace,
          source,
          stages,
          authors: (change) => gitAuthors(workspace, change),
          readers: changeReaders(workspace, options.version),
        }),
        migrations,
      ),
      workspace,
    ),
    secrets.notice,
  );
  const artifacts = fileArtifacts({ dir: join(dir, 'artifacts') });
  const builder = localBuilder({ dir: join(dir, 'builds'), source, artifacts });
  const processes = processesPlatform({ dir: join(dir, 'apps'), artifacts });
  const edges = createEdges({
    dir: join(dir, 'edges'),
    kinds: edgeKinds,
    settings: async (environment) => (await planner.environment(environment)).edge,
    warn: (message) => log.warn(message),
  });
  const database = await openDatabase(options, dir, onProgress);
  secrets.notice(new URL(database.url).password);

  const platform = (name: string) => platformOf(name, [processes]);
  const backups = createBackups({
    workspace,
    database,
    planner,
    journal: {
      append: (stream, events) => engine.record(stream, events),
      read: async (stream) => backupEvents(await engine.recorded(stream)),
    },
    isFirst: () => isOldest(engine),
    warn: (message) => log.warn(message),
    notice: secrets.notice,
  });
  const metrics = createMetrics({
    workspace,
    appsDir: join(dir, 'apps'),
    edge: edges.of,
    env: process.env,
    jobEnv: smokeEnvironment(),
  });
  const performer = createPerformer({
    platform,
    edge: edges.of,
    metrics: metrics.source,
    builder,
    artifacts,
    clock: systemClock,
    environment: smokeEnvironment(),
    backup: backups.stage,
    migrations: migrations.stage,
    projections: projections.stage,
    checks: createReleaseChecks({ dir: workspace, source }),
  });
  onProgress('Starting the engine');
  const engine = await createEngine({
    databaseUrl: database.url,
    runbook: { evolve, next },
    performer,
    log,
    ...(database.embedded === null ? {} : { reviveDatabase: database.embedded.revive }),
  });

  const host = createHost({
    engine,
    planner,
    workspace,
    env: process.env,
    environmentUrl: edges.url,
    now: () => systemClock.now(),
    warn: (message) => log.warn(message),
    notice: secrets.notice,
  });
  const server = createServer({
    engine,
    hook: host.take,
    planner: metrics.checked(planner),
    metrics: metrics.intake,
    workspace,
    version: options.version,
    token,
    secrets: secrets.values,
    log: { level: logLevel, write: writeLog },
    logs: (ref, wanted) => processes.logs(ref, wanted),
    edgeUrl: edges.url,
    backups,
    projections: projections.port,
    doctor: () => examine({ workspace, engine, edges, isEmbedded: database.embedded !== null }),
    ...(options.onShutdown === undefined ? {} : { shutdown: options.onShutdown }),
  });
  const url = await listen(server, { host: options.host ?? '127.0.0.1', port: options.port ?? 0 }).catch(async (error: unknown) => {
    await engine.close();
    throw error;
  });
  await edges.adopt();

  const backupRounds = backups.start();
  const caretaker = startCaretaker({ engine, planner, platform, edge: edges.of, warn: (message) => log.warn(message) });

  const notices = notifyPeople({
    engine,
    workspace,
    env: process.env,
    jobEnv: smokeEnvironment(),
    warn: (message) => log.warn(message),
    notice: secrets.notice,
  });

  const hostReports = host.start();

  const close = async () => {
    await Promise.all([hostReports.stop(), caretaker.stop(), backupRounds.stop(), notices.stop()]);
    edges.leave();
    await projections.close();
    await server.close();
    await engine.close();
    lock?.close();
  };
  return {
    url,
    token,
    engine,
    close,
    async closeAll() {
      // Before the fence: what it has just begun to bring back would carry a newer one, and live on.
      await caretaker.stop();
      const fence = await engine.fence();
      await close();
      await stopApps(join(dir, 'apps'), processes, fence);
      await edges.stopAll();
      await database.embedded?.stop();
    },
  };
}

/**
 * One control plane a workspace, as long as its database is the embedded one. The kernel gives the name back when
 * the process ends, however it ends.
 * @throws UserError CONTROL_PLANE_RUNNING
 */
async function lockWorkspace(workspace: string): Promise<Server> {
  const id = createHash('sha256').update(workspace).digest('hex').slice(0, 24);
  await mkdir(join(workspace, '.sluice'), { recursive: true, mode: 0o755 });
  // A name in Linux's abstract namespace leaves nothing behind; elsewhere a port stands in for it.
  const address =
    process.platform === 'linux'
      ? { path: `\0sluice-${process.getuid?.() ?? 0}-${id}` }
      : { host: '127.0.0.1', port: 20_000 + (Number.parseInt(id.slice(0, 6), 16) % 20_000) };
  const server = createNetServer();
  server.unref();
  return new Promise((done, reject) => {
    server.once('error', () =>
      reject(
        new UserError(
          'CONTROL_PLANE_RUNNING',
          `a control plane of ${workspace} runs already`,
          '`sluice status` talks to it; `sluice down` ends it.',
        ),
      ),
    );
    server.listen(address, () => done(server));
  });
}

async function openDatabase(
  options: ControlPlaneOptions,
  dir: string,
  onProgress: (message: string) => void,
): Promise<{ url: string; embedded: EmbeddedPostgres | null }> {
  if (options.databaseUrl !== undefined) return { url: options.databaseUrl, embedded: null };
  onProgress('Starting the embedded PostgreSQL (the first time takes a few seconds)');
  const embedded = await startEmbeddedPostgres(dir);
  return { url: embedded.url, embedded };
}

function platformOf(name: string, platforms: readonly Platform[]): Platform {
  const found = platforms.find((platform) => platform.name === name);
  if (found === undefined)
    throw new UserError(
      'PLATFORM_UNKNOWN',
      `there is no platform ${name}`,
      `Known: ${platforms.map((platform) => platform.name).join(', ')}.`,
    );
  return found;
}

/** Everything that runs in any environment of this workspace, whether a manifest knows it or not. */
async function stopApps(dir: string, platform: Platform, fence: number): Promise<void> {
  for (const environment of await readdir(dir).catch(() => [])) {
    for (const app of await readdir(join(dir, environment)).catch(() => [])) {
      const ref = { environment, app };
      const versions = await platform.observe(ref).catch(() => []);
      await Promise.all(versions.map(({ version }) => platform.retire(ref, version, STOP_MS, fence)));
    }
  }
}

const STOP_MS = 10_000;

/** Smoke commands get what any command needs, and no secrets of the control plane. */
function smokeEnvironment(): NodeJS.ProcessEnv {
  const names = ['PATH', 'HOME', 'LANG', 'TZ', 'TMPDIR'];
  return Object.fromEntries(names.flatMap((name) => (process.env[name] === undefined ? [] : [[name, process.env[name]]])));
}

/** Values that must never leave: our own, and those of every variable that a configuration refers to by name. */
function secretValues(token: string): { notice(value: string): void; values(): readonly string[] } {
  const known = new Set([token]);
  return {
    notice: (value) => value !== '' && known.add(value),
    values: () => [...known],
  };
}

/** Notes the values of the `{ fromEnv }` variables of every environment that is looked at. */
function noticing(planner: Planner, notice: (value: string) => void): Planner {
  return {
    ...planner,
    async plan(request) {
      const { apps } = await planner.environment(request.environment);
      for (const app of apps)
        for (const value of Object.values(app.run.env)) if (typeof value !== 'string') notice(process.env[value.fromEnv] ?? '');
      return planner.plan(request);
    },
  };
}
