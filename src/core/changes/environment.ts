import type { Governance } from '../access/governance.ts';
import type { EdgeRoute, EdgeRules, Sticky } from '../app/traffic.ts';
import type { HealthSpec, RunSpec } from '../app/run.ts';
import type { AppDeadlines, BuildSpec, Concurrency, ReleaseDeadlines, SmokeSpec, Strategy } from '../release/plan/plan.ts';

/** One environment with every setting decided: defaults filled in, overrides applied, durations in ms. */
export interface ResolvedEnvironment {
  readonly workspace: string;
  readonly name: string;
  /**
   * What uncommitted changes mean here: `include` builds a snapshot of the working tree, `ignore` builds
   * the last commit, `refuse` makes no plan while there are any.
   */
  readonly uncommitted: 'include' | 'ignore' | 'refuse';
  readonly deadlines: ReleaseDeadlines;
  readonly edge: EdgeSettings;
  /** Left out: no rules. */
  readonly governance?: Governance;
  /** In dependency order; apps that do not depend on each other in the order of their names. */
  readonly apps: readonly ResolvedApp[];
}

export interface EdgeSettings {
  readonly kind: 'embedded' | 'haproxy';
  /** Port that users reach; 0 = any free one. */
  readonly port: number;
  readonly sticky: Sticky;
  readonly rules: EdgeRules;
}

export interface ResolvedApp {
  readonly app: string;
  /** Inside the workspace, POSIX separators, `.` = all of it. */
  readonly path: string;
  readonly platform: string;
  readonly dependsOn: readonly string[];
  readonly build: BuildSpec;
  readonly run: RunSpec;
  readonly health: HealthSpec | null;
  readonly smoke: SmokeSpec | null;
  readonly routes: readonly EdgeRoute[];
  readonly sticky: Sticky;
  readonly strategy: Strategy;
  readonly deadlines: AppDeadlines;
  readonly concurrency: Concurrency;
  /** Has checks or gates, which come first in a release. */
  readonly checked?: boolean;
}
