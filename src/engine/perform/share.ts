import { UserError } from '../../core/errors.ts';
import type { Effect } from '../../core/release/runbook/effects.ts';
import type { ReleaseEvent } from '../../core/release/state/events.ts';
import type { PlannedApp, VersionRef } from '../../core/release/plan/plan.ts';
import { instancesFor } from '../../core/rollout/steps.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Platform } from '../../ports/platform.ts';
import type { PerformContext } from '../runbook.ts';
import { targetOf } from './target.ts';

const LOOK_MS = 100;

/**
 * The share of a worker's instances that a weight means: the new version gets the first numbers, the old one keeps the
 * others. The version that loses instances goes first, so that no number (no partition of a queue) is ever served twice.
 */
export async function shareInstances(
  platform: Platform,
  { app, versions, weights }: Extract<Effect, { kind: 'shift' }>,
  context: PerformContext,
  clock: Clock,
): Promise<ReleaseEvent[]> {
  const candidate = versions.at(-1);
  if (candidate === undefined) return [];
  const weight = weights[candidate.id] ?? 0;
  const mine = numbers(0, instancesFor(weight, candidate.run.instances));
  const others = versions.slice(0, -1).map((version) => {
    const all = version.run.instances;
    return { version, instances: numbers(instancesFor(weight, all), all) };
  });
  const parts = [...others, { version: candidate, instances: mine }];
  for (const { version, instances } of weight > 0 ? parts : parts.toReversed()) await shareOf(platform, app, version, instances, context);
  const reason = weight > 0 ? await sickness(platform, app, candidate, context, clock) : null;
  if (reason !== null) return [{ type: 'VersionUnhealthy', app: app.app, version: candidate.id, reason }];
  return [{ type: 'WeightsShifted', app: app.app, weights, toProve: false }];
}

/** @throws UserError `CANARY_UNSUPPORTED` */
export async function shareOf(
  platform: Platform,
  app: PlannedApp,
  version: VersionRef,
  instances: readonly number[],
  context: PerformContext,
): Promise<void> {
  if (platform.share === undefined)
    throw new UserError(
      'CANARY_UNSUPPORTED',
      `${app.app} has no routes, and ${platform.name} cannot run part of a version's instances`,
      'Use the strategy recreate or allAtOnce for it.',
    );
  await platform.share(targetOf(app, version, context), instances, context.signal);
}

/** Why what was just started does not become healthy; null when it does. */
async function sickness(
  platform: Platform,
  app: PlannedApp,
  version: VersionRef,
  context: PerformContext,
  clock: Clock,
): Promise<string | null> {
  const until = clock.now() + app.deadlines.healthyMs;
  for (;;) {
    const health = await platform.health(targetOf(app, version, context), context.signal);
    context.signal.throwIfAborted();
    if (health.state === 'healthy') return null;
    if (health.state === 'failed' || clock.now() >= until) return health.reason;
    await clock.sleep(LOOK_MS, context.signal);
    context.signal.throwIfAborted();
  }
}

function numbers(from: number, until: number): number[] {
  return Array.from({ length: Math.max(0, until - from) }, (_, i) => from + i);
}
