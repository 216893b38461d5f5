import { setTimeout as sleep } from 'node:timers/promises';
import { chooseSteps } from './core/analysis/choose-steps.ts';
import { SluiceError } from './core/errors.ts';
import { type Plan, type PlannedApp, type Strategy, withHash } from './core/release/plan.ts';
import type { EdgeStats } from './ports/edge.ts';

export interface StepsOptions {
  readonly stats: (environment: string, app: string) => Promise<EdgeStats>;
  readonly now: () => number;
}

/** Traffic is counted over at least this long; where nobody has planned before, the plan waits for it. */
const LEAST_MS = 1500;
/** An older count says nothing about now. */
const OLDEST_MS = 900_000;
/** Rates are rounded down to these times a power of ten, so that a plan made again a moment later is the same plan. */
const ROUND = [1, 2, 5];

interface Seen {
  readonly epoch: string;
  readonly at: number;
  readonly requests: number;
}

/** Puts the steps that fit the traffic into plans whose strategies say `steps: "auto"`. */
export function stepsForTraffic({ stats, now }: StepsOptions): (plan: Plan) => Promise<Plan> {
  const first = new Map<string, Seen>();

  async function look(environment: string, app: string): Promise<Seen | null> {
    try {
      const { epoch, versions } = await stats(environment, app);
      return { epoch, at: now(), requests: Object.values(versions).reduce((sum, { requests }) => sum + requests, 0) };
    } catch (error) {
      // The edge may not run yet, or not know the app: no traffic either way.
      if (error instanceof SluiceError) return null;
      throw error;
    }
  }

  async function rateOf(environment: string, app: string): Promise<number> {
    const key = `${environment}/${app}`;
    const known = first.get(key);
    const isUseful = known !== undefined && now() - known.at >= LEAST_MS && now() - known.at <= OLDEST_MS;
    const before = isUseful ? known : await look(environment, app);
    if (before === null) return 0;
    if (!isUseful) {
      first.set(key, before);
      await sleep(LEAST_MS);
    }
    const after = await look(environment, app);
    if (after === null || after.epoch !== before.epoch || after.requests < before.requests) {
      first.delete(key);
      return 0;
    }
    return roundedDown((1000 * (after.requests - before.requests)) / (after.at - before.at));
  }

  async function withSteps(environment: string, app: PlannedApp): Promise<PlannedApp> {
    const { strategy } = app;
    if (strategy.kind !== 'canary' || strategy.auto === undefined) return app;
    const { auto, ...rest } = strategy;
    if (app.stable === null || strategy.analysis === null || strategy.analysis.judge === 'kayenta') return { ...app, strategy: rest };
    const rate = auto.requestsPerSecond ?? (await rateOf(environment, app.app));
    const chosen = chooseSteps(strategy.analysis, auto, rate);
    const decided: Strategy =
      chosen === null ? { ...rest, explained: 'the edge sees no traffic now, so these are the usual steps' } : { ...rest, ...chosen };
    return { ...app, strategy: decided };
  }

  return async (plan) => {
    if (!plan.apps.some(({ strategy }) => strategy.kind === 'canary' && strategy.auto !== undefined)) return plan;
    return withHash({ ...plan, apps: await Promise.all(plan.apps.map((app) => withSteps(plan.environment, app))) });
  };
}

function roundedDown(rate: number): number {
  if (!(rate > 0)) return 0;
  const power = 10 ** Math.floor(Math.log10(rate));
  return Number((power * (ROUND.findLast((digit) => digit * power <= rate) ?? 1)).toPrecision(1));
}
