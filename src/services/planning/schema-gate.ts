import { type Plan, withHash } from '../../core/release/plan/plan.ts';
import type { PlanStep } from './pipeline.ts';

export interface SchemaGateParts {
  databases(environment: string): Promise<readonly { readonly apps: readonly string[] }[]>;
  notices(environment: string): readonly string[];
}

/** Rollback plans ask the schema first, where there is one to ask; what migrations lock is said beside a plan. */
export function schemaGate(migrations: SchemaGateParts): PlanStep {
  return {
    async rollback(plan: Plan) {
      const used = (await migrations.databases(plan.environment)).some(({ apps }) => plan.apps.some(({ app }) => apps.includes(app)));
      return used ? withHash({ ...plan, schemaGate: { deadlineMs: GATE_MS } }) : plan;
    },
    notices: async (environment) => migrations.notices(environment),
  };
}

/** The gate reads two tables. */
const GATE_MS = 60_000;
