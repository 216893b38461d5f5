import { describe, expect, it } from 'vitest';
import { CORRUPTIONS, regressionOf, type Corruption, type Course, type Regression } from '../../../test/worlds/corruptions.ts';
import { countedTraffic, shareBeyond, type Lie, type Truth, type Weather } from '../../../test/worlds/counted-traffic.ts';
import { ERROR_RATE, LATENCY, POLICY } from '../../../test/worlds/samples.ts';
import { finishAnalysis } from './judge.ts';
import { KAYENTA_METRIC } from './kayenta.ts';
import { playOn, type Played, type PlayedBake } from './play.ts';
import { SEQUENTIAL_DEFAULTS, type AnalysisPolicy, type KayentaPolicy, type ThresholdPolicy } from './policy.ts';
import type { ArmName } from './sample.ts';
import { binaryDistance } from './sequential/numbers.ts';
import { randomFrom } from './simulate.ts';

/** Streams tried with each judge, and the seed of the first. */
const STREAMS = Number(process.env['SLUICE_STREAMS'] ?? 2000);
const SEED = Number(process.env['SLUICE_SEED'] ?? 1);
const SHARES = [0.05, 0.25, 0.5];
/** So much has to be there of a regression for a judge to see it, whenever it begins. */
const SHOWN_NATS = 40;

const compared = {
  ...KAYENTA_METRIC,
  direction: 'increase',
  group: 'all',
  critical: false,
  mustHaveData: false,
  outliers: 'keep',
  minRequests: 100,
  dryRun: false,
} as const;
const effect = { ...KAYENTA_METRIC.effect, allowedIncrease: 1.1 };
const KAYENTA: KayentaPolicy = {
  judge: 'kayenta',
  intervalMs: 10_000,
  initialDelayMs: 0,
  noData: 'inconclusive',
  minRequests: 100,
  metrics: [
    { ...compared, effect, name: 'errors', measure: { kind: 'errorRate' } },
    { ...compared, effect, name: 'p95', measure: { kind: 'latency', quantile: 0.95 } },
  ],
  scores: { pass: 95, marginal: 75 },
  groupWeights: {},
  minPoints: 12,
  maxPoints: 240,
};
const THRESHOLD: ThresholdPolicy = {
  ...POLICY,
  metrics: [
    { ...ERROR_RATE, failureLimit: 2, minRequests: 200 },
    { ...LATENCY, failureLimit: 2, minRequests: 200 },
  ],
};

/** A judge, and what of a candidate it says is bad: more errors than so many, slower than so at a quantile. */
interface Tried {
  readonly policy: AnalysisPolicy;
  readonly errorsAbove: (usual: number) => number;
  readonly slowerThan: { readonly margin: number; readonly quantiles: readonly number[] };
}
const JUDGES: Readonly<Record<string, Tried>> = {
  sequential: {
    policy: SEQUENTIAL_DEFAULTS,
    errorsAbove: (usual) => Math.min(0.01, 1.1 * usual + 0.005),
    slowerThan: { margin: 1.1, quantiles: [0.5, 0.95] },
  },
  threshold: { policy: THRESHOLD, errorsAbove: () => 0.01, slowerThan: { margin: 1.2, quantiles: [0.95] } },
  kayenta: {
    policy: KAYENTA,
    errorsAbove: (usual) => 1.1 * usual + 0.005,
    slowerThan: { margin: 1.25, quantiles: [0.95] },
  },
};

/** A rollout on good traffic, before anything happens to it. */
interface Rollout {
  readonly bakes: readonly PlayedBake[];
  readonly perSecond: number;
  readonly usual: Weather;
  readonly intervalMs: number;
  readonly endsAt: number;
}

function rolloutOf(random: () => number, { intervalMs }: AnalysisPolicy, fromPerSecond = 1): Rollout {
  const bakes = SHARES.slice(Math.floor(random() * SHARES.length)).map((share) => ({
    share,
    seconds: ((14 + Math.floor(random() * 16)) * intervalMs) / 1000,
  }));
  return {
    bakes,
    perSecond: fromPerSecond * (5000 / fromPerSecond) ** random(),
    usual: { errors: 0.0005 + 0.004 * random() ** 3, refused: 0.02, slower: 1 },
    intervalMs,
    endsAt: bakes.reduce((sum, { seconds }) => sum + seconds * 1000, 0),
  };
}

const truthOf = ({ perSecond, usual }: Rollout): Truth => ({ requestsPerSecond: perSecond, weather: () => usual });

function truthWith({ perSecond, usual }: Rollout, regression: Regression, course: Course): Truth {
  return {
    requestsPerSecond: perSecond,
    weather: (version, at) => (version === 'candidate' ? regression.weather(usual, course(at)) : usual),
  };
}

interface Look {
  readonly at: number;
  readonly share: number;
  readonly isLast: boolean;
}

/** The looks of a rollout as it is planned. */
function* looksOf({ bakes, intervalMs }: Rollout): Generator<Look> {
  let at = 0;
  for (const [i, { share, seconds }] of bakes.entries())
    for (let look = 0; look < (seconds * 1000) / intervalMs; look++, at += intervalMs) yield { at, share, isLast: i === bakes.length - 1 };
}

/** What a stretch of a rollout brings to the version that gets the fewer, and whether a share in it is uneven. */
function broughtIn(rollout: Rollout, is: (look: Look) => boolean): { looks: number; requests: number; errors: number; isUneven: boolean } {
  const brought = { looks: 0, requests: 0, errors: 0, isUneven: false };
  for (const look of looksOf(rollout)) {
    if (!is(look)) continue;
    const requests = ((rollout.perSecond * rollout.intervalMs) / 1000) * Math.min(look.share, 1 - look.share);
    brought.looks += 1;
    brought.requests += requests;
    brought.errors += requests * rollout.usual.errors;
    brought.isUneven ||= look.share !== 0.5;
  }
  return brought;
}

/** Whether what the last bake still brings can show a lie that begins so, at all. */
function canShow(rollout: Rollout, from: number, needs: Corruption['needs']): boolean {
  const left = broughtIn(rollout, ({ at, isLast }) => isLast && at >= from);
  const before = broughtIn(rollout, ({ at }) => at < from);
  if (left.looks < 4 || left.requests < 50) return false;
  if (needs === 'uneven') return before.isUneven && before.requests > 1000;
  return needs === undefined || (left.errors >= 60 && before.errors >= 60 && before.looks >= 20);
}

/** How much the remaining requests can show of a regression, nats. */
function shownOf(rollout: Rollout, { errorsAbove, slowerThan }: Tried, truth: Truth): number {
  let nats = 0;
  for (const { at, share } of looksOf(rollout)) {
    const now = truth.weather('candidate', at);
    const n = (rollout.perSecond * share * rollout.intervalMs) / 1000;
    const beyond = (seen: number, line: number) => (seen > line ? binaryDistance(Math.min(seen, 1 - 1e-9), line) : 0);
    const slow = slowerThan.quantiles.map((q) => beyond(shareBeyond(q, now.slower, slowerThan.margin), 1 - q));
    const refused = beyond(now.refused, 1.25 * rollout.usual.refused + 0.03);
    nats += n * Math.max(beyond(now.errors, errorsAbove(rollout.usual.errors)), refused, ...slow);
  }
  return nats;
}

/** Candidate requests once at least half of the change has come: fewer than a policy needs at all show nothing to it. */
function requestsAtHalf(rollout: Rollout, course: Course): number {
  let requests = 0;
  for (const { at, share } of looksOf(rollout)) if (course(at) >= 0.5) requests += (rollout.perSecond * share * rollout.intervalMs) / 1000;
  return requests;
}

const LIES = Object.entries(CORRUPTIONS);

interface Made {
  readonly said: string;
  readonly played: Played;
}

/** One corrupted stream, played; null where what is left of it cannot show the corruption. */
function corrupted(tried: Tried, seed: number, number: number): Made | null {
  const random = randomFrom(seed);
  const rollout = rolloutOf(random, tried.policy);
  const from = Math.floor((random() * rollout.endsAt) / rollout.intervalMs - 1) * rollout.intervalMs;
  const where = `seed ${seed}: from ${from / 1000} of ${rollout.endsAt / 1000} s at ${rollout.perSecond.toFixed(1)} a second, bakes ${JSON.stringify(rollout.bakes)}`;
  if (number % 2 === 0) {
    const regression = regressionOf(random);
    const isDrift = random() < 0.4;
    const course: Course = (at) => (at < from ? 0 : isDrift ? Math.min(1, (at - from) / (rollout.endsAt - from)) : 1);
    const truth = truthWith(rollout, regression, course);
    if (shownOf(rollout, tried, truth) < SHOWN_NATS || requestsAtHalf(rollout, course) < tried.policy.minRequests) return null;
    return {
      said: `${where}: ${isDrift ? 'slowly ' : ''}${regression.name}`,
      played: playOn(tried.policy, rollout.bakes, countedTraffic(random, truth, null)),
    };
  }
  const [name, { lie, needs }] = LIES[Math.floor(number / 2) % LIES.length] as (typeof LIES)[number];
  const arm: ArmName = random() < 0.5 ? 'candidate' : 'baseline';
  if (!canShow(rollout, from, needs)) return null;
  const told: Lie = lie({ random, arm, from, intervalMs: rollout.intervalMs });
  return { said: `${where}: ${arm}: ${name}`, played: playOn(tried.policy, rollout.bakes, countedTraffic(random, truthOf(rollout), told)) };
}

describe.each(Object.entries(JUDGES))('streams of up to three bakes for the %s judge', (_, tried) => {
  it('one that is corrupted from any moment on never ends Successful', () => {
    const passed: string[] = [];
    for (let shown = 0, i = 0; shown < STREAMS; i++) {
      const made = corrupted(tried, SEED + i, i);
      if (made === null) continue;
      shown += 1;
      if (made.played.phase === 'Successful') passed.push(made.said);
    }
    expect(passed).toEqual([]);
  }, 3_600_000);

  it('one with too few requests to show anything is never Successful, well or not', () => {
    const passed: string[] = [];
    for (let i = 0; i < 300; i++) {
      const random = randomFrom(SEED + i);
      const rollout = { ...rolloutOf(random, tried.policy), perSecond: 1 + random() };
      const few = rollout.bakes.some(({ share, seconds }) => rollout.perSecond * share * seconds < tried.policy.minRequests * 0.6);
      const { phase } = playOn(tried.policy, rollout.bakes, countedTraffic(random, truthOf(rollout), null));
      if (few && phase === 'Successful') passed.push(`seed ${SEED + i}: ${JSON.stringify(rollout)}`);
    }
    expect(passed).toEqual([]);
  }, 120_000);

  it('most that are not corrupted do pass, so that this says something', () => {
    const ended = Array.from({ length: 60 }, (_unused, i) => {
      const random = randomFrom(SEED + i);
      const rollout = rolloutOf(random, tried.policy, 500);
      const { phase, judge, afterMs } = playOn(tried.policy, rollout.bakes, countedTraffic(random, truthOf(rollout), null));
      return phase === 'Successful' ? phase : finishAnalysis(tried.policy, judge, afterMs).reason;
    });
    expect(ended.filter((one) => one === 'Successful').length, [...new Set(ended)].join('\n')).toBeGreaterThanOrEqual(57);
  }, 60_000);
});
