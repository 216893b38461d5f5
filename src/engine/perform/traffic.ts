import { OutsideError } from '../../core/errors.ts';
import type { PlannedApp } from '../../core/release/plan/plan.ts';
import { hasTraffic } from '../../core/rollout/steps.ts';
import type { EdgeIntent, EdgeObservation } from '../../core/app/traffic.ts';
import type { Platform } from '../../ports/platform.ts';
import type { Weights } from '../../core/app/traffic.ts';
import type { AppRef } from '../../core/app/run.ts';
import type { PerformContext } from '../runbook.ts';
import type { PerformPorts } from './ports.ts';

/** One place for who splits an app's load: the platform itself, our edge, how many instances of a worker run, or nobody. */
export type Splitter = 'platform' | 'edge' | 'instances' | 'nobody';

export function splitterOf(app: PlannedApp, platform: Platform): Splitter {
  if (!hasTraffic(app)) return app.strategy.kind === 'canary' ? 'instances' : 'nobody';
  if (platform.traffic !== undefined) return 'platform';
  return platform.capabilities.traffic === 'edge' ? 'edge' : 'nobody';
}

export function refOf(app: PlannedApp, context: PerformContext): AppRef {
  return { environment: context.environment, app: app.app };
}

export function edgeKey(ref: AppRef): string {
  return `${ref.environment}/${ref.app}`;
}

/**
 * Send the edge these weights, in this order (stable first, candidate last: stickiness depends on it), with the
 * endpoints the platform reports now, and see them at the data plane.
 * Versions at weight 0 that the platform no longer has are left out.
 */
export async function applyAtEdge(
  ports: PerformPorts,
  app: PlannedApp,
  weights: Weights,
  context: PerformContext,
): Promise<EdgeObservation> {
  const ref = refOf(app, context);
  const observed = await ports.platform(app.platform).observe(ref);
  const versions = Object.entries(weights).flatMap(([id, weight]) => {
    const endpoints = observed.find((version) => version.version === id)?.endpoints ?? [];
    if (endpoints.length > 0) return [{ id, weight, endpoints }];
    if (weight === 0) return [];
    throw new OutsideError(
      'VERSION_GONE',
      `${app.app}: version ${id} should get ${weight} % of the traffic, but ${app.platform} has no running copy of it`,
    );
  });
  const intent: EdgeIntent = { app: edgeKey(ref), fence: context.fence, routes: app.routes, versions, sticky: app.sticky };
  const edge = await ports.edge(context.environment);
  const result = await edge.apply(intent);
  assertWeights(app, Object.fromEntries(versions.map(({ id, weight }) => [id, weight])), weightsOf(result));
  return result;
}

export function weightsOf(observation: EdgeObservation): Weights {
  return Object.fromEntries(observation.versions.map(({ id, weight }) => [id, weight]));
}

/** Invariant 3: what counts is what the data plane does, not what it was told. */
export function assertWeights(app: PlannedApp, wanted: Weights, seen: Weights): void {
  const ids = new Set([...Object.keys(wanted), ...Object.keys(seen)]);
  for (const id of ids) {
    if (Math.abs((wanted[id] ?? 0) - (seen[id] ?? 0)) > 0.05) {
      throw new OutsideError(
        'WEIGHT_NOT_REACHED',
        `${app.app}: version ${id} should have ${wanted[id] ?? 0} % of the traffic but has ${seen[id] ?? 0} %`,
      );
    }
  }
}
