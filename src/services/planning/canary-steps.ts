import { setTimeout as sleep } from 'node:timers/promises';
import { chooseSteps, fromTo, type ShortBake, shortBakes } from '../../core/analysis/choose-steps.ts';
import type { OnInconclusive } from '../../core/analysis/policy.ts';
import { span } from '../../core/backup/drill.ts';
import { SluiceError } from '../../core/errors.ts';
import { type Plan, type PlannedApp, type Strategy, withHash } from '../../core/release/plan/plan.ts';
import type { EdgeStats } from '../../core/app/traffic.ts';

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

/** What the traffic says of plans. */
export interface StepsForTraffic {
  /** The plan with the steps that fit the traffic, where its strategies say `steps: "auto"`. */
  choose(plan: Plan): Promise<Plan>;
  /** A sentence for each app whose steps were not chosen for it, and are too short for a good version to show that it is one. */
  notices(plan: Plan): Promise<string[]>;
}

export function stepsForTraffic({ stats, now }: StepsOptions): StepsForTraffic {
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

  /** Requests a second; null: the edge cannot say. */
  async function rateOf(environment: string, app: string): Promise<number | null> {
    const key = `${environment}/${app}`;
    const known = first.get(key);
    const isUseful = known !== undefined && now() - known.at >= LEAST_MS && now() - known.at <= OLDEST_MS;
    const before = isUseful ? known : await look(environment, app);
    if (before === null) return null;
    if (!isUseful) {
      first.set(key, before);
      await sleep(LEAST_MS);
    }
    const after = await look(environment, app);
    if (after === null || after.epoch !== before.epoch || after.requests < before.requests) {
      first.delete(key);
      return null;
    }
    return (1000 * (after.requests - before.requests)) / (after.at - before.at);
  }

  async function withSteps(environment: string, app: PlannedApp): Promise<PlannedApp> {
    const { strategy } = app;
    if (strategy.kind !== 'canary' || strategy.auto === undefined) return app;
    const { auto, ...rest } = strategy;
    if (app.stable === null || strategy.analysis === null || strategy.analysis.judge === 'kayenta') return { ...app, strategy: rest };
    const rate = auto.requestsPerSecond ?? roundedDown((await rateOf(environment, app.app)) ?? 0);
    const chosen = chooseSteps(strategy.analysis, auto, rate);
    const decided: Strategy =
      chosen === null ? { ...rest, explained: 'the edge sees no traffic now, so these are the usual steps' } : { ...rest, ...chosen };
    return { ...app, strategy: decided };
  }

  async function notice(environment: string, { app, stable, strategy }: PlannedApp): Promise<string[]> {
    if (stable === null || strategy.kind !== 'canary' || strategy.auto !== undefined || strategy.explained !== undefined) return [];
    const { analysis: policy, steps } = strategy;
    // Other sources may count something else than the requests that the edge sees.
    if (policy === null || policy.judge === 'kayenta' || policy.source !== undefined) return [];
    const rate = await rateOf(environment, app);
    if (rate === null) return [];
    const short = shortBakes(policy, steps, rate);
    return short.length === 0 ? [] : [`${app}: ${tooShort(rate, short)}, so it ${THEN[policy.onInconclusive ?? 'pause']}. ${INSTEAD}`];
  }

  return {
    async choose(plan) {
      if (!plan.apps.some(({ strategy }) => strategy.kind === 'canary' && strategy.auto !== undefined)) return plan;
      return withHash({ ...plan, apps: await Promise.all(plan.apps.map((app) => withSteps(plan.environment, app))) });
    },
    notices: async ({ apps, environment }) => (await Promise.all(apps.map((app) => notice(environment, app)))).flat(),
  };
}

const INSTEAD = 'Longer bakes, larger shares or wider margins need less; `steps: "auto"` chooses them for the traffic.';
const THEN: Readonly<Record<OnInconclusive, string>> = {
  pause: 'may have to wait for a person',
  extend: 'may have to bake twice, and then wait for a person',
  rollback: 'may be put back all the same',
  promote: 'may go on without that',
};

function tooShort(rate: number, short: readonly ShortBake[]): string {
  const bakes = short.map(({ weight, forMs, requests }) => `${Number(requests.toPrecision(2))} in ${span(forMs)} at ${weight} %`);
  const seen = `at the present ${Number(rate.toPrecision(2))} requests a second the new version gets about ${bakes.join(', ')}`;
  const needed = short.map((bake) => bake.needed);
  return Number.isFinite(Math.max(...needed))
    ? `${rate === 0 ? 'the edge sees no requests now' : seen}; a good one needs about ${fromTo(needed)} in each bake to show that it is good`
    : 'with a latency margin of 0 no version can show that it is good';
}

function roundedDown(rate: number): number {
  if (!(rate > 0)) return 0;
  const power = 10 ** Math.floor(Math.log10(rate));
  return Number((power * (ROUND.findLast((digit) => digit * power <= rate) ?? 1)).toPrecision(1));
}
