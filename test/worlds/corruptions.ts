import type { Counters, Reading } from '../../src/core/analysis/reading.ts';
import type { ArmName } from '../../src/core/analysis/sample.ts';
import type { Lie, Weather } from './counted-traffic.ts';

type Random = () => number;
type Changed = (now: Counters, before: Counters, random: Random) => Counters | null;

/** How much of a change there is, 0…1, from the moment on at which it begins. */
export type Course = (at: number) => number;

/** What a candidate really does worse, by how far the change has come. */
export interface Regression {
  readonly name: string;
  readonly weather: (usual: Weather, course: number) => Weather;
}

/** Regressions of some size; by how much is drawn. */
export function regressionOf(random: Random): Regression {
  const kind = Math.floor(random() * 3);
  if (kind === 0) {
    const errors = 0.03 * (1 / 0.03) ** random();
    return {
      name: `fails ${percent(errors)}`,
      weather: (usual, course) => ({ ...usual, errors: Math.max(usual.errors, errors * course) }),
    };
  }
  if (kind === 1) {
    const slower = 1.5 * 10 ** random();
    return { name: `is ${slower.toFixed(2)} times slower`, weather: (usual, course) => ({ ...usual, slower: slower ** course }) };
  }
  const refused = 0.15 * (1 / 0.15) ** random();
  return {
    name: `refuses ${percent(refused)}`,
    weather: (usual, course) => ({ ...usual, refused: Math.max(usual.refused, refused * course) }),
  };
}

function percent(share: number): string {
  return `${Number((100 * share).toPrecision(2))} %`;
}

/** Of one version's counters, whatever the other's are. */
const ofArm =
  (change: (random: Random) => Changed): Corruption['lie'] =>
  ({ random, arm, from }) => {
    const changed = change(random);
    return { from, says: (now, before) => withArm(now, arm, changed(armOf(now, arm), armOf(before, arm), random)) };
  };

function armOf(reading: Reading, arm: ArmName): Counters {
  return reading.versions[arm] ?? { requests: 0, byClass: {}, latency: {} };
}

function withArm(reading: Reading, arm: ArmName, counters: Counters | null): Reading {
  const { [arm]: _, ...others } = reading.versions;
  return { ...reading, versions: counters === null ? others : { ...others, [arm]: counters } };
}

type Counts = Readonly<Record<string, number>>;

/** Counters that have grown by `factor` times what they really have since the lie began. */
function grown(now: Counts, before: Counts, factor: (key: string) => number): Counts {
  return Object.fromEntries(
    Object.entries(now).map(([key, count]) => {
      const was = before[key] ?? 0;
      return [key, was + Math.floor((count - was) * factor(key))];
    }),
  );
}

/** Buckets by which a latency moves that is told in s where it is in ms. */
const A_THOUSANDTH = 290;

/** What has been counted since before, in buckets `by` higher. */
function moved(now: Counts, before: Counts, by: number): Counts {
  const latency: Record<string, number> = { ...before };
  for (const [bucket, count] of Object.entries(now)) {
    const to = String(Math.max(0, Number(bucket) + by));
    latency[to] = (latency[to] ?? 0) + count - (before[bucket] ?? 0);
  }
  return latency;
}

interface Setting {
  readonly random: Random;
  readonly arm: ArmName;
  readonly from: number;
  readonly intervalMs: number;
}

export interface Corruption {
  readonly lie: (setting: Setting) => Lie;
  /** It shows only after a history, which also has errors, or shares that are not even. */
  readonly needs?: 'errors' | 'uneven';
}

const fractionBelow = (random: Random, most: number) => most * random();
const factorFrom = (random: Random, least: number, most: number) => least * (most / least) ** random();

/** What can go wrong with the numbers themselves, from some moment on, while both versions are as well as ever. */
export const CORRUPTIONS: Readonly<Record<string, Corruption>> = {
  'a version stands still': { lie: ofArm(() => (_, before) => before) },
  'both versions stand still': { lie: ({ from }) => ({ from, says: (now, before) => ({ ...before, at: now.at }) }) },
  'a version is gone': { lie: ofArm(() => () => null) },
  'latencies stand still': { lie: ofArm(() => (now, before) => ({ ...now, latency: before.latency })) },
  'some latencies are lost': {
    lie: ofArm((random) => {
      const kept = fractionBelow(random, 0.6);
      return (now, before) => ({ ...now, latency: grown(now.latency, before.latency, () => kept) });
    }),
  },
  'only fast latencies are left': {
    lie: ofArm(() => (now, before) => ({
      ...now,
      latency: grown(now.latency, before.latency, (bucket) => (Number(bucket) < 250 ? 1 : 0)),
    })),
  },
  'latencies are counted more than once': {
    lie: ofArm((random) => {
      const factor = factorFrom(random, 2, 200);
      return (now, before) => ({ ...now, latency: grown(now.latency, before.latency, () => factor) });
    }),
  },
  'latencies are in another unit': {
    lie: ({ from, arm }) => ({
      from,
      says: (now, before) => {
        const mine = armOf(now, arm);
        const latency = moved(mine.latency, armOf(before, arm).latency, arm === 'candidate' ? -A_THOUSANDTH : A_THOUSANDTH);
        return withArm(now, arm, { ...mine, latency });
      },
    }),
  },
  'nobody vouches for errors': { lie: ofArm(() => (now, before) => ({ ...withErrors(now, before), unknown: ['errors'] })) },
  'errors stand still': { lie: ofArm(() => withErrors), needs: 'errors' },
  'requests alone stand still': { lie: ofArm(() => (now, before) => ({ ...now, requests: before.requests, byClass: before.byClass })) },
  'requests alone are counted more than once': {
    lie: ofArm((random) => {
      const factor = factorFrom(random, 2, 200);
      return (now, before) => ({ ...now, byClass: grown(now.byClass, before.byClass, () => factor) });
    }),
  },
  'errors are more than requests': {
    lie: ofArm(() => (now, before) => ({ ...now, errors: failedIn(before) + 2 * (sum(now.byClass) - sum(before.byClass)) + 1 })),
  },
  'counters are those of a larger service': {
    lie: ofArm((random) => {
      const factor = factorFrom(random, 12, 500);
      const times = (counts: Counts) => Object.fromEntries(Object.entries(counts).map(([key, count]) => [key, Math.round(count * factor)]));
      return (now) => ({ requests: Math.round(now.requests * factor), byClass: times(now.byClass), latency: times(now.latency) });
    }),
  },
  'counters begin again at each look': {
    lie: ({ from, arm }) => {
      let last: Counters | null = null;
      return {
        from,
        says: (now, before) => {
          const mine = armOf(now, arm);
          const since = last ?? armOf(before, arm);
          last = mine;
          return withArm(now, arm, {
            requests: mine.requests - since.requests,
            byClass: minus(mine.byClass, since.byClass),
            latency: minus(mine.latency, since.latency),
          });
        },
      };
    },
  },
  'two instances answer in turn': {
    lie: ({ from, arm, random }) => {
      const part = 0.2 + 0.25 * random();
      let turn = 0;
      return { from, says: (now) => withArm(now, arm, scaled(armOf(now, arm), (turn = 1 - turn) === 1 ? part : 1 - part)) };
    },
  },
  'labels are swapped': {
    lie: ({ from }) => ({
      from,
      says: (now) => ({ ...now, versions: { candidate: armOf(now, 'baseline'), baseline: armOf(now, 'candidate') } }),
    }),
    needs: 'uneven',
  },
  'both labels have the numbers of one': {
    lie: ({ from, arm }) => ({ from, says: (now) => ({ ...now, versions: { candidate: armOf(now, arm), baseline: armOf(now, arm) } }) }),
  },
  'a count is no number': {
    lie: ofArm((random) => {
      const value = [Number.NaN, Number.POSITIVE_INFINITY, -1, -1e9, 1e300][Math.floor(random() * 5)] ?? Number.NaN;
      const of = random();
      return (now) =>
        of < 0.5 ? { ...now, byClass: { ...now.byClass, '2xx': value } } : { ...now, latency: { ...now.latency, '240': value } };
    }),
  },
  'a bucket does not exist': {
    lie: ofArm((random) => {
      const bucket = ['-1', '1.5', '99999', 'x', ''][Math.floor(random() * 5)] ?? '';
      return (now) => ({ ...now, latency: { ...now.latency, [bucket]: now.requests } });
    }),
  },
  'the source cannot be read': {
    lie: ({ from }) => ({
      from,
      says: () => {
        throw new Error('status 200, and an error in it');
      },
    }),
  },
  'the source is far behind': {
    lie: ({ from, intervalMs, random }) => {
      const lag = intervalMs * (4 + Math.floor(30 * random()));
      return { from, says: (now, _, past) => past(now.at - lag) };
    },
  },
  'old counters come between, as if they were new': {
    lie: ({ from, intervalMs }) => {
      let turn = 0;
      return { from, says: (now, _, past) => ((turn = 1 - turn) === 1 ? { ...past(now.at - 3 * intervalMs), at: now.at } : now) };
    },
  },
  'the clock is hours ahead': { lie: ({ from, random }) => ({ from, says: clock(3_600_000 * (1 + Math.floor(24 * random()))) }) },
  'the clock is hours behind': { lie: ({ from, random }) => ({ from, says: clock(-3_600_000 * (1 + Math.floor(24 * random()))) }) },
  'the clock stands still': { lie: ({ from }) => ({ from, says: (now, before) => ({ ...now, at: before.at }) }) },
  'the clock is no number': { lie: ({ from }) => ({ from, says: (now) => ({ ...now, at: Number.NaN }) }) },
  'the clock is too slow': {
    lie: ({ from }) => ({ from, says: (now, before) => ({ ...now, at: before.at + (now.at - before.at) / 1000 }) }),
  },
};

const clock =
  (byMs: number): Lie['says'] =>
  (now) => ({ ...now, at: now.at + byMs });

function sum(counts: Counts): number {
  return Object.values(counts).reduce((all, count) => all + count, 0);
}

function failedIn({ byClass }: Counters): number {
  return byClass['5xx'] ?? 0;
}

/** The counters of now with the errors of before: what has failed since counts as answered well. */
function withErrors(now: Counters, before: Counters): Counters {
  const failed = failedIn(before);
  return { ...now, byClass: { ...now.byClass, '5xx': failed, '2xx': (now.byClass['2xx'] ?? 0) + failedIn(now) - failed } };
}

function minus(now: Counts, before: Counts): Counts {
  return Object.fromEntries(Object.entries(now).map(([key, count]) => [key, count - (before[key] ?? 0)]));
}

function scaled({ requests, byClass, latency }: Counters, part: number): Counters {
  const of = (counts: Counts) => Object.fromEntries(Object.entries(counts).map(([key, count]) => [key, Math.floor(count * part)]));
  return { requests: Math.floor(requests * part), byClass: of(byClass), latency: of(latency) };
}
