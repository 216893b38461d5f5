import type { Planner } from './config/planner.ts';
import { FencedError } from './core/errors.ts';
import type { Engine, ManifestApp } from './engine/face.ts';
import type { Edge } from './ports/edge.ts';
import type { Platform } from './ports/platform.ts';

export interface CaretakerOptions {
  readonly engine: Engine;
  readonly planner: Pick<Planner, 'environment'>;
  platform(name: string): Platform;
  edge(environment: string): Promise<Edge>;
  warn(message: string): void;
  /** Time between two rounds, ms (5,000). */
  readonly everyMs?: number;
}

/**
 * Brings back what should run and does not: after a reboot, or when a version's supervisor was killed. Looks only at
 * apps that no release is at work on, and only at their stable version; it never starts anything new.
 */
export function startCaretaker(options: CaretakerOptions): { stop(): Promise<void> } {
  let running: Promise<void> | null = null;
  const ending = new AbortController();
  const round = (): void => {
    if (ending.signal.aborted) return;
    running ??= tend(options, ending.signal)
      .catch((error: unknown) => options.warn(`the caretaker could not look: ${textOf(error)}`))
      .finally(() => {
        running = null;
      });
  };
  const timer = setInterval(round, options.everyMs ?? 5_000).unref();
  round();
  return {
    async stop() {
      clearInterval(timer);
      ending.abort();
      await running;
    },
  };
}

async function tend(options: CaretakerOptions, ending: AbortSignal): Promise<void> {
  const busy = new Set(
    (await options.engine.releases({ active: true, limit: 1_000 })).flatMap(({ environment, apps }) =>
      apps.map((app) => `${environment}/${app}`),
    ),
  );
  for (const environment of await options.engine.environments()) {
    const { apps } = await options.engine.manifest(environment);
    for (const app of Object.values(apps)) {
      if (ending.aborted) return;
      if (busy.has(`${environment}/${app.app}`)) continue;
      await revive(options, environment, app).catch((error: unknown) => {
        // A release has begun meanwhile: it takes care of the app itself.
        if (!(error instanceof FencedError))
          options.warn(`${app.app} in ${environment} does not run and could not be started: ${textOf(error)}`);
      });
    }
  }
}

async function revive(options: CaretakerOptions, environment: string, { app, platform: name, stable }: ManifestApp): Promise<void> {
  if (stable === null) return;
  const platform = options.platform(name);
  const seen = (await platform.observe({ environment, app })).find(({ version }) => version === stable.id);
  const isDown = seen === undefined || seen.instances.length === 0 || seen.instances.some(({ state }) => state === 'stopped');
  if (!isDown) return;
  options.warn(`${app} in ${environment} does not run: it is started again`);
  const fence = await options.engine.fence();
  const { artifact, run, health } = stable;
  await platform.ensure({ environment, app, version: stable.id, artifact, run, health, fence }, AbortSignal.timeout(60_000));
  await reroute(options, environment, app, stable.id, fence);
}

/** It may listen on another port now. */
async function reroute(options: CaretakerOptions, environment: string, app: string, version: string, fence: number): Promise<void> {
  const settings = (await options.planner.environment(environment)).apps.find((one) => one.app === app);
  if (settings === undefined || settings.routes.length === 0 || options.platform(settings.platform).capabilities.traffic !== 'edge') return;
  const seen = (await options.platform(settings.platform).observe({ environment, app })).find((one) => one.version === version);
  if (seen === undefined || seen.endpoints.length === 0) return;
  const edge = await options.edge(environment);
  const { routes, sticky } = settings;
  await edge.apply({
    app: `${environment}/${app}`,
    fence,
    routes,
    sticky,
    versions: [{ id: version, weight: 100, endpoints: seen.endpoints }],
  });
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
