import { setTimeout as sleep } from 'node:timers/promises';
import { type PostgresProjections, postgresProjections, type Source } from '../projections/index.ts';
import { projectionSources } from '../config/resolve/projections.ts';
import { environmentNames } from '../config/resolve/resolve.ts';
import type { Config } from '../config/schema/workspace.ts';
import type { PlannedProjections, ReadyProjection } from '../core/release/preparations/projections.ts';
import { UserError } from '../core/errors.ts';
import type { ProjectionOutcome, ProjectionStage } from '../engine/perform/ports.ts';
import type { Projections } from '../ports/projections.ts';
import type { SourceControl } from '../ports/source.ts';

export interface ProjectionsParts {
  /** Root of the workspace. */
  readonly workspace: string;
  /** The configuration as it stands now. */
  readonly config: () => Promise<Config>;
  /** Where the addresses of the sources stand. */
  readonly value: (name: string, environment: string | null) => string | undefined;
  readonly source: SourceControl;
  readonly warn: (message: string) => void;
}

/** Projections as the API, the planner and a release see them. */
export interface ProjectionsOfWorkspace {
  readonly port: Projections;
  readonly stage: ProjectionStage;
  /** What a commit brings to an environment; undefined: nothing new. */
  planned(environment: string, commit: string, config: Config): Promise<PlannedProjections | undefined>;
  close(): Promise<void>;
}

const LOOK_MS = 500;

export function createProjections({ workspace, config: read, value, source, warn }: ProjectionsParts): ProjectionsOfWorkspace {
  const sourcesOf = (config: Config, environment: string): Source[] =>
    projectionSources(config, environment).map((one) => ({ ...one, url: value(one.variable, environment) ?? null }));
  const port = postgresProjections({
    dir: workspace,
    sources: async (environment) => sourcesOf(await read(), environment),
    checkout: (commit, into) => source.export(commit, '.', into),
    now: Date.now,
    warn,
  });
  void read()
    .then((config) => port.adopt(environmentNames(config)))
    .catch((error: unknown) => warn(`projections are not looked after: ${error instanceof Error ? error.message : String(error)}`));

  return {
    port,
    stage: stageOf(port),
    async planned(environment, commit, config) {
      const sources = sourcesOf(config, environment);
      if (sources.length === 0) return undefined;
      const pending = await port.pending(sources, commit);
      if (pending.length === 0) return undefined;
      return {
        projections: pending.map(({ name, version }) => ({ name, version: String(version) })),
        deadlineMs: Math.max(...projectionSources(config, environment).map(({ deadlineMs }) => deadlineMs)),
      };
    },
    close: () => port.close(),
  };
}

/** A release's rebuild: build all, hold them against what is there, and only then let readers see any of them. */
function stageOf(port: PostgresProjections): ProjectionStage {
  const ids = ({ projections }: PlannedProjections) => projections.map(({ name, version }) => ({ name, version: Number(version) }));
  const rebuild: ProjectionStage['rebuild'] = async ({ environment, commit }, planned, signal) => {
    if (commit === null) throw new UserError('PROJECTION_UNKNOWN', 'a plan without a commit brings no projections', 'Make the plan again.');
    const ready: ReadyProjection[] = [];
    const started = Date.now();
    for (const id of ids(planned)) {
      const begun = await port.begin(environment, commit, id.name);
      if (begun.version !== id.version)
        return { ready: [], failed: `${id.name} is version ${begun.version} in the commit, while version ${id.version} was planned` };
      const built = await complete(port, environment, id, signal);
      if (built.failed !== null) return { ready: [], failed: built.failed };
      const report = await port.verify(environment, id.name, id.version);
      if (!report.passed) return { ready: [], failed: `${id.name} version ${id.version} is not right: ${report.reasons.join('; ')}` };
      ready.push({ name: id.name, version: String(id.version), events: built.events, ms: Date.now() - started });
    }
    for (const id of ids(planned)) await port.switch(environment, id.name, id.version);
    return { ready, failed: null };
  };
  return {
    rebuild: (request, planned, signal) => rebuild(request, planned, signal).catch(asAnswer),
    async revert({ environment }, planned) {
      for (const id of ids(planned).toReversed()) await port.withdraw(environment, id);
    },
  };
}

async function complete(
  port: PostgresProjections,
  environment: string,
  id: { readonly name: string; readonly version: number },
  signal: AbortSignal,
): Promise<{ readonly events: number; readonly failed: string | null }> {
  let events = 0;
  for (;;) {
    signal.throwIfAborted();
    const status = await port.status(environment, id);
    if (status === null) return { events, failed: `${id.name} version ${id.version} was removed while it was being built` };
    events = Math.max(events, status.progress?.events ?? 0);
    if (status.phase === 'stopped') return { events, failed: status.error };
    if (status.phase === 'tail') return { events, failed: null };
    await sleep(LOOK_MS, undefined, { signal });
  }
}

/** A mistake in a projection is evidence against the release, not a failure of ours. */
function asAnswer(error: unknown): ProjectionOutcome {
  if (error instanceof UserError) return { ready: [], failed: error.message };
  throw error;
}
