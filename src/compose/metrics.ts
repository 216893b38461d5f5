import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { metricSources } from '../adapters/metrics/index.ts';
import { createOtlpIntake, type OtlpIntake } from '../adapters/metrics/otlp-intake.ts';
import type { PlanStep } from '../services/planning/pipeline.ts';
import type { Planner } from '../services/planning/planner.ts';
import type { ResolvedApp } from '../core/changes/environment.ts';
import type { SourceSettings } from '../core/analysis/reading.ts';
import { stepsForTraffic } from '../services/planning/canary-steps.ts';
import type { Edge } from '../ports/edge.ts';
import type { MetricSource } from '../ports/metric-source.ts';

export interface MetricsOptions {
  readonly workspace: string;
  /** Where the `processes` platform keeps its apps. */
  readonly appsDir: string;
  readonly edge: (environment: string) => Promise<Edge>;
  readonly env: NodeJS.ProcessEnv;
  /** What jobs inherit: no secrets. */
  readonly jobEnv: NodeJS.ProcessEnv;
}

export interface Metrics {
  readonly source: (kind: string) => MetricSource;
  readonly intake: OtlpIntake;
  /** Refuses plans whose metric sources could never be read, and says beside others what the traffic allows to be seen. */
  readonly canarySteps: (environment: Planner['environment']) => PlanStep;
}

/** Where analyses have their numbers from. */
export function createMetrics({ workspace, appsDir, edge, env, jobEnv }: MetricsOptions): Metrics {
  const now = () => Date.now();
  const intake = createOtlpIntake({ now, epoch: randomUUID() });
  const stats = async (environment: string, app: string) => (await edge(environment)).stats(`${environment}/${app}`);
  const traffic = stepsForTraffic({ stats, now });
  const source = metricSources({
    dir: workspace,
    logFolder: join(appsDir, '{{environment}}', '{{app}}', '{{version}}', 'logs'),
    env,
    jobEnv,
    intake,
    now,
    stats,
  });
  return {
    source,
    intake,
    canarySteps: (environment) => ({
      async check(name) {
        const { apps } = await environment(name);
        for (const settings of apps.flatMap(sourcesOf)) source(settings.kind).check(settings);
      },
      deploy: traffic.choose,
      notices: async (_environment, plan) => (plan === undefined ? [] : traffic.notices(plan)),
    }),
  };
}

function sourcesOf({ strategy }: ResolvedApp): SourceSettings[] {
  if (strategy.kind !== 'canary' && strategy.kind !== 'blueGreen') return [];
  const policies = [...(strategy.analysis === null ? [] : [strategy.analysis]), ...(strategy.analyses ?? []).map((one) => one.policy)];
  return policies.flatMap((policy) => (policy.source === undefined ? [] : [policy.source]));
}
