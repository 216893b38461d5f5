import type { AnalysisPolicy, MetricPolicy } from '../../src/core/analysis/policy.ts';
import {
  type Concurrency,
  type PlannedApp,
  type Step,
  type Strategy,
  type VersionRef,
  versionId,
  withHash,
  type Plan,
} from '../../src/core/release/plan/plan.ts';
import { judgedBy } from './judges.ts';
import type { Random } from './random.ts';
import { type StagedRelease, stagedOf } from './staged.ts';

/** How one version of one app behaves in the simulated world. */
export interface Behaviour {
  readonly build: 'ok' | 'broken' | 'flaky';
  readonly startMs: number;
  readonly healthy: boolean;
  readonly smoke: boolean;
  readonly errorRate: number;
  /** Healthy until it has all traffic, then dead. */
  readonly dies: boolean;
  /** How long after its first traffic users begin to get 502 of it through the edge, although it is healthy, ms; null: never. */
  readonly unreachableAfterMs: number | null;
  /** Times that the outside fails before a call works; Infinity = never works. */
  readonly failures: { readonly deploy: number; readonly shift: number; readonly retire: number };
  /** Requests per second to the whole app; 0 = no traffic at all. */
  readonly traffic: number;
  /** The metrics source is down for the whole of the rollout. */
  readonly metricsDown: boolean;
}

export interface Scenario {
  readonly apps: readonly string[];
  /** Apps without routes. */
  readonly workers: readonly string[];
  readonly initial: Readonly<Record<string, VersionRef | null>>;
  readonly releases: readonly ScenarioRelease[];
  readonly crashes: readonly number[];
}

export interface ScenarioRelease {
  /** What comes before its rollouts; null: nothing. */
  readonly staged: StagedRelease | null;
  readonly id: string;
  readonly at: number;
  readonly plan: Plan;
  readonly behaviours: Readonly<Record<string, Behaviour>>;
  readonly commands: readonly { readonly after: number; readonly kind: 'promote' | 'full' | 'pause' | 'resume' | 'abort' }[];
}

const RUN = { command: ['run'], env: { TOKEN: { fromEnv: 'TOKEN' } }, instances: 1, listens: true, drainMs: 1_000 } as const;
const HEALTH = { path: '/up', intervalMs: 1_000, timeoutMs: 5_000 } as const;

export function versionOf(app: string, release: string): VersionRef {
  const artifact = `sha256:${app}-${release}`;
  return { id: versionId(artifact, RUN, HEALTH), artifact, commit: release, run: RUN, health: HEALTH };
}

/** A random story: plans, faults, people's commands and crashes of the control plane. */
export function scenarioOf(
  random: Random,
  options: {
    readonly crashes: boolean;
    readonly commands: boolean;
    readonly stages?: Random;
    readonly judges?: Random;
    readonly reach?: Random;
  },
): Scenario {
  const apps = Array.from({ length: random.int(1, 4) }, (_, index) => `app${index}`);
  const dependsOn = Object.fromEntries(apps.map((app, index) => [app, apps.slice(0, index).filter(() => random.chance(0.4))]));
  const initial = Object.fromEntries(apps.map((app) => [app, random.chance(0.75) ? versionOf(app, 'r0') : null]));
  const workers = apps.filter(() => random.chance(0.2));
  const count = random.chance(0.3) ? random.int(2, 3) : 1;
  const releases = Array.from({ length: count }, (_, index) => releaseOf(random, index, { apps, workers, initial }, dependsOn, options));
  const crashes = options.crashes ? Array.from({ length: random.int(0, 6) }, () => random.int(0, 60_000)).toSorted((a, b) => a - b) : [];
  return { apps, workers, initial, releases, crashes };
}

function releaseOf(
  random: Random,
  index: number,
  { apps, workers, initial }: Pick<Scenario, 'apps' | 'workers' | 'initial'>,
  dependsOn: Readonly<Record<string, readonly string[]>>,
  options: { readonly commands: boolean; readonly stages?: Random; readonly judges?: Random; readonly reach?: Random },
): ScenarioRelease {
  const id = `r${index + 1}`;
  const chosen = apps.filter(() => random.chance(0.8));
  const names = chosen.length === 0 ? [apps[0] as string] : chosen;
  const usual = names.map((name) =>
    plannedApp(
      random,
      name,
      (dependsOn[name] ?? []).filter((other) => names.includes(other)),
      workers.includes(name),
      initial[name] ?? null,
    ),
  );
  // Of a randomness of their own, so that stories without stages, or other judges, stay as they are.
  const planned = usual.map((app) => (options.judges === undefined ? app : judgedBy(options.judges, app)));
  const staged = options.stages === undefined ? null : stagedOf(options.stages);
  const plan = withHash({
    ...staged?.stages,
    schema: 1,
    workspace: 'simulated',
    environment: 'production',
    kind: 'deploy',
    source: { commit: id, branch: null, dirty: false },
    apps: planned,
    unchanged: [],
    deadlines: { queueMs: 600_000, pauseMs: 60_000, rollbackMs: 30_000 },
  });
  const commands = options.commands && random.chance(0.5) ? Array.from({ length: random.int(1, 4) }, () => command(random)) : [];
  const behaviours = Object.fromEntries(names.map((name) => [name, reached(behaviour(random), options.reach)]));
  const at = index === 0 ? 0 : random.int(0, 40_000);
  return { id, at, plan, staged, behaviours, commands: commands.toSorted((a, b) => a.after - b.after) };
}

function plannedApp(random: Random, app: string, dependsOn: readonly string[], isWorker: boolean, stable: VersionRef | null): PlannedApp {
  const strategy: Strategy = isWorker
    ? random.chance(0.7)
      ? { kind: 'recreate' }
      : { kind: 'allAtOnce', soakMs: 500 }
    : strategyOf(random);
  const concurrency: Concurrency = random.chance(0.7) ? 'queue' : 'supersede';
  return {
    app,
    path: app,
    platform: 'simulated',
    dependsOn,
    reason: 'source changed',
    fingerprint: app,
    artifact: null,
    stable,
    build: null,
    run: RUN,
    health: HEALTH,
    smoke: random.chance(0.5) ? { command: null, paths: ['/'], timeoutMs: 1_000 } : null,
    routes: isWorker ? [] : [{ host: null, pathPrefix: `/${app}` }],
    sticky: { by: 'cookie' },
    strategy,
    deadlines: { buildMs: 20_000, healthyMs: 5_000, smokeMs: 5_000, progressMs: 15_000 },
    concurrency,
  };
}

function strategyOf(random: Random): Strategy {
  const soakMs = random.pick([0, 1_000, 3_000]);
  const kind = random.pick(['canary', 'canary', 'blueGreen', 'allAtOnce', 'recreate'] as const);
  if (kind === 'recreate') return { kind };
  if (kind === 'allAtOnce') return { kind, soakMs };
  if (kind === 'blueGreen')
    return {
      kind,
      confirm: random.chance(0.3),
      bakeMs: random.pick([0, 3_000]),
      analysis: random.chance(0.7) ? analysis(random) : null,
      soakMs,
    };
  return { kind, steps: stepsOfCanary(random), analysis: random.chance(0.85) ? analysis(random) : null, soakMs };
}

function stepsOfCanary(random: Random): Step[] {
  const weights = [5, 20, 50].slice(0, random.int(1, 3));
  return weights.flatMap((weight): Step[] => [
    { kind: 'weight', weight },
    ...(random.chance(0.9) ? [{ kind: 'bake', forMs: random.int(2, 8) * 1_000 } as const] : []),
    ...(random.chance(0.15) ? [{ kind: 'pause', forMs: random.chance(0.6) ? 4_000 : null } as const] : []),
  ]);
}

function analysis(random: Random): AnalysisPolicy {
  const metric: MetricPolicy = {
    name: 'errors',
    measure: { kind: 'errorRate' },
    success: { compare: '<', value: 0.05, of: 'candidate' },
    failure: null,
    failureLimit: random.int(0, 1),
    inconclusiveLimit: 2,
    consecutiveErrorLimit: 2,
    consecutiveSuccessLimit: 0,
    minRequests: 5,
    dryRun: false,
  };
  return {
    judge: 'threshold',
    intervalMs: 1_000,
    initialDelayMs: 0,
    metrics: [metric],
    noData: random.chance(0.8) ? 'inconclusive' : 'fail',
    minRequests: 10,
  };
}

function behaviour(random: Random): Behaviour {
  const failing = () => (random.chance(0.12) ? random.pick([1, 2, 3, Infinity]) : 0);
  return {
    build: random.chance(0.9) ? 'ok' : random.pick(['broken', 'flaky']),
    startMs: random.int(50, 3_000),
    healthy: random.chance(0.9),
    smoke: random.chance(0.93),
    errorRate: random.chance(0.75) ? 0 : random.pick([0.02, 0.3, 1]),
    dies: random.chance(0.04),
    unreachableAfterMs: null,
    failures: { deploy: failing(), shift: failing(), retire: failing() },
    traffic: random.chance(0.85) ? 400 : random.pick([0, 1, 20]),
    metricsDown: random.chance(0.06),
  };
}

/** Some are healthy and cannot be reached by users: from the start, or from some moment on. */
function reached(usual: Behaviour, random: Random | undefined): Behaviour {
  if (random?.chance(0.08) !== true) return usual;
  return { ...usual, unreachableAfterMs: random.pick([0, 0, 500, 2_500, 15_000]) };
}

function command(random: Random): ScenarioRelease['commands'][number] {
  return { after: random.int(0, 40_000), kind: random.pick(['promote', 'full', 'pause', 'resume', 'abort', 'abort'] as const) };
}
