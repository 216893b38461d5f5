import { describe, expect, it } from 'vitest';
import {
  BAKE,
  BAKE_AT,
  decidedAfter,
  EVERY_SECOND,
  HALF_HOUR,
  judged,
  look,
  samplesOf,
  simulated,
  started,
} from '../../../../test/worlds/bakes.ts';
import { arm, latency } from '../../../../test/worlds/samples.ts';
import { finishAnalysis, verdictOf } from '../judge.ts';
import type { SequentialPolicy } from '../policy.ts';
import type { ArmCounts, Arms, Sample } from '../sample.ts';
import { simulate } from '../simulate.ts';
import { forecastBake, requestsToFail, requestsToPass } from './planner.ts';

const MINUTE = 60;

function finish(samples: readonly Sample[], policy: SequentialPolicy = EVERY_SECOND, setting = HALF_HOUR) {
  return finishAnalysis(policy, judged(samples, policy, setting), samples.at(-1)?.at ?? BAKE_AT);
}

/** Latencies that spread evenly over some buckets, so that quantiles exist. */
function spread(requests: number, errors = 0, from = 20): ArmCounts {
  const answers = Array.from({ length: 10 }, (_, i) => [from * 1.1 ** i, requests / 10] as const);
  return { requests, errors, latency: latency(Object.fromEntries(answers)) };
}

function repeat(seconds: number, arms: Arms): Arms[] {
  return Array.from({ length: seconds }, () => arms);
}

describe('a candidate as good as the baseline', () => {
  const samples = simulated({ seconds: 12 * MINUTE });
  const verdict = finish(samples);

  it('passes at the end of the bake, in words', () => {
    expect(verdict.phase).toBe('Successful');
    expect(verdict.reason).toMatch(/^errors and latency are no worse than the old version's, shown on \d+ requests of the new version$/);
  });

  it('shows its evidence: estimates with intervals, sample sizes, evidence against what is needed', () => {
    expect(verdict.metrics.map((metric) => [metric.name, metric.phase])).toEqual([
      ['errors', 'Successful'],
      ['error limit', 'Successful'],
      ['latency p50', 'Successful'],
      ['latency p95', 'Successful'],
    ]);
    const [errors, limit, p50] = verdict.metrics.map((metric) => metric.evidence);
    expect(errors).toMatchObject({ worseNeeded: 100, goodNeeded: 20, requestsMissing: null });
    expect(errors?.good).toBeGreaterThan(20);
    expect(errors?.worse).toBeLessThan(100);
    expect(limit).toMatchObject({ worse: null, baseline: null });
    expect(p50?.candidate?.low).toBeLessThanOrEqual(p50?.candidate?.value ?? 0);
    expect(p50?.candidate?.high).toBeGreaterThanOrEqual(40);
    expect(p50?.candidate?.requests).toBe(verdict.candidateRequests);
  });

  it('is Running until then, and says how much is missing', () => {
    const early = (seconds: number) => verdictOf(EVERY_SECOND, judged(samples.slice(0, seconds)), BAKE_AT + seconds * 1000);
    expect(early(150)).toMatchObject({
      phase: 'Running',
      reason: expect.stringMatching(/nothing worse seen, about \d+ more requests \(\d+ (s|min) at the present rate\) needed to pass/),
    });
    expect(verdictOf(EVERY_SECOND, judged(samples), BAKE_AT)).toMatchObject({
      phase: 'Running',
      reason: expect.stringMatching(/enough to pass when the bake ends/),
    });
    expect(verdictOf(EVERY_SECOND, started(), BAKE_AT)).toMatchObject({ phase: 'Pending' });
  });

  it('is Inconclusive when the bake ends too early, and says how many requests are missing', () => {
    expect(finish(samples.slice(0, 150))).toMatchObject({
      phase: 'Inconclusive',
      reason: expect.stringMatching(
        /^that .* is not shown .*: about \d+ more requests \(\d+ (s|min) at the present rate\) to the new version are needed$/,
      ),
    });
  });
});

describe('a worse candidate', () => {
  it('fails for errors within a minute, and says so', () => {
    const state = judged(simulated({ candidate: { errorRate: 0.03 } }));
    expect(decidedAfter(state)).toBeLessThan(MINUTE);
    expect(verdictOf(EVERY_SECOND, state, BAKE_AT)).toMatchObject({
      phase: 'Failed',
      reason: expect.stringMatching(
        /^the new version fails more often: [\d.]+ % errors against [\d.]+ % of the old version \(at least [\d.]+ % more\), after \d+ requests$/,
      ),
    });
    expect(finishAnalysis(EVERY_SECOND, state, BAKE_AT).phase).toBe('Failed');
  });

  it('fails for latency, and names the level', () => {
    // After a minute in which latency is only measured: what it surely is takes some requests.
    const inGeneral = judged(simulated({ candidate: { latencyFactor: 1.5 } }), { ...EVERY_SECOND, initialDelayMs: MINUTE * 1000 });
    expect(inGeneral.decided?.reason).toMatch(
      /^the new version is slower in general: p50 is 1\.\d+ × the old version's \(at least 1\.\d+ ×\), [\d.]+ ms against [\d.]+ ms over the whole bake, after \d+ requests; limit 1\.1 ×$/,
    );
    const tail = judged(simulated({ candidate: { tailFactor: 3 } }));
    expect(tail.decided?.reason).toMatch(/slower above p9\d/);
    expect(decidedAfter(tail)).toBeLessThan(3 * MINUTE);
  });

  it('fails soon after the regression begins, however long all was well', () => {
    const seconds = decidedAfter(judged(simulated({ candidate: { from: 15 * MINUTE, errorRate: 0.05 } }))) ?? Infinity;
    expect(seconds).toBeGreaterThan(15 * MINUTE);
    expect(seconds).toBeLessThan(16.5 * MINUTE);
  });

  it('does not fail on one burst, or on fewer than 20 requests', () => {
    const burst = repeat(60, { candidate: spread(50), baseline: spread(950) }).map((arms, i) =>
      i === 30 ? { candidate: spread(50, 50, 500), baseline: spread(950) } : arms,
    );
    expect(judged(samplesOf(burst)).decided).toBeNull();
    const few = repeat(200, { candidate: arm(0), baseline: spread(100) }).map((arms, i) =>
      i % 10 === 0 ? { ...arms, candidate: arm(1, 1, 900) } : arms,
    );
    expect(judged(samplesOf(few.slice(0, 190)), EVERY_SECOND, { ...HALF_HOUR, share: null }).decided).toBeNull();
    expect(judged(samplesOf(few), EVERY_SECOND, { ...HALF_HOUR, share: null }).decided?.phase).toBe('Failed');
  });

  it('is not failed for what happens while it warms up, nor for what happens to both', () => {
    const warm = { ...EVERY_SECOND, initialDelayMs: 120_000 };
    const cold = simulated({ seconds: 15 * MINUTE, candidate: { coldFactor: 3, coldSeconds: 100 } });
    expect(judged(cold).decided?.phase).toBe('Failed');
    expect(judged(cold, warm).decided).toBeNull();
    expect(verdictOf(warm, judged(cold.slice(0, 60), warm), BAKE_AT)).toMatchObject({
      phase: 'Running',
      reason: expect.stringMatching(/^\d+ requests of the new version judged; warming up: latency of the first 120 s is not judged$/),
    });
    expect(
      judged(simulated({ seconds: 10 * MINUTE, incident: { from: 100, until: 300, errorRate: 0.2, latencyFactor: 4 } })).decided,
    ).toBeNull();
  });

  it('kayenta#426, kayenta#780: sparse errors and a longer tail are found', () => {
    expect(judged(simulated({ errorRate: 0, candidate: { errorRate: 0.01 } })).decided?.test).toBe('errors');
    expect(judged(simulated({ candidate: { tailFactor: 2, tailShare: 0.1 } })).decided?.test).toBe('latency');
  });
});

describe('no data is never success', () => {
  it('AR#1905: nothing measured, nothing readable, no requests, too few', () => {
    expect(finish([])).toMatchObject({ phase: 'Inconclusive', reason: 'nothing was measured before the bake ended' });
    const down = samplesOf(repeat(100, { candidate: null, baseline: null })).map((sample) => ({ ...sample, error: 'connection refused' }));
    expect(verdictOf(EVERY_SECOND, judged(down), BAKE_AT).phase).toBe('Running');
    expect(finish(down)).toMatchObject({ phase: 'Inconclusive', reason: 'the metrics could not be read: connection refused' });
    expect(finish(samplesOf(repeat(5, { candidate: arm(0), baseline: arm(10) })))).toMatchObject({
      phase: 'Inconclusive',
      reason: 'no request reached the new version',
    });
    expect(finish(samplesOf(repeat(60, { candidate: spread(1), baseline: spread(20) })))).toMatchObject({
      phase: 'Inconclusive',
      reason: 'only 60 of 100 requests needed reached the new version',
    });
    expect(finish(samplesOf(repeat(5, { candidate: arm(0), baseline: arm(10) })), { ...EVERY_SECOND, noData: 'fail' }).phase).toBe(
      'Failed',
    );
  });

  it('a candidate that never gets traffic holds the rollout at once: it would otherwise look perfect', () => {
    const state = judged(simulated({ candidate: { silentFrom: 0 } }));
    expect(decidedAfter(state)).toBeLessThan(MINUTE);
    expect(state.decided).toMatchObject({
      phase: 'Inconclusive',
      reason: expect.stringMatching(/^no request reaches the new version, where about \d+ were to be expected/),
    });
  });

  it('FL#1011: traffic that stops during the bake is not a pass', () => {
    const samples = simulated({ seconds: 11 * MINUTE, candidate: { silentFrom: 10 * MINUTE } });
    expect(judged(samples).decided?.reason).toMatch(/^requests have all but stopped reaching the new version/);
    expect(finish(samples, EVERY_SECOND, { ...HALF_HOUR, share: null })).toMatchObject({
      phase: 'Inconclusive',
      reason: expect.stringMatching(/^no request reached the new version in the last 60 s/),
    });
  });

  it('is held when the candidate gets another share than asked', () => {
    expect(finish(simulated({ seconds: 12 * MINUTE, share: 0.3 }))).toMatchObject({
      phase: 'Inconclusive',
      reason: expect.stringMatching(/^the new version got [\d.]+ % of the requests where 5 % was asked/),
    });
    expect(finish(simulated({ seconds: 12 * MINUTE, share: 0.06 })).phase).toBe('Successful');
  });

  it('is Inconclusive without the old version to compare with', () => {
    const alone = simulated({ seconds: 12 * MINUTE }).map((sample) => ({ ...sample, baseline: null }));
    expect(finish(alone, EVERY_SECOND, { ...HALF_HOUR, share: null })).toMatchObject({
      phase: 'Inconclusive',
      reason: expect.stringMatching(/too little of the old version was seen/),
    });
  });
});

describe('an unhealthy baseline', () => {
  const failing = simulated({ seconds: 12 * MINUTE, errorRate: 0.05 });

  it('makes the verdict Inconclusive, not a rollback', () => {
    expect(finish(failing)).toMatchObject({ phase: 'Inconclusive', reason: expect.stringMatching(/^the old version itself is unhealthy/) });
  });

  it('fails where the limit is strict', () => {
    const strict = { ...EVERY_SECOND, errors: { ...EVERY_SECOND.errors, strict: true } };
    expect(judged(failing, strict).decided).toMatchObject({ phase: 'Failed', test: 'limit' });
  });
});

describe('all traffic on the candidate', () => {
  const alone = { share: 1, bakeMs: 600_000, bakes: 1 };
  const only = (samples: Sample[]) => samples.map((sample) => ({ ...sample, baseline: null }));

  it('is judged by the error limit', () => {
    expect(finish(only(simulated({ share: 1, seconds: 120 })), EVERY_SECOND, alone)).toMatchObject({
      phase: 'Successful',
      metrics: [{ name: 'error limit' }],
    });
    expect(judged(only(simulated({ share: 1, candidate: { errorRate: 0.04 } })), EVERY_SECOND, alone).decided).toMatchObject({
      phase: 'Failed',
      test: 'limit',
    });
  });
});

describe('strata', () => {
  /** Two routes: a fast one without errors and a slow one with 10 %; the candidate gets far more of the second. */
  const mixed = (seconds: number): Arms[] => repeat(seconds, { candidate: spread(60, 5), baseline: spread(1000, 10) });
  const withStrata = (arms: Arms[]): Sample[] =>
    samplesOf(arms).map((sample) => ({
      ...sample,
      strata: {
        cheap: { candidate: spread(10, 0), baseline: spread(900, 0) },
        dear: { candidate: spread(50, 5, 60), baseline: spread(100, 10, 60) },
      },
    }));

  it('keep another traffic mix from looking like a regression', () => {
    const policy = { ...EVERY_SECOND, latency: null };
    const setting = { ...HALF_HOUR, share: null };
    expect(judged(withStrata(mixed(120)), policy, setting).decided?.phase).toBe('Failed');
    expect(judged(withStrata(mixed(120)), { ...policy, strata: 2 }, setting).decided).toBeNull();
  });

  it('pool what is beyond their number', () => {
    const many = samplesOf(mixed(5)).map((sample) => ({
      ...sample,
      strata: Object.fromEntries(['a', 'b', 'c', 'd', 'e', 'f'].map((name) => [name, { candidate: arm(5), baseline: arm(50) }])),
    }));
    expect(Object.keys(judged(many, { ...EVERY_SECOND, strata: 99 }).baselines).toSorted()).toEqual(['', 'a', 'b', 'c', 'd']);
  });
});

describe('sources with coarse buckets', () => {
  const prometheus = { ...EVERY_SECOND, latency: { margin: 0.1, quantiles: [0.5], edgesMs: [5, 10, 25, 50, 100, 250, 500, 1000, 2500] } };
  const coarse = (samples: Sample[]): Sample[] => {
    const cut = (counts: ArmCounts | null) =>
      counts === null
        ? null
        : {
            ...counts,
            latency: Object.entries(counts.latency).reduce<Record<string, number>>((sum, [bucket, count]) => {
              const ms = 0.1 * 1.1 ** (Number(bucket) / 4);
              const edge = Object.keys(latency({ [prometheus.latency.edgesMs.find((one) => one >= ms) ?? 1e6]: 1 }))[0]!;
              return { ...sum, [edge]: (sum[edge] ?? 0) + count };
            }, {}),
          };
    return samples.map((sample) => ({ ...sample, candidate: cut(sample.candidate), baseline: cut(sample.baseline) }));
  };

  it('do not fail what is within the margin they can tell, and cannot pass what they cannot', () => {
    const slightly = coarse(simulated({ seconds: 8 * MINUTE, candidate: { latencyFactor: 1.3 } }));
    expect(judged(slightly, prometheus).decided).toBeNull();
    expect(finish(coarse(simulated({ seconds: 8 * MINUTE })), prometheus)).toMatchObject({
      phase: 'Inconclusive',
      reason:
        "that latency is within 10 % at p50 cannot be shown: the source's latency buckets are too coarse (a change of 99.6 % is the least they tell at 50.2 ms)",
    });
  });
});

describe('the planner', () => {
  it('knows how many requests a verdict takes', () => {
    const about = (rate: number) => Math.round((requestsToFail(EVERY_SECOND, 0.001, rate) ?? 0) / 10) * 10;
    expect([0.01, 0.02, 0.05].map(about)).toEqual([1110, 320, 80]);
    expect(requestsToFail(EVERY_SECOND, 0.001, 0.002)).toBeNull();
    expect(requestsToPass(EVERY_SECOND, 0.001)).toBeGreaterThan(900);
    expect(requestsToPass(EVERY_SECOND, 0.02)).toBeNull();
  });

  it('forecasts a bake', () => {
    expect(forecastBake(EVERY_SECOND, 0.001, 500, 0.05, 1_800_000)).toMatchObject({ requests: 45_000, canPass: true });
    expect(forecastBake(EVERY_SECOND, 0.001, 1, 0.05, 1_800_000)).toMatchObject({ requests: 90, canPass: false });
  });
});

describe('false alarms and false passes, over many bakes', () => {
  const RUNS = 100;
  const setting = { share: 0.2, bakeMs: 300_000, bakes: 1 };
  const plain: SequentialPolicy = { ...EVERY_SECOND, intervalMs: 5000, latency: null, alphaFail: 0.1, alphaPass: 0.1 };
  /** Five minutes in looks of 5 s with 200 requests each. */
  const bake = (errorRate: number, seed: number) =>
    samplesOf(
      simulate({ ...BAKE, requestsPerSecond: 200, share: 0.2, seconds: 60, errorRate: 0.01, candidate: { errorRate } }, seed),
      5000,
    );
  /** Promised share of all runs, and three standard errors on top. */
  const most = 0.1 * RUNS + 3 * Math.sqrt(RUNS * 0.1 * 0.9);
  const seeds = Array.from({ length: RUNS }, (_, i) => i + 1);

  it('a candidate exactly at the margin is failed no more often than promised', () => {
    const failed = seeds.filter((seed) => judged(bake(0.012, seed), plain, setting).decided?.phase === 'Failed');
    expect(failed.length).toBeLessThanOrEqual(most);
  });

  it('a candidate just worse than the pass margin is passed no more often than promised', () => {
    const policy = { ...plain, errors: { ...plain.errors, limit: 0.5, failMargin: 0.2 } };
    const passed = seeds.filter((seed) => finish(bake(0.0161, seed), policy, setting).phase === 'Successful');
    expect(passed.length).toBeLessThanOrEqual(most);
  });

  it('bakes of one rollout share the risk', () => {
    const once = judged(simulated({ candidate: { errorRate: 0.02 } }));
    const thrice = judged(simulated({ candidate: { errorRate: 0.02 } }), EVERY_SECOND, { ...HALF_HOUR, bakes: 3 });
    expect(decidedAfter(thrice)).toBeGreaterThanOrEqual(decidedAfter(once) ?? Infinity);
  });
});

describe('the state', () => {
  it('is judged once, whatever comes twice, late or overlapping', () => {
    const samples = simulated({ seconds: 40 });
    const state = judged(samples);
    const last = samples.at(-1)!;
    for (const again of [
      last,
      samples[3]!,
      { ...last, fromAt: last.fromAt - 500, at: last.at + 500 },
      { ...last, fromAt: last.at, at: last.at },
    ]) {
      expect(look(EVERY_SECOND, state, again)).toEqual(state);
    }
  });

  it('counts on from JSON to the last digit', () => {
    const samples = simulated({ seconds: 90, candidate: { errorRate: 0.004 } });
    let stored = started();
    for (const sample of samples) stored = JSON.parse(JSON.stringify(look(EVERY_SECOND, stored, sample)));
    expect(stored).toEqual(judged(samples));
  });

  it('stays below 16 kB, with every bucket in use and 10^12 requests a second', () => {
    const everywhere = (requests: number): ArmCounts => ({
      requests,
      errors: Math.floor(requests / 7),
      latency: Object.fromEntries(Array.from({ length: 863 }, (_, i) => [i, Math.floor((requests / 863) * (1 + Math.sin(i) / 2))])),
    });
    for (const strata of [0, 4]) {
      const policy = { ...EVERY_SECOND, strata };
      let state = started(policy);
      for (const sample of samplesOf(repeat(50, { candidate: everywhere(1e11 + 12_345), baseline: everywhere(1e12 + 54_321) }))) {
        const arms = { candidate: sample.candidate, baseline: sample.baseline };
        state = look(policy, state, { ...sample, strata: { a: arms, b: arms, c: arms, d: arms, e: arms } });
      }
      expect(JSON.stringify(state).length, `strata ${strata}`).toBeLessThan(16_384);
    }
  });
});
