import { describe, expect, it } from 'vitest';
import { arm, ERROR_RATE, LATENCY, latency, LOOK, POLICY, sampleAt, T0 } from '../../../test/worlds/samples.ts';
import { sampleBetween } from './from-counters.ts';
import { BUCKET_LN } from './histogram.ts';
import { finishAnalysis, observeSample, startAnalysis, verdictOf, type JudgeState } from './judge.ts';
import { KAYENTA_METRIC } from './kayenta.ts';
import { SEQUENTIAL_DEFAULTS, type AnalysisPolicy, type KayentaPolicy } from './policy.ts';
import type { Reading } from './reading.ts';
import type { ArmCounts, Sample } from './sample.ts';

const SETTING = { share: 0.5, bakeMs: 60 * LOOK, bakes: 1 };
const compared = { ...KAYENTA_METRIC, direction: 'increase', group: 'all', critical: false, mustHaveData: false, dryRun: false } as const;
const KAYENTA: KayentaPolicy = {
  judge: 'kayenta',
  intervalMs: LOOK,
  initialDelayMs: 0,
  noData: 'inconclusive',
  minRequests: 100,
  metrics: [
    { ...compared, name: 'errors', measure: { kind: 'errorRate' }, outliers: 'keep', minRequests: 100 },
    { ...compared, name: 'p95', measure: { kind: 'latency', quantile: 0.95 }, outliers: 'keep', minRequests: 100 },
  ],
  scores: { pass: 95, marginal: 75 },
  groupWeights: {},
  minPoints: 20,
  maxPoints: 60,
};
const THRESHOLD: AnalysisPolicy = { ...POLICY, metrics: [ERROR_RATE, LATENCY] };
const JUDGES: Readonly<Record<string, AnalysisPolicy>> = {
  sequential: { ...SEQUENTIAL_DEFAULTS, initialDelayMs: 0 },
  threshold: THRESHOLD,
  kayenta: KAYENTA,
};

const SPREAD = latency(Object.fromEntries(Array.from({ length: 50 }, (_, i) => [10 * 1.06 ** i, 20])));

/** Sixty looks at two versions that are alike, each with a thousand requests a look. */
function good(change: (look: number, arms: { candidate: ArmCounts; baseline: ArmCounts }) => Partial<Sample> = () => ({})): Sample[] {
  return Array.from({ length: 60 }, (_, look) => {
    const both = (at: number): ArmCounts => ({
      requests: 1000,
      errors: at % 3 === 0 ? 1 : 0,
      latency: SPREAD,
    });
    const arms = { candidate: both(look + 1), baseline: both(look) };
    return { ...sampleAt(look, arms.candidate, arms.baseline), ...change(look, arms) };
  });
}

function after(policy: AnalysisPolicy, samples: readonly Sample[]): JudgeState {
  return samples.reduce((state, sample) => observeSample(policy, state, sample), startAnalysis(policy, T0, SETTING));
}

const NOW = T0 + 60 * LOOK;
const finish = (policy: AnalysisPolicy, samples: readonly Sample[], now = NOW) => finishAnalysis(policy, after(policy, samples), now);

describe.each(Object.entries(JUDGES))('streams of the %s judge', (_, policy) => {
  it('good ones pass, and the verdict carries what it rests on', () => {
    const verdict = finish(policy, good());
    expect(verdict).toMatchObject({ phase: 'Successful' });
    expect(verdict.streams).toHaveLength(6);
    expect(verdict.streams[2]).toEqual({
      arm: 'candidate',
      measure: 'latency',
      source: 'edge',
      count: 60_000,
      oldestAt: T0 + LOOK,
      freshestAt: NOW,
    });
  });

  it('an old version that goes silent holds, whatever was proven before', () => {
    const silent = good((look) => (look < 40 ? {} : { baseline: arm(0) }));
    expect(finish(policy, silent).phase).toBe('Inconclusive');
    const gone = good((look) => (look < 40 ? {} : { baseline: null }));
    expect(finish(policy, gone)).toMatchObject({ phase: 'Inconclusive', streams: { 3: { arm: 'baseline', freshestAt: T0 + 40 * LOOK } } });
  });

  it('latencies that go missing hold, of either version', () => {
    for (const side of ['candidate', 'baseline'] as const) {
      const blind = good((look, arms) => (look < 12 ? {} : { [side]: { ...arms[side], latency: {} } }));
      const verdict = finish(policy, blind);
      expect(verdict.phase).toBe('Inconclusive');
      expect(finish(policy, blind.slice(0, 13), T0 + 13 * LOOK).phase).not.toBe('Failed');
    }
  });

  it('errors that the source cannot vouch for hold, of either version', () => {
    for (const side of ['candidate', 'baseline'] as const) {
      const unproven = good((_look, arms) => ({ [side]: { ...arms[side], unknown: ['errors'] } }));
      expect(finish(policy, unproven)).toMatchObject({
        phase: 'Inconclusive',
        reason: expect.stringContaining('nothing shows that errors of'),
      });
      const lost = good((look, arms) => (look < 30 ? {} : { [side]: { ...arms[side], errors: 0, unknown: ['errors'] } }));
      expect(finish(policy, lost)).toMatchObject({
        phase: 'Inconclusive',
        reason: expect.stringMatching(/^the errors of .* have been dark for 300 s and 30 looks/),
      });
    }
  });

  it('a running verdict says what is dark, and goes on when it comes back', () => {
    const dark = good((look, arms) => (look < 10 || look >= 20 ? {} : { baseline: { ...arms.baseline, unknown: ['errors'] } }));
    const then = T0 + 20 * LOOK;
    expect(verdictOf(policy, after(policy, dark.slice(0, 20)), then)).toMatchObject({
      phase: 'Running',
      reason: expect.stringContaining('nothing can pass now: the errors of the old version'),
    });
    expect(finish(policy, dark).phase).toBe('Successful');
  });

  it('one dark look is no darkness', () => {
    expect(
      finish(
        policy,
        good((look, arms) => (look === 59 ? { baseline: { ...arms.baseline, unknown: ['errors'] } } : {})),
      ).phase,
    ).toBe('Successful');
  });

  it('a hundred times too many latencies are no evidence, and a tenth of them is too little', () => {
    const scaled = (by: number, from = 0) =>
      good((look, arms) =>
        look < from
          ? {}
          : {
              candidate: {
                ...arms.candidate,
                latency: Object.fromEntries(Object.entries(arms.candidate.latency).map(([k, n]) => [k, Math.round(n * by)])),
              },
            },
      );
    for (const from of [0, 30, 59]) {
      for (const by of [100, 0.1]) {
        const verdict = finish(policy, scaled(by, from));
        expect(['Inconclusive', 'Error'], `from ${from} by ${by}: ${verdict.reason}`).toContain(verdict.phase);
      }
    }
  });

  it('an odd clock is dropped, and a steady skew is none of the version', () => {
    const hour = 3_600_000;
    const jumped = good().map((sample, look) => {
      if (look === 20) return { ...sample, at: sample.at + hour };
      return look === 21 ? { ...sample, fromAt: sample.fromAt + hour } : sample;
    });
    expect(finish(policy, jumped).phase).toBe('Successful');
    const oneOff = good().map((sample, look) => (look === 20 ? { ...sample, at: sample.at + hour } : sample));
    expect(finish(policy, oneOff)).toMatchObject({
      phase: 'Successful',
      reason: expect.stringContaining('(one look told by a clock that was wrong'),
    });
    for (const ahead of [-60_000, -15_000, 15_000, 60_000]) {
      const skewed = good().map((sample) => ({ ...sample, fromAt: sample.fromAt + ahead, at: sample.at + ahead }));
      expect(finish(policy, skewed).phase, `${ahead} ms ahead`).toBe('Successful');
    }
    const atTheEnd = good().map((sample, look) => (look === 59 ? { ...sample, at: sample.at + hour } : sample));
    expect(finish(policy, atTheEnd).phase).toBe('Inconclusive');
  });

  it('a source that falls behind between two bakes is late, and not on another clock', () => {
    const first = after(policy, good());
    const lagMs = 12 * LOOK;
    const next = (behindMs: number) =>
      good()
        .map((sample) => ({ ...sample, fromAt: sample.fromAt + 60 * LOOK - behindMs, at: sample.at + 60 * LOOK - behindMs }))
        .reduce((state, sample) => observeSample(policy, state, sample), startAnalysis(policy, NOW, SETTING, first));
    expect(finishAnalysis(policy, next(0), NOW + 60 * LOOK).phase).toBe('Successful');
    expect(finishAnalysis(policy, next(lagMs), NOW + 60 * LOOK).phase).toBe('Inconclusive');
  });

  it('traffic that is not split as was asked holds', () => {
    const shifted = good((look, { candidate }) =>
      look < 50 ? {} : { candidate: { requests: 10, errors: 0, latency: candidate.latency[0] === undefined ? latency({ 20: 10 }) : {} } },
    );
    expect(finish(policy, shifted).phase).not.toBe('Successful');
  });

  it('errors that came steadily and come no more, of either version, are those of a counter that stopped', () => {
    const failing = (look: number, errors: number) => ({ requests: 1000, errors, latency: SPREAD, look });
    for (const arm of ['candidate', 'baseline'] as const) {
      const counted = good((look) => ({
        candidate: failing(look, 4),
        baseline: failing(look, 4),
        ...(look < 50 ? {} : { [arm]: failing(look, 0) }),
      }));
      const { phase, reason } = finish(policy, counted);
      // Beside an old version whose failures are lost, the new one may also look worse.
      if (arm === 'candidate' || phase !== 'Failed')
        expect({ phase, reason }).toEqual({ phase: 'Inconclusive', reason: expect.stringContaining('seems to have stopped') });
    }
    // One that had trouble for a minute and has none since is well.
    const incident = good((look) => ({ candidate: failing(look, look < 6 ? 4 : 0), baseline: failing(look, look < 6 ? 4 : 0) }));
    expect(finish(policy, incident).phase).toBe('Successful');
  });

  it('an old version that fails itself is nothing to compare with', () => {
    const failing = good((look, { baseline }) => (look < 50 ? {} : { baseline: { ...baseline, errors: 900 } }));
    expect(finish(policy, failing).phase).toBe('Inconclusive');
  });

  it('latencies of another unit are told, and a version that is three times faster passes', () => {
    const faster = (by: number) =>
      good((look, { candidate }) => (look < 30 ? {} : { candidate: { ...candidate, latency: moved(candidate.latency, by) } }));
    expect(finish(policy, faster(1000))).toMatchObject({
      phase: 'Inconclusive',
      reason: expect.stringContaining('times as fast as the old one'),
    });
    expect(finish(policy, faster(3)).phase).toBe('Successful');
  });

  it('twice as many latencies as requests are too many, however few there are', () => {
    const few = good((_look, { candidate, baseline }) => ({
      candidate: { ...candidate, requests: 5, errors: 0, latency: latency({ 20: 10 }) },
      baseline: { ...baseline, requests: 5, errors: 0, latency: latency({ 20: 5 }) },
    }));
    expect(finish(policy, few)).toMatchObject({ phase: 'Inconclusive' });
    expect(verdictOf(policy, after(policy, few), NOW).reason).toContain('contradict one another');
  });
});

/** All latencies faster by a factor. */
function moved(counts: ArmCounts['latency'], by: number): ArmCounts['latency'] {
  const buckets = Math.round(Math.log(by) / BUCKET_LN);
  const faster: Record<string, number> = {};
  for (const [bucket, count] of Object.entries(counts)) {
    const to = Math.max(0, Number(bucket) - buckets);
    faster[to] = (faster[to] ?? 0) + count;
  }
  return faster;
}

describe("counters that are another version's", () => {
  const of = (requests: number, errors = 0) => ({
    requests,
    errors,
    byClass: {},
    latency: requests > 0 ? { '200': requests - errors } : {},
  });
  const play = (versions: (look: number) => Reading['versions'], share: number) => {
    const readings = Array.from({ length: 31 }, (_, look): Reading => ({ epoch: 'total', at: T0 + look * LOOK, versions: versions(look) }));
    const samples = readings.slice(1).map((reading, i) => sampleBetween(readings[i] ?? reading, reading, 'n', 'o'));
    const policy: AnalysisPolicy = { ...POLICY, metrics: [ERROR_RATE] };
    const earlier = samples
      .slice(0, 10)
      .reduce((state, sample) => observeSample(policy, state, sample), startAnalysis(policy, T0, { ...SETTING, share }));
    // A next bake begins, and what is usual is known of the one before.
    const begun = startAnalysis(policy, T0 + 10 * LOOK, { ...SETTING, share }, earlier);
    const state = samples.slice(10).reduce((before, sample) => observeSample(policy, before, sample), begun);
    return finishAnalysis(policy, state, T0 + 30 * LOOK);
  };

  it.each([10, 11, 20, 26])('labels that change places are told, from look %i on', (from) => {
    const verdict = play((look) => {
      const [mine, theirs] = [of(500 + 100 * look), of(90_000 + 100 * look)];
      return look <= from ? { n: mine, o: theirs } : { n: theirs, o: mine };
    }, 0.5);
    expect(verdict).toMatchObject({ phase: 'Inconclusive', reason: expect.stringContaining('have changed places') });
  });

  it('a selector that does not name the version is told, and two versions with as many requests are not', () => {
    const same = play((look) => ({ n: of(500 + 100 * look), o: of(500 + 100 * look) }), 0.25);
    expect(['Inconclusive', 'Error']).toContain(same.phase);
    expect(same.reason).toContain('does not tell n from o');
    expect(play((look) => ({ n: of(500 + 100 * look), o: of(500 + 100 * look + (look % 2)) }), 0.5).phase).toBe('Successful');
  });

  it('a counter that is no count any more makes the look unreadable, not one of its buckets', () => {
    const reading = (look: number, count: number): Reading => ({
      epoch: 'total',
      at: look,
      versions: { n: { ...of(100 + look), latency: { '200': count } }, o: of(100 + look) },
    });
    for (const count of [1e300, Number.NaN, -1]) expect(sampleBetween(reading(1, count), reading(2, count), 'n', 'o').error).not.toBeNull();
  });
});

describe('counters behind a balancer', () => {
  /** Two instances answer in turn, each with what it has counted itself. */
  function readings(turns: (look: number) => number, starts: readonly number[], restartAt = Infinity): Reading[] {
    const own = [...starts];
    return Array.from({ length: 31 }, (_, look) => {
      for (const i of own.keys()) own[i] = (look === restartAt ? 0 : (own[i] ?? 0)) + 30;
      const requests = own[turns(look)] ?? 0;
      const counters = (n: number) => ({ requests: n, errors: 0, byClass: {}, latency: {} });
      return { epoch: 'total', at: T0 + look * LOOK, versions: { n: counters(requests), o: counters(10_000 + 60 * look) } };
    });
  }
  const samplesIn = (all: readonly Reading[]) => all.slice(1).map((reading, i) => sampleBetween(all[i] ?? reading, reading, 'n', 'o'));
  const run = (all: readonly Reading[]) => {
    const samples = samplesIn(all);
    const state = samples.reduce((before, sample) => observeSample(POLICY, before, sample), startAnalysis(POLICY, T0));
    return { state, verdict: finishAnalysis(POLICY, state, all.at(-1)?.at ?? T0) };
  };

  it('two instances that answer in turn are told from one that was restarted', () => {
    const { state, verdict } = run(readings((look) => look % 2, [0, 13_000]));
    expect(['Inconclusive', 'Error']).toContain(verdict.phase);
    expect(verdict.reason).toMatch(/take turns|several sources|not of one source/);
    expect(state.candidateRequests).toBeLessThan(13_500);
    expect(['Inconclusive', 'Error']).toContain(run(readings((look) => (look > 27 ? look % 2 : 0), [0, 13_000])).verdict.phase);
  });

  it('one restart is a restart', () => {
    const { state, verdict } = run(readings(() => 0, [5000], 12));
    expect(verdict.phase).toBe('Successful');
    expect(state.candidateRequests).toBe(30 * 30);
  });

  it('errors that go down while requests go up are not of one source', () => {
    const of = (requests: number, errors: number) => ({ requests, errors, byClass: {}, latency: {} });
    const all = [of(500, 3), of(600, 1), of(700, 1)].map((n, look): Reading => ({
      epoch: 'total',
      at: T0 + look * LOOK,
      versions: { n, o: of(9000 + 100 * look, 9) },
    }));
    expect(run(all).verdict.reason).toContain('went down while others went up');
  });
});
