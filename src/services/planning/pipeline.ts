import type { Plan } from '../../core/release/plan/plan.ts';
import type { Planner } from './planner.ts';

/** One step of a plan after its sources, changes and data stages are known. Each part of it is optional. */
export interface PlanStep {
  /** Refuses a plan that could never work. Asked before anything is read. */
  check?(environment: string): Promise<void>;
  /** Changes the plan of a deploy. */
  deploy?(plan: Plan): Promise<Plan>;
  /** Changes the plan of a rollback. */
  rollback?(plan: Plan): Promise<Plan>;
  /** What a person should know about the environment, or about this plan of it, one sentence each. */
  notices?(environment: string, plan: Plan | undefined): Promise<readonly string[]>;
}

/** In this order: every step has its place here, and is left out where nothing can perform it. */
export interface PlanSteps {
  /** Sources, changes, stages of data, authors. */
  readonly base: Planner;
  /** What the schema says of a rollback, and what migrations lock. */
  readonly schema: PlanStep;
  /** What checks and gates came to on these sources. */
  readonly gates: PlanStep;
  /** Steps of a canary for the traffic seen. */
  readonly canarySteps: PlanStep;
}

/** The planner whose plans go through every step, in order. */
export function planPipeline({ base, schema, gates, canarySteps }: PlanSteps): Planner {
  const steps: readonly PlanStep[] = [schema, gates, canarySteps];
  return {
    ...base,
    async plan(request) {
      for (const step of steps) await step.check?.(request.environment);
      let plan = await base.plan(request);
      for (const step of steps) plan = (await step.deploy?.(plan)) ?? plan;
      return plan;
    },
    async rollback(request) {
      let plan = await base.rollback(request);
      for (const step of steps) plan = (await step.rollback?.(plan)) ?? plan;
      return plan;
    },
    async notices(environment, plan) {
      const found = [...(await base.notices(environment, plan))];
      for (const step of steps) found.push(...((await step.notices?.(environment, plan)) ?? []));
      return found;
    },
  };
}
