import { DEFAULT_RULES } from '../../src/core/edge/rules.ts';
import type { Governance } from '../../src/core/access/governance.ts';
import type { Planner } from '../../src/services/planning/planner.ts';
import type { ResolvedApp, ResolvedEnvironment } from '../../src/core/changes/environment.ts';
import { UserError } from '../../src/core/errors.ts';
import { makePlan } from '../../src/core/release/plan/make-plan.ts';
import { makePromotionPlan } from '../../src/core/release/plan/make-promotion.ts';
import { makeRetryPlan, makeRollbackPlan } from '../../src/core/release/plan/make-rollback.ts';
import type { Strategy } from '../../src/core/release/plan/plan.ts';

export interface MemoryPlanner extends Planner {
  /** App → what its sources are now; change it to make a change. */
  readonly sources: Map<string, string>;
  readonly strategies: Map<string, Strategy>;
  /** Environment → its rules. */
  readonly rules: Map<string, Governance>;
}

const ENVIRONMENTS = ['development', 'staging', 'production'];

/** Plans as the real planner makes them, for a workspace that exists in memory only. */
export function memoryPlanner(
  apps: Readonly<Record<string, { readonly dependsOn?: readonly string[]; readonly worker?: boolean }>> = { web: {} },
): MemoryPlanner {
  const sources = new Map(Object.keys(apps).map((app) => [app, 'one']));
  const strategies = new Map<string, Strategy>();
  const rules = new Map<string, Governance>();
  const environment = async (name: string): Promise<ResolvedEnvironment> => {
    if (!ENVIRONMENTS.includes(name))
      throw new UserError(
        'UNKNOWN_ENVIRONMENT',
        `There is no environment "${name}".`,
        `Environments of this workspace: ${ENVIRONMENTS.join(', ')}.`,
      );
    const governance = rules.get(name);
    return {
      workspace: 'shop',
      name,
      uncommitted: 'ignore',
      deadlines: { queueMs: 60_000, pauseMs: 60_000, rollbackMs: 3_000 },
      edge: { kind: 'embedded', port: 0, sticky: { by: 'cookie' }, rules: DEFAULT_RULES },
      ...(governance === undefined ? {} : { governance }),
      apps: Object.entries(apps).map(([app, { dependsOn = [], worker = false }]) =>
        resolvedApp(app, dependsOn, worker, strategies.get(app)),
      ),
    };
  };
  const fingerprints = (): Map<string, string> => new Map([...sources].map(([app, content]) => [app, `${app}:${content}`]));
  return {
    sources,
    strategies,
    rules,
    environments: async () => ENVIRONMENTS,
    environment,
    async plan({ environment: name, manifest, only, force, liftHold, breakGlass }) {
      return makePlan({
        environment: await environment(name),
        source: { commit: commitOf([...sources.values()].join()), branch: 'main', dirty: false },
        fingerprints: fingerprints(),
        manifest,
        ...(only === undefined ? {} : { only }),
        ...(force === undefined ? {} : { force }),
        ...(liftHold === undefined ? {} : { liftHold }),
        ...(breakGlass === undefined ? {} : { breakGlass }),
      });
    },
    async rollback({ environment: name, manifest, apps: asked, to }) {
      return makeRollbackPlan({
        environment: await environment(name),
        manifest,
        apps: asked ?? Object.keys(manifest.apps),
        ...(to === undefined ? {} : { to }),
      });
    },
    promote: async ({ to, manifest, from, only, breakGlass }) =>
      makePromotionPlan({
        environment: await environment(to),
        manifest,
        from,
        ...(only === undefined ? {} : { only }),
        ...(breakGlass === undefined ? {} : { breakGlass }),
      }),
    retry: async ({ plan, manifest }) => makeRetryPlan(plan, manifest, await environment(plan.environment)),
    notices: async () => [],
  };
}

function resolvedApp(app: string, dependsOn: readonly string[], worker: boolean, strategy: Strategy | undefined): ResolvedApp {
  return {
    app,
    path: `apps/${app}`,
    platform: 'processes',
    dependsOn,
    build: { command: ['npm', 'run', 'build'], output: 'dist', env: {} },
    run: { command: ['node', 'main.js'], env: { TOKEN: { fromEnv: 'TOKEN' } }, instances: 1, listens: !worker, drainMs: 100 },
    health: worker ? null : { path: '/up', intervalMs: 10, timeoutMs: 100 },
    smoke: null,
    routes: worker ? [] : [{ host: null, pathPrefix: `/${app}` }],
    sticky: { by: 'cookie' },
    strategy: strategy ?? { kind: 'allAtOnce', soakMs: 0 },
    deadlines: { buildMs: 5_000, healthyMs: 1_000, smokeMs: 1_000, progressMs: 5_000 },
    concurrency: 'queue',
  };
}

function commitOf(content: string): string {
  return Buffer.from(content).toString('hex').padEnd(40, '0').slice(0, 40);
}

/** 5 % for a moment, judged by errors, then all. */
export function canary(options: { readonly bakeMs?: number; readonly pause?: boolean; readonly minRequests?: number } = {}): Strategy {
  return {
    kind: 'canary',
    steps: [
      { kind: 'weight', weight: 5 },
      ...(options.pause === true ? [{ kind: 'pause', forMs: null } as const] : []),
      { kind: 'bake', forMs: options.bakeMs ?? 60 },
    ],
    soakMs: 0,
    analysis: {
      judge: 'threshold',
      intervalMs: 20,
      initialDelayMs: 0,
      noData: 'inconclusive',
      minRequests: options.minRequests ?? 1,
      metrics: [
        {
          name: 'errors',
          measure: { kind: 'errorRate' },
          success: { compare: '<', value: 0.01, of: 'candidate' },
          failure: { compare: '>=', value: 0.01, of: 'candidate' },
          failureLimit: 0,
          inconclusiveLimit: 100,
          consecutiveErrorLimit: 4,
          consecutiveSuccessLimit: 0,
          minRequests: 1,
          dryRun: false,
        },
      ],
    },
  };
}
