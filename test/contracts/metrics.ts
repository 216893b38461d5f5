import { afterEach, describe, expect, it } from 'vitest';
import { sampleBetween } from '../../src/core/analysis/from-counters.ts';
import type { Reading, SourceSettings } from '../../src/core/analysis/reading.ts';
import { OutsideError } from '../../src/core/errors.ts';
import type { MetricQuery, MetricSource } from '../../src/ports/metric-source.ts';

/** What one version did between two looks. */
export interface Did {
  readonly requests: number;
  readonly errors: number;
  /** How long each took, ms; left out where a source has no latencies. */
  readonly latencies?: readonly number[];
}

/** A source with something behind it that can be made to count, to start again, and to break. */
export interface MetricHarness {
  readonly source: MetricSource;
  readonly settings: SourceSettings;
  readonly hasLatency: boolean;
  /** Requests of a version; time goes on, so that the next look sees them. */
  add(version: string, did: Did): Promise<void>;
  /** The version's counters begin at zero again. */
  restart(version: string): Promise<void>;
  /** Nothing can be read. */
  breakDown(): Promise<void>;
  heal(): Promise<void>;
  end(): Promise<void>;
}

/** The promises of `MetricSource`. `deviations`: tests that a source cannot keep, by name, with the reason. */
export function metricContract(name: string, open: () => Promise<MetricHarness>, deviations: Readonly<Record<string, string>> = {}): void {
  describe(`metric source ${name}`, () => {
    const opened: MetricHarness[] = [];
    afterEach(async () => {
      for (const harness of opened.splice(0)) await harness.end();
    });
    const names = new Set<string>();
    const promise = (title: string, run: (harness: MetricHarness, look: Look) => Promise<void>) => {
      names.add(title);
      it.skipIf(title in deviations)(title, async () => {
        const harness = await open();
        opened.push(harness);
        await harness.source.start(queryOf(harness));
        await run(harness, lookOf(harness));
      });
    };

    promise('what came before the first look is not counted', async (harness, look) => {
      await harness.add('old', { requests: 50, errors: 5 });
      await harness.add('new', { requests: 7, errors: 1 });
      const first = await look(null);
      const sample = between(first, await look(first));
      expect(sample.baseline?.requests ?? 0).toBe(0);
      expect(sample.candidate?.requests ?? 0).toBe(0);
    });

    promise('requests and errors of each version are counted exactly', async (harness, look) => {
      const first = await begun(harness, look);
      await harness.add('old', { requests: 90, errors: 3 });
      await harness.add('new', { requests: 10, errors: 2 });
      expect(between(first, await look(first))).toMatchObject({
        baseline: { requests: 90, errors: 3 },
        candidate: { requests: 10, errors: 2 },
      });
    });

    promise('the same previous look gives the same, and the sum of two looks is the whole', async (harness, look) => {
      const first = await begun(harness, look);
      await harness.add('new', { requests: 4, errors: 0 });
      await look(first);
      const second = await look(first);
      await harness.add('new', { requests: 5, errors: 1 });
      const third = await look(second);
      expect(between(first, second).candidate).toMatchObject({ requests: 4, errors: 0 });
      expect(between(second, third).candidate).toMatchObject({ requests: 5, errors: 1 });
      expect(between(first, third).candidate).toMatchObject({ requests: 9, errors: 1 });
    });

    promise('counters that start again lose nothing but what nobody saw, and count nothing twice', async (harness, look) => {
      const first = await begun(harness, look);
      await harness.add('new', { requests: 20, errors: 2 });
      const second = await look(first);
      await harness.restart('new');
      await harness.add('new', { requests: 6, errors: 1 });
      expect(between(second, await look(second)).candidate).toMatchObject({ requests: 6, errors: 1 });
    });

    promise('an outage is an error, never zero, and afterwards nothing is missing', async (harness, look) => {
      const first = await begun(harness, look);
      await harness.add('new', { requests: 8, errors: 0 });
      await harness.breakDown();
      await expect(look(first)).rejects.toBeInstanceOf(OutsideError);
      await harness.heal();
      await harness.add('new', { requests: 2, errors: 1 });
      expect(between(first, await look(first)).candidate).toMatchObject({ requests: 10, errors: 1 });
    });

    promise('what turns out bad only after it was counted adds itself, and not the whole once more', async (harness, look) => {
      const first = await begun(harness, look);
      await harness.add('new', { requests: 400, errors: 0 });
      let last = await look(first);
      const sum = { requests: 0, errors: 0 };
      for (const did of [
        { requests: 0, errors: 1 },
        { requests: 5, errors: 0 },
      ]) {
        await harness.add('new', did);
        // A source may wait until there are requests again.
        const next = await look(last).catch(() => last);
        const { requests = 0, errors = 0 } = between(last, next).candidate ?? {};
        Object.assign(sum, { requests: sum.requests + requests, errors: sum.errors + errors });
        last = next;
      }
      expect(sum.errors).toBe(1);
      expect([5, 6]).toContain(sum.requests);
    });

    promise('a version that nothing is known of has no counts', async (harness, look) => {
      await harness.add('old', { requests: 5, errors: 0 });
      const first = await look(null);
      await harness.add('old', { requests: 5, errors: 0 });
      const sample = between(first, await look(first));
      expect(sample.baseline?.requests).toBe(5);
      expect(sample.candidate?.requests ?? 0).toBe(0);
      expect(sample.error).toBeNull();
    });

    promise('latencies fall into the buckets they belong to', async (harness, look) => {
      if (!harness.hasLatency) return;
      const first = await begun(harness, look);
      await harness.add('new', { requests: 4, errors: 0, latencies: [50, 50, 250, 1000] });
      const latency = between(first, await look(first)).candidate?.latency ?? {};
      const sums = Object.entries(latency).toSorted(([a], [b]) => Number(a) - Number(b));
      expect(sums.map(([, count]) => count)).toEqual([2, 1, 1]);
    });

    promise('a look that is interrupted ends, and the next one is whole', async (harness, look) => {
      const first = await begun(harness, look);
      await harness.add('new', { requests: 3, errors: 0 });
      const stopping = new AbortController();
      const cut = harness.source.collect(queryOf(harness), first, stopping.signal).catch(() => null);
      stopping.abort(new Error('stop'));
      await cut;
      expect(between(first, await look(first)).candidate).toMatchObject({ requests: 3, errors: 0 });
    });

    it('deviations name promises', () => {
      expect(Object.keys(deviations).filter((title) => !names.has(title))).toEqual([]);
    });

    it('refuses settings that make no sense', async () => {
      const harness = await open();
      opened.push(harness);
      expect(() => harness.source.check(harness.settings)).not.toThrow();
      expect(() => harness.source.check({ ...harness.settings, unheardOf: 1 })).toThrow(
        expect.objectContaining({ code: 'METRIC_SOURCE_INVALID' }),
      );
    });
  });
}

type Look = (previous: Reading | null) => Promise<Reading>;

function queryOf({ settings }: MetricHarness): MetricQuery {
  return { environment: 'production', app: 'web', versions: ['new', 'old'], settings };
}

function lookOf(harness: MetricHarness): Look {
  return (previous) => harness.source.collect(queryOf(harness), previous, new AbortController().signal);
}

async function begun(harness: MetricHarness, look: Look): Promise<Reading> {
  await harness.add('old', { requests: 3, errors: 0 });
  await harness.add('new', { requests: 2, errors: 1 });
  return look(null);
}

function between(a: Reading, b: Reading) {
  return sampleBetween(a, b, 'new', 'old');
}
