import { createHmac } from 'node:crypto';
import { join, resolve } from 'node:path';
import { pino } from 'pino';
import { cleanEnvironment } from '../lib/clean-environment.ts';
import { workspaceFolder } from '../lib/own-folder.ts';
import { fileArtifacts } from '../adapters/artifacts/files.ts';
import { localBuilder } from '../adapters/builder/local.ts';
import { createEdges, edges as edgeKinds } from '../adapters/edge/index.ts';
import { gitAuthors } from '../adapters/source/authors.ts';
import { gitSource } from '../adapters/source/git.ts';
import { changeReaders } from './change-readers.ts';
import { createReleaseChecks } from './checks.ts';
import { gateResults } from '../services/planning/gate-results.ts';
import { planPipeline } from '../services/planning/pipeline.ts';
import { schemaGate } from '../services/planning/schema-gate.ts';
import { createMigrations } from './migrations.ts';
import { backupEvents, createBackups } from './backups.ts';
import { createHost } from './host.ts';
import { createMetrics } from './metrics.ts';
import { notifyPeople } from './notices.ts';
import { createPlatforms, platformFolder } from './registry.ts';
import { createProjections } from './projections.ts';
import { createSecrets, type Secrets } from '../services/secrets/secrets.ts';
import { createVariables } from '../services/secrets/variables.ts';
import { routingRecord } from '../services/serving/routing-record.ts';
import { servedApps } from '../services/serving/served.ts';
import { startCaretaker } from '../services/following/caretaker.ts';
import { createPlanner } from '../services/planning/planner.ts';
import { createConfigReader } from '../config/load/reader.ts';
import { restorePointsOf } from '../services/planning/restore-points.ts';
import type { Config } from '../config/schema/workspace.ts';
import { isOldest } from '../services/following/log-follower.ts';
import { evolve } from '../core/release/state/evolve.ts';
import { next } from '../core/release/runbook/next.ts';
import { examine } from '../services/doctor/doctor.ts';
import { createEngine, systemClock } from '../engine/engine.ts';
import type { Engine } from '../engine/face.ts';
import { createPerformer } from '../engine/perform/index.ts';
import { stagePerformers } from '../engine/perform/stages.ts';
import { type EmbeddedPostgres, startEmbeddedPostgres } from '../engine/postgres/embedded.ts';
import { createServer, newToken } from '../server/http/create.ts';
import { listen } from '../server/http/listen.ts';
import { createRedactor, redactedStream } from '../server/http/redact.ts';

export interface ControlPlaneOptions {
  /** Root of the workspace, where `sluice.config.*` is. */
  readonly workspaceDir: string;
  /** A PostgreSQL server of your own; without it an embedded one runs below `.sluice/`. */
  readonly databaseUrl?: string;
  readonly host?: string;
  /** Where people reach it, when that is another name than its own address. */
  readonly publicUrl?: string;
  /** Started by a command, in the background: its environment is that of one command's shell, and counts least. */
  readonly isBackground?: boolean;
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
  const dir = workspaceFolder(workspace);
  const token = options.token ?? newToken();
  const secrets = secretsOf(options, workspace, token);
  const log = pino({ level: logLevel }, redactedStream(createRedactor(secrets.known), writeLog));
  const config = createConfigReader({ dir: workspace, onRead: secrets.learnConfig });
  // Awaited before anything is served: by then the redactor knows what the configuration names in every environment.
  const firstReading = config.read().catch((error: unknown) => {
    log.warn(`the configuration cannot be read: ${error instanceof Error ? error.message : String(error)}`);
  });

  const source = gitSource({ dir: workspace });
  const migrations = createMigrations({
    workspace,
    source,
    config: config.read,
    value: secrets.value,
    manifest: (environment) => engine.manifest(environment),
    scratch: async () => database.url,
    log: (message) => log.info(message),
  });
  const projections = createProjections({
    workspace,
    config: config.read,
    value: secrets.value,
    source,
    warn: (message) => log.warn(message),
  });
  const stages = async ({ name }: { readonly name: string }, commit: string, now: Config) => {
    const [planned, rebuilds] = await Promise.all([migrations.planned(name, commit, now), projections.planned(name, commit, now)]);
    const backup = restorePointsOf(now, name, planned?.databases.map(({ database: changed }) => changed) ?? []);
    return {
      ...(backup === undefined ? {} : { backup }),
      ...(planned === undefined ? {} : { migrations: planned }),
      ...(rebuilds === undefined ? {} : { projections: rebuilds }),
    };
  };
  const base = createPlanner({
    dir: workspace,
    config: config.read,
    identity: secrets.identity,
    source,
    stages,
    authors: (change) => gitAuthors(workspace, change),
    readers: changeReaders(workspace, options.version),
  });
  const artifacts = fileArtifacts({ dir: join(dir, 'artifacts') });
  const builder = localBuilder({ dir: join(dir, 'builds'), source, artifacts });
  const platforms = createPlatforms({ dir, artifacts, values: secrets.forStart });
  const edges = createEdges({
    dir: join(dir, 'edges'),
    kinds: edgeKinds,
    settings: async (environment) => (await base.environment(environment)).edge,
    warn: (message) => log.warn(message),
  });
  const metrics = createMetrics({
    workspace,
    appsDir: platformFolder(dir, 'processes'),
    edge: edges.of,
    env: secrets.of(null),
    jobEnv: cleanEnvironment(process.env),
  });
  const planner = planPipeline({
    base,
    schema: schemaGate(migrations),
    gates: gateResults(workspace),
    canarySteps: metrics.canarySteps(base.environment),
  });
  const database = await openDatabase(options, dir, onProgress);
  secrets.notice(decodeURIComponent(new URL(database.url).password));

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
    config: config.read,
    value: (name) => secrets.value(name, null),
  });
  const performer = createPerformer({
    platform: platforms.of,
    edge: edges.of,
    servingEdge: edges.serving,
    edgeUrl: edges.url,
    metrics: metrics.source,
    builder,
    artifacts,
    clock: systemClock,
    environment: cleanEnvironment(process.env),
    stages: stagePerformers({
      checks: createReleaseChecks({ dir: workspace, config: config.read, value: (name) => secrets.value(name, null), source }),
      backup: backups.stage,
      migrations: migrations.stage,
      projections: projections.stage,
    }),
  });
  onProgress('Starting the engine');
  const variables = createVariables({ config, secrets });
  const engine = variables.keeping(
    await createEngine({
      databaseUrl: database.url,
      runbook: { evolve, next },
      performer,
      log,
      ...(database.embedded === null ? {} : { reviveDatabase: database.embedded.revive }),
    }),
  );
  await Promise.all([firstReading, learnManifests(engine, secrets)]);

  const host = createHost({
    engine,
    planner,
    config,
    value: (name) => secrets.value(name, null),
    environmentUrl: edges.url,
    now: () => systemClock.now(),
    warn: (message) => log.warn(message),
  });
  const routing = routingRecord(engine);
  let troubles = (): ReadonlyMap<string, string> => new Map();
  const served = (environment: string) => servedApps({ engine, edges, routing, troubles: () => troubles() }, environment);
  const server = createServer({
    engine,
    hook: host.deliveries,
    hosts: {
      bound: options.host ?? '127.0.0.1',
      ...(options.publicUrl === undefined ? {} : { publicUrl: options.publicUrl }),
    },
    variables,
    planner,
    metrics: metrics.intake,
    workspace,
    version: options.version,
    token,
    secrets: secrets.known,
    log: { level: logLevel, write: writeLog },
    logs: (ref, wanted) =>
      platforms.logs(ref, wanted, async () => (await engine.manifest(ref.environment)).apps[ref.app]?.platform ?? null),
    edgeUrl: edges.url,
    backups,
    projections: projections.port,
    served,
    doctor: () => examine({ workspace, engine, edges, isEmbedded: database.embedded !== null, platforms: platforms.all, served }),
    ...(options.onShutdown === undefined ? {} : { shutdown: options.onShutdown }),
  });
  const url = await listen(server, { host: options.host ?? '127.0.0.1', port: options.port ?? 0 }).catch(async (error: unknown) => {
    await engine.close();
    throw error;
  });
  await edges.adopt();

  const backupRounds = backups.start();
  const caretaker = startCaretaker({
    engine,
    platform: platforms.of,
    edge: edges.of,
    servingEdge: edges.serving,
    edgeUrl: edges.url,
    warn: (message) => log.warn(message),
  });
  troubles = caretaker.troubles;

  const notices = notifyPeople({
    engine,
    workspace,
    config: config.read,
    value: (name) => secrets.value(name, null),
    jobEnv: cleanEnvironment(process.env),
    warn: (message) => log.warn(message),
  });

  const hostReports = host.start();

  const close = async () => {
    await Promise.all([hostReports.stop(), caretaker.stop(), backupRounds.stop(), notices.stop()]);
    edges.leave();
    await projections.close();
    await server.close();
    await engine.close();
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
      await platforms.stopLocal(STOP_MS, fence);
      await edges.stopAll();
      await database.embedded?.stop();
    },
  };
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

/** Time that apps get to end by themselves when everything of the workspace is stopped. */
const STOP_MS = 10_000;

/** What only the events know: variables of versions that run, or may be gone back to, and that the configuration names no more. */
async function learnManifests(engine: Engine, secrets: Secrets): Promise<void> {
  for (const environment of await engine.environments()) secrets.learn(await engine.manifest(environment), [environment]);
}

function secretsOf({ databaseUrl, isBackground = false, token: given }: ControlPlaneOptions, workspace: string, token: string): Secrets {
  const secrets = createSecrets({
    workspace,
    own: process.env,
    ownFirst: !isBackground,
    // Control planes that share a database share a token, and have to agree on what has changed.
    ...(databaseUrl === undefined || given === undefined ? {} : { key: createHmac('sha256', given).update('values').digest('base64url') }),
  });
  secrets.notice(token);
  return secrets;
}
