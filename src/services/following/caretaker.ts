import { askRoute } from '../../lib/ask-route.ts';
import { edgeDrift, mending } from '../../core/edge/drift.ts';
import { FencedError } from '../../core/errors.ts';
import type { VersionRef } from '../../core/release/plan/plan.ts';
import type { Engine, ManifestApp } from '../../engine/face.ts';
import { type Routing, routingRecord } from '../serving/routing-record.ts';
import type { Edge } from '../../ports/edge.ts';
import { deployTarget } from '../../ports/deploy-target.ts';
import type { ObservedVersion, Platform } from '../../ports/platform.ts';

export interface CaretakerOptions {
  readonly engine: Pick<Engine, 'releases' | 'environments' | 'manifest' | 'release' | 'fence'>;
  platform(name: string): Platform;
  /** The edge that serves an environment already; null: none has ever been started. */
  servingEdge(environment: string): Promise<Edge | null>;
  /** The edge as the configuration says: only asked where none has ever been started. */
  edge(environment: string): Promise<Edge>;
  /** Where users reach it. */
  edgeUrl(environment: string): Promise<string | null>;
  warn(message: string): void;
  /** Time between two rounds, ms (5,000). */
  readonly everyMs?: number;
  /** Time between two requests that ask a route as a user would, ms (60,000). */
  readonly askEveryMs?: number;
}

export interface Caretaker {
  /** What differs from the record and could not be mended at the last look, by `environment/app`, one sentence each. */
  troubles(): ReadonlyMap<string, string>;
  stop(): Promise<void>;
}

const ASK_MS = 5_000;

/**
 * Brings back what should run and does not, and routes what runs: after a reboot, when a version's supervisor was killed, when
 * an edge lost what it was told. Every round compares the record of the last release with the platform and the edge, mends
 * what differs, and says what it cannot mend. It looks only at apps that no release is at work on, and only at their stable
 * version; it never starts anything new, and needs no configuration: what runs already is routed as its release said.
 */
export function startCaretaker(options: CaretakerOptions): Caretaker {
  let running: Promise<void> | null = null;
  const ending = new AbortController();
  const care: Care = { options, ending: ending.signal, routing: routingRecord(options.engine), troubles: new Map(), askedAt: new Map() };
  const round = (): void => {
    if (ending.signal.aborted) return;
    running ??= tend(care)
      .catch((error: unknown) => options.warn(`the caretaker could not look: ${textOf(error)}`))
      .finally(() => {
        running = null;
      });
  };
  const timer = setInterval(round, options.everyMs ?? 5_000).unref();
  round();
  return {
    troubles: () => care.troubles,
    async stop() {
      clearInterval(timer);
      ending.abort();
      await running;
    },
  };
}

interface Care {
  readonly options: CaretakerOptions;
  readonly ending: AbortSignal;
  routing(app: ManifestApp): Promise<Routing | null>;
  readonly troubles: Map<string, string>;
  /** When each app's routes were last asked as a user would. */
  readonly askedAt: Map<string, number>;
}

async function tend(care: Care): Promise<void> {
  const { engine } = care.options;
  const active = await engine.releases({ active: true, limit: 1_000 });
  const busy = new Set(active.flatMap(({ environment, apps }) => apps.map((app) => `${environment}/${app}`)));
  for (const environment of await engine.environments()) {
    const { apps } = await engine.manifest(environment);
    for (const app of Object.values(apps)) {
      if (care.ending.aborted) return;
      const key = `${environment}/${app.app}`;
      if (busy.has(key)) care.troubles.delete(key);
      else await look(care, environment, app);
    }
  }
}

/** One app; what goes wrong is tried again in the next round, and said once while it stays the same. */
async function look(care: Care, environment: string, app: ManifestApp): Promise<void> {
  const key = `${environment}/${app.app}`;
  const trouble = await mend(care, environment, app).catch((error: unknown) =>
    // A release has begun meanwhile: it takes care of the app itself.
    error instanceof FencedError ? null : `could not be mended: ${textOf(error)}`,
  );
  if (care.ending.aborted) return;
  const before = care.troubles.get(key) ?? null;
  if (trouble === before) return;
  if (trouble === null) care.troubles.delete(key);
  else care.troubles.set(key, trouble);
  care.options.warn(`${app.app} in ${environment} ${trouble ?? 'is as its record says again'}`);
}

/** @returns what still differs, one phrase, or null. */
async function mend(care: Care, environment: string, app: ManifestApp): Promise<string | null> {
  const { stable } = app;
  if (stable === null) return null;
  const { options } = care;
  const platform = options.platform(app.platform);
  const seen = await revived(care, environment, app, stable, platform);
  if (platform.capabilities.traffic !== 'edge') return null;
  const routing = await care.routing(app);
  if (routing === null) return 'has no record of its routes: deploy it again';
  if (routing.routes.length === 0) return null;
  if (seen.endpoints.length === 0) return 'runs, but has no address to route to';
  const edge = (await options.servingEdge(environment)) ?? (await options.edge(environment));
  const key = `${environment}/${app.app}`;
  const recorded = { stable: stable.id, endpoints: seen.endpoints };
  const apply = async (): Promise<void> => {
    const fence = await options.engine.fence();
    await edge.apply({ app: key, fence, ...routing, versions: mending(recorded) });
  };
  const drift = edgeDrift(recorded, await edge.observe(key));
  if (drift !== null) {
    options.warn(`${app.app} in ${environment}: ${drift}; it is routed again`);
    await apply();
    const left = edgeDrift(recorded, await edge.observe(key));
    if (left !== null) return left;
    care.askedAt.delete(key);
  }
  return asked(care, environment, app.app, stable, routing, apply);
}

/** The stable version as it runs, started again where it does not. */
async function revived(
  { options }: Care,
  environment: string,
  { app }: ManifestApp,
  version: VersionRef,
  platform: Platform,
): Promise<ObservedVersion> {
  const seen = (await platform.observe({ environment, app })).find((one) => one.version === version.id);
  const isDown = seen === undefined || seen.instances.length === 0 || seen.instances.some(({ state }) => state === 'stopped');
  if (!isDown) return seen;
  options.warn(`${app} in ${environment} does not run: it is started again`);
  const fence = await options.engine.fence();
  return platform.ensure(deployTarget({ environment, app }, version, { fence }), AbortSignal.timeout(60_000));
}

/**
 * Now and then a request as a user would send it, to the version by its header: an edge may say that it routes an app and not do
 * it. A route that is missing is told to the edge again. In trouble it is asked in every round.
 */
async function asked(
  { options, ending, askedAt, troubles }: Care,
  environment: string,
  app: string,
  { id, health }: VersionRef,
  { routes }: Routing,
  apply: () => Promise<void>,
): Promise<string | null> {
  const key = `${environment}/${app}`;
  const isDue = Date.now() - (askedAt.get(key) ?? 0) >= (options.askEveryMs ?? 60_000) || troubles.has(key);
  const url = isDue ? await options.edgeUrl(environment) : null;
  if (url === null) return null;
  askedAt.set(key, Date.now());
  for (const route of routes) {
    const look = await askRoute({ url, route, host: health?.host, version: id, timeoutMs: health?.timeoutMs ?? ASK_MS }, ending);
    if (look.trouble === null) continue;
    if (look.isRouted === false) await apply();
    return `does not serve its users: ${look.asked} ${look.trouble}`;
  }
  return null;
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
