import type { Plan } from '../../core/release/plan/plan.ts';

/** A variable that a configuration names with `fromEnv`; never its value. */
export interface Variable {
  readonly name: string;
  /** Apps that take it; empty: the control plane itself. */
  readonly apps: readonly string[];
  /** Where its value is found: `caller`, a `.env` file, `kept` from an earlier deploy, or `control plane`; null: nowhere. */
  readonly from: string | null;
  /** Whether its value is taken out of logs and answers: short and everyday ones are not. */
  readonly isHidden: boolean;
}

/** Values of the variables that configurations name with `fromEnv`. */
export interface VariablesPort {
  /** Those that an environment may take. */
  wanted(environment: string): Promise<readonly Variable[]>;
  offer(environment: string, values: Readonly<Record<string, string>>): Promise<void>;
  /** Those that the apps of a plan take. */
  of(plan: Plan): readonly Variable[];
}
