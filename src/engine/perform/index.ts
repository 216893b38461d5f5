import { OutsideError } from '../../core/errors.ts';
import type { Effect } from '../../core/release/runbook/effects.ts';
import type { ReleaseEvent } from '../../core/release/state/events.ts';
import { violation } from '../../core/release/runbook/guards.ts';
import type { PerformContext, Performer } from '../runbook.ts';
import { performBuild } from './build.ts';
import { performCollect } from './collect.ts';
import { performDeploy } from './deploy.ts';
import type { PerformPorts } from './ports.ts';
import { performProbe } from './probe.ts';
import { performRetire } from './retire.ts';
import { performShift } from './shift.ts';
import { performSmoke } from './smoke.ts';
import { performStage } from './stages.ts';
import { performVerify } from './verify.ts';

export type { BackupStage, MigrationStage, PerformPorts, ProjectionStage, StageRequest } from './ports.ts';

/** Carries out effects through ports: guard, deadline, then the performer of its kind. */
export function createPerformer(ports: PerformPorts): Performer {
  return {
    async perform(effect, context) {
      const broken = violation(context.state, effect);
      if (broken !== null) throw new Error(`refused to ${effect.kind}: ${broken}`);
      return withDeadline(ports, effect, context, (bounded) => dispatch(ports, effect, bounded));
    },
  };
}

function dispatch(ports: PerformPorts, effect: Effect, context: PerformContext): Promise<readonly ReleaseEvent[]> {
  switch (effect.kind) {
    case 'build':
      return performBuild(ports, effect, context);
    case 'deploy':
      return performDeploy(ports, effect, context);
    case 'verify':
      return performVerify(ports, effect, context);
    case 'smoke':
      return performSmoke(ports, effect, context);
    case 'probe':
      return performProbe(ports, effect, context);
    case 'shift':
      return performShift(ports, effect, context);
    case 'collect':
      return performCollect(ports, effect, context);
    case 'retire':
      return performRetire(ports, effect, context);
    case 'record':
    case 'reserve':
    case 'unreserve':
      throw new Error(`${effect.kind} is the engine's own work`);
    default:
      return performStage(ports.stages ?? {}, effect, context);
  }
}

/** Nothing waits for ever (invariant 4): at the deadline the effect is interrupted and counts as failed, even if it does not listen. */
async function withDeadline<T>(
  ports: PerformPorts,
  effect: Effect,
  context: PerformContext,
  run: (context: PerformContext) => Promise<T>,
): Promise<T> {
  const done = new AbortController();
  const late = new AbortController();
  const signal = AbortSignal.any([context.signal, late.signal]);
  const expiry = ports.clock.sleep(Math.max(0, effect.deadline - ports.clock.now()), done.signal).then(() => {
    if (done.signal.aborted) return new Promise<never>(() => {});
    const error = new OutsideError(
      'EFFECT_TIMEOUT',
      `${effect.kind}${effect.lane === '' ? '' : ` of ${effect.lane}`} was not done in time`,
    );
    late.abort(error);
    throw error;
  });
  try {
    return await Promise.race([run({ ...context, signal }), expiry]);
  } finally {
    done.abort();
  }
}
