import type { AutoSteps } from '../../core/analysis/policy.ts';
import { suggestion } from '../../core/text/did-you-mean.ts';
import type { ResolvedApp, ResolvedEnvironment } from '../../core/changes/environment.ts';
import { inDependencyOrder } from '../../core/changes/order.ts';
import { UserError } from '../../core/errors.ts';
import type { AppDeadlines, BuildSpec, SmokeSpec, Step, Strategy } from '../../core/release/plan/plan.ts';
import type { EdgeRoute, Sticky } from '../../core/app/traffic.ts';
import type { HealthSpec, RunSpec } from '../../core/app/run.ts';
import { analysisOf, expandAnalysis, namedAnalysesOf } from './analysis.ts';
import { governanceOf } from './approvals.ts';
import { DEFAULTS as D } from '../schema/defaults.ts';
import { edgeRulesOf } from '../schema/edge.ts';
import type { ExpandedApp } from './expand.ts';
import { expand, merge } from './expand.ts';
import { environmentNames, environmentOf, normalPath } from '../schema/names.ts';
import type { AppConfig, Config, EnvironmentConfig } from '../schema/workspace.ts';
import { defined, ms, parseRoute, parseStatus, route, splitArgv } from '../schema/values.ts';

export { environmentNames, environmentOf, normalPath } from '../schema/names.ts';

/**
 * Every setting of one environment, decided. Expects a configuration that `loadConfig` accepted.
 * @throws UserError `UNKNOWN_ENVIRONMENT`.
 */
export function resolveEnvironment(config: Config, name: string): ResolvedEnvironment {
  const names = environmentNames(config);
  if (!names.includes(name)) {
    throw new UserError(
      'UNKNOWN_ENVIRONMENT',
      `There is no environment "${name}".${suggestion(name, names)}`,
      `Environments of this workspace: ${names.join(', ') || 'none'}.`,
    );
  }
  const environment = environmentOf(config, name);
  const deadlines = merge<Record<string, string | number>>({ ...D.releaseDeadlines }, environment.deadlines);
  const sticky = stickyOf(environment.edge?.sticky ?? D.edge.sticky);
  const order = inDependencyOrder(Object.entries(config.apps).map(([app, { dependsOn = [] }]) => ({ name: app, dependsOn })));
  return {
    workspace: config.workspace,
    name,
    uncommitted: environment.uncommitted ?? (name === 'development' ? 'include' : 'ignore'),
    deadlines: { queueMs: ms(deadlines['queue']), pauseMs: ms(deadlines['pause']), rollbackMs: ms(deadlines['rollback']) },
    edge: {
      kind: environment.edge?.kind ?? D.edge.kind,
      port: environment.edge?.port ?? D.edge.port,
      sticky,
      rules: edgeRulesOf(environment.edge),
    },
    governance: governanceOf(config, environment),
    apps: order.flatMap((app) => {
      const own = config.apps[app];
      return own === undefined ? [] : [resolveApp(app, own, mergedApp(own, environment, app), sticky)];
    }),
  };
}

/** One app's settings with an environment's differences applied: environment, then app, then the app in the environment. */
export function mergedApp(own: AppConfig, environment: EnvironmentConfig, app: string): ExpandedApp {
  const overrides = environment.apps?.[app] ?? {};
  const { path: _path, dependsOn: _dependsOn, ...settings } = own;
  const base: ExpandedApp = {
    ...(environment.concurrency === undefined ? {} : { concurrency: environment.concurrency }),
    ...(environment.env === undefined ? {} : { run: { env: environment.env } }),
    ...(environment.analysis === undefined ? {} : { analysis: expandAnalysis(environment.analysis) }),
  };
  const merged = merge(merge(base, expand(settings)), expand(overrides));
  const general = environment.strategy;
  if (general === undefined || overrides.strategy !== undefined || kindOf(own.strategy) === 'recreate') return merged;
  return { ...merged, strategy: general };
}

export function kindOf(strategy: AppConfig['strategy']): Strategy['kind'] {
  return typeof strategy === 'string' ? strategy : (strategy?.kind ?? D.strategy);
}

function resolveApp(app: string, own: AppConfig, merged: ExpandedApp, sticky: Sticky): ResolvedApp {
  const routes = routesOf(merged.routes);
  const health = healthOf(merged.health);
  return {
    app,
    path: normalPath(own.path),
    platform: merged.platform ?? D.platform,
    dependsOn: [...new Set(own.dependsOn)].toSorted(),
    build: buildOf(merged.build),
    run: runOf(merged.run, routes.length > 0 || health !== null),
    health,
    smoke: smokeOf(merged.smoke, health),
    routes,
    sticky: merged.sticky === undefined ? sticky : stickyOf(merged.sticky),
    strategy: strategyOf(merged.strategy ?? D.strategy, merged),
    deadlines: deadlinesOf(merged.deadlines),
    concurrency: merged.concurrency ?? D.concurrency,
    ...(own.checks === undefined && own.gates === undefined ? {} : { checked: true }),
  };
}

function argvOf(command: string | readonly string[] | undefined): string[] {
  return typeof command === 'string' ? (splitArgv(command) ?? []) : [...(command ?? [])];
}

function buildOf(build: ExpandedApp['build']): BuildSpec {
  const command = argvOf(build?.command);
  return {
    command: command.length === 0 ? null : command,
    output: build?.output === '/' ? '/' : normalPath(build?.output ?? D.build.output),
    env: build?.env ?? {},
  };
}

function runOf(run: ExpandedApp['run'], reachable: boolean): RunSpec {
  return {
    command: argvOf(run?.command),
    env: run?.env ?? {},
    instances: run?.instances ?? D.run.instances,
    listens: run?.listens ?? reachable,
    drainMs: ms(run?.drain ?? D.run.drain),
  };
}

function healthOf(health: ExpandedApp['health']): HealthSpec | null {
  if (health === undefined || health === false) return null;
  const statuses = [health.status ?? []].flat().flatMap((status) => parseStatus(status) ?? []);
  return {
    path: health.path ?? D.health.path,
    intervalMs: ms(health.interval ?? D.health.interval),
    timeoutMs: ms(health.timeout ?? D.health.timeout),
    ...(health.host === undefined ? {} : { host: health.host.toLowerCase() }),
    ...(statuses.length === 0 ? {} : { statuses }),
  };
}

function smokeOf(smoke: ExpandedApp['smoke'], health: HealthSpec | null): SmokeSpec | null {
  if (smoke === undefined || smoke === false) return null;
  const command = argvOf(smoke.command);
  const host = smoke.host?.toLowerCase() ?? health?.host;
  return {
    command: command.length === 0 ? null : command,
    paths: smoke.paths ?? [],
    timeoutMs: ms(smoke.timeout ?? D.smoke.timeout),
    ...(host === undefined ? {} : { host }),
  };
}

export function routesOf(routes: AppConfig['routes']): EdgeRoute[] {
  return (routes ?? []).flatMap((entry) => {
    const parsed = typeof entry === 'string' ? parseRoute(entry) : route(entry.host ?? null, entry.path ?? '/');
    return parsed === null ? [] : [parsed];
  });
}

function stickyOf(sticky: NonNullable<AppConfig['sticky']>): Sticky {
  return typeof sticky === 'string' ? { by: sticky } : { by: 'header', header: sticky.header.toLowerCase() };
}

function deadlinesOf(deadlines: ExpandedApp['deadlines']): AppDeadlines {
  const { build, healthy, smoke, progress } = { ...D.deadlines, ...defined(deadlines) };
  return { buildMs: ms(build), healthyMs: ms(healthy), smokeMs: ms(smoke), progressMs: ms(progress) };
}

/** Every key any of the strategies has; the schema has seen to it that only fitting ones are there. */
interface StrategyConfig {
  readonly kind: Strategy['kind'];
  readonly soak?: string | number | undefined;
  readonly confirm?: boolean | undefined;
  readonly bake?: string | number | undefined;
  readonly steps?: 'auto' | readonly StepConfig[] | undefined;
  readonly auto?: AutoConfig | undefined;
}

function strategyOf(strategy: NonNullable<AppConfig['strategy']>, { analysis, analyses }: ExpandedApp): Strategy {
  const said: StrategyConfig = typeof strategy === 'string' ? { kind: strategy } : strategy;
  const { kind } = said;
  if (kind === 'recreate') return { kind };
  const soakMs = ms(said.soak ?? D.soak);
  if (kind === 'allAtOnce') return { kind, soakMs };
  const judged = { analysis: analysisOf(analysis, kind), ...namedAnalysesOf(analyses, kind), soakMs };
  if (kind === 'canary') {
    const { steps = D.steps } = said;
    return {
      kind,
      steps: (steps === 'auto' ? D.steps : steps).flatMap(stepsOf),
      ...(steps === 'auto' ? { auto: autoOf(said.auto) } : {}),
      ...judged,
    };
  }
  return { kind, confirm: said.confirm ?? D.blueGreen.confirm, bakeMs: ms(said.bake ?? D.blueGreen.bake), ...judged };
}

interface AutoConfig {
  readonly harm?: number | undefined;
  readonly longest?: string | number | undefined;
  readonly requestsPerSecond?: number | undefined;
}

function autoOf({ harm = D.auto.harm, longest = D.auto.longest, requestsPerSecond }: AutoConfig = {}): AutoSteps {
  return { harm, longestMs: ms(longest), requestsPerSecond: requestsPerSecond ?? null };
}

type StepConfig =
  | number
  | {
      readonly weight?: number | undefined;
      readonly bake?: string | number | undefined;
      readonly pause?: true | string | number | undefined;
    };

function stepsOf(step: StepConfig): Step[] {
  if (typeof step === 'number') return [{ kind: 'weight', weight: step }];
  return [
    ...(step.weight === undefined ? [] : [{ kind: 'weight', weight: step.weight } as const]),
    ...(step.bake === undefined ? [] : [{ kind: 'bake', forMs: ms(step.bake) } as const]),
    ...(step.pause === undefined ? [] : [{ kind: 'pause', forMs: step.pause === true ? null : ms(step.pause) } as const]),
  ];
}
