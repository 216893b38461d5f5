import { expect, it } from 'vitest';
import { planOf } from '../../../test/engine/world.ts';
import type { Plan } from '../../core/release/plan/plan.ts';
import { planPipeline, type PlanStep } from './pipeline.ts';
import type { Planner } from './planner.ts';

const MANIFEST = { environment: 'production', apps: {} };

/** What each part of the pipeline was asked, in order, and on the plan of which part before it. */
function recorded() {
  const asked: string[] = [];
  const note =
    (what: string) =>
    async (plan: Plan): Promise<Plan> => {
      asked.push(`${what} after ${plan.workspace}`);
      return { ...plan, workspace: what };
    };
  const step = (name: string): PlanStep => ({
    check: async (environment) => void asked.push(`${name} checks ${environment}`),
    deploy: note(`${name} deploy`),
    rollback: note(`${name} rollback`),
    notices: async (environment, plan) => [`${name} of ${environment}${plan === undefined ? '' : ' and its plan'}`],
  });
  const base = {
    plan: async () => note('plan')(planOf(['web'])),
    rollback: async () => note('rollback')(planOf(['web'])),
    notices: async () => ['base'],
  } as unknown as Planner;
  return { asked, base, step };
}

it('hands a plan from step to step in order, and asks every step for its refusal before anything is read', async () => {
  const { asked, base, step } = recorded();
  const planner = planPipeline({ base, canarySteps: step('steps'), gates: step('gates'), schema: step('schema') });
  expect((await planner.plan({ environment: 'production', manifest: MANIFEST })).workspace).toBe('steps deploy');
  expect(asked.slice(0, 3)).toEqual(['schema checks production', 'gates checks production', 'steps checks production']);
  expect(asked.slice(4)).toEqual(['schema deploy after plan', 'gates deploy after schema deploy', 'steps deploy after gates deploy']);
});

it('hands a rollback through the steps that change rollbacks, and leaves it as it is where a step has nothing to say', async () => {
  const { asked, base, step } = recorded();
  const planner = planPipeline({ base, schema: step('schema'), gates: {}, canarySteps: {} });
  expect((await planner.rollback({ environment: 'production', manifest: MANIFEST })).workspace).toBe('schema rollback');
  expect(asked.slice(1)).toEqual(['schema rollback after rollback']);
});

it('gives the notices of every step, in order, after those of the workspace', async () => {
  const { base, step } = recorded();
  const planner = planPipeline({ base, schema: step('schema'), gates: {}, canarySteps: step('steps') });
  expect(await planner.notices('production')).toEqual(['base', 'schema of production', 'steps of production']);
  expect(await planner.notices('production', planOf(['web']))).toEqual([
    'base',
    'schema of production and its plan',
    'steps of production and its plan',
  ]);
});
