import { expect, it } from 'vitest';
import { bucketOf } from '../histogram.ts';
import { normalQuantile } from '../normal.ts';
import { randomFrom } from '../simulate.ts';
import { addTo, NO_BUCKETS } from './buckets.ts';
import { errorDifference, quantileRatio } from './confidence.ts';
import { COARSE, type Totals } from './state.ts';
import { cumulated } from '../histogram.ts';

const RUNS = 150;
/** Requests of the candidate at the looks; the baseline has four times as many. */
const LOOKS = [20, 40, 80, 160, 320, 640, 1280, 2560];

const NOTHING: Totals = { requests: 0, errors: 0, latency: NO_BUCKETS };

function more(totals: Totals, requests: number, errorRate: number, factor: number, random: () => number): Totals {
  const latency: Record<string, number> = {};
  let { errors } = totals;
  for (let i = 0; i < requests; i++) {
    if (random() < errorRate) errors += 1;
    const bucket = bucketOf(40 * factor * Math.exp(0.6 * normalQuantile(Math.min(Math.max(random(), 1e-9), 1 - 1e-9))));
    latency[bucket] = (latency[bucket] ?? 0) + 1;
  }
  const read = cumulated(latency);
  if (read === null) throw new Error('no histogram');
  return { requests: totals.requests + requests, errors, latency: addTo(totals.latency, read, COARSE, 1) };
}

it('hold the true difference and the true ratio at every look at once, as often as they say', () => {
  const random = randomFrom(77);
  const [candidateRate, baselineRate, factor] = [0.03, 0.01, 1.3];
  const missed = { errors: 0, p50: 0, p95: 0 };
  for (let run = 0; run < RUNS; run++) {
    let [candidate, baseline] = [NOTHING, NOTHING];
    const out = { errors: false, p50: false, p95: false };
    for (const requests of LOOKS) {
      candidate = more(candidate, requests - candidate.requests, candidateRate, factor, random);
      baseline = more(baseline, 4 * requests - baseline.requests, baselineRate, 1, random);
      const holds = (effect: ReturnType<typeof errorDifference>, truth: number) =>
        effect !== null && effect.low <= truth && truth <= (effect.high ?? Infinity);
      out.errors ||= !holds(errorDifference(candidate, baseline), candidateRate - baselineRate);
      out.p50 ||= !holds(quantileRatio(candidate, baseline, 0.5), factor);
      out.p95 ||= !holds(quantileRatio(candidate, baseline, 0.95), factor);
    }
    for (const of of ['errors', 'p50', 'p95'] as const) if (out[of]) missed[of] += 1;
  }
  // 5 % of 150 are 7.5; more than 14 would be chance once in a hundred times.
  for (const count of Object.values(missed)) expect(count, JSON.stringify(missed)).toBeLessThanOrEqual(14);
  const [candidate, baseline] = [more(NOTHING, 2560, candidateRate, factor, random), more(NOTHING, 10_240, baselineRate, 1, random)];
  expect(errorDifference(candidate, baseline)?.low).toBeGreaterThan(0);
  expect(quantileRatio(candidate, baseline, 0.5)?.low).toBeGreaterThan(1);
});

it('say nothing of what one side has not seen, and know no end where the baseline may be next to nothing', () => {
  const random = randomFrom(78);
  const some = more(NOTHING, 100, 0, 1, random);
  expect(errorDifference(some, NOTHING)).toBeNull();
  expect(quantileRatio(NOTHING, some, 0.5)).toBeNull();
  const quick = { ...some, latency: addTo(NO_BUCKETS, cumulated({ 0: 100 }) ?? { first: 0, upTo: [] }, COARSE, 1) };
  expect(quantileRatio(some, quick, 0.5)).toMatchObject({ kind: 'ratio', high: null });
  expect(quantileRatio(quick, quick, 0.5)?.low).toBeLessThanOrEqual(1);
});
