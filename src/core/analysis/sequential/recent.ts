import { beyondLine, CLASS_PASS, COMPARED, classesDiffer } from '../classes.ts';
import { formatValue } from '../measure.ts';
import type { SequentialPolicy } from '../policy.ts';
import { LATENCY_LINE, limitLine, NO_HITS, passLine } from './block.ts';
import type { Hits, Line } from './binary.ts';
import { dispersionOf, type Pair } from './dispersion.ts';
import { passTests, tellsClasses, type Counted, type PassTest, type SequentialState, type Stretch } from './state.ts';

/** Length of one stretch, and how many of the newest are kept: a minute. */
const STRETCH_MS = 10_000;
const KEPT = 6;
/**
 * Log likelihood ratio from which the newest requests speak against passing. At the very edge of what passes, chance does that
 * in one of thousand looks back; then the bake lasts a little longer, which is all that it costs.
 */
const NEEDED = 6;

/** The newest stretches after one more sample. A stretch is closed when a sample begins long enough after it did. */
export function addStretch(recent: readonly Stretch[], sample: Stretch): readonly Stretch[] {
  const last = recent.at(-1);
  if (last === undefined || sample.fromAt - last.fromAt >= STRETCH_MS) return [...recent.slice(-(KEPT - 1)), sample];
  return [...recent.slice(0, -1), joined(last, sample)];
}

function joined(a: Stretch, b: Stretch): Stretch {
  const names = new Set([...Object.keys(a.hits), ...Object.keys(b.hits)]);
  const hits = Object.fromEntries([...names].map((name) => [name, sum(a.hits[name], b.hits[name])]));
  return { fromAt: a.fromAt, hits };
}

const NOTHING: Counted = [0, 0, 0, 0];

function sum([n, k, nb, kb]: Counted = NOTHING, more: Counted = NOTHING): Counted {
  return [n + more[0], k + more[1], nb + more[2], kb + more[3]];
}

/**
 * What the newest requests say against passing, in one sentence, or null: each of the last stretches, together with all that
 * came after it, is held against the line of each pass test by itself. Nothing is capped, and nothing older makes up for it.
 */
export function uncleanOf(policy: SequentialPolicy, state: SequentialState): string | null {
  const recent = state.recent ?? [];
  for (const test of passTests(policy, state.setting, tellsClasses(state))) {
    const noise = noiseOf(policy, state, test);
    let counted = NOTHING;
    for (const stretch of recent.toReversed()) {
      // The error limit counts what the errors do.
      counted = sum(counted, stretch.hits[test.name === 'limit' ? 'errors' : test.name]);
      const [n, k, nb, kb] = counted;
      const pair: Pair = { candidate: { n, k }, baseline: test.name === 'limit' ? NO_HITS : { n: nb, k: kb } };
      if (beyondLine(lineOf(policy, test), pair.candidate, pair.baseline) / noise < NEEDED) continue;
      const since = Math.round(((state.countedUntil ?? stretch.fromAt) - stretch.fromAt) / 1000);
      return `in the last ${since} s ${said(policy, test, pair)}, so the bake has not ended well`;
    }
  }
  return untold(state, recent);
}

/** A class that was told and is told no longer may be any class. */
function untold(state: SequentialState, recent: readonly Stretch[]): string | null {
  const newest = recent.findLast(({ hits }) => (hits['errors']?.[0] ?? 0) > 0);
  if (!tellsClasses(state) || newest === undefined || (newest.hits['4xx']?.[0] ?? 0) > 0) return null;
  return 'the source has stopped telling the status classes of the new version, so nothing says what it answers now';
}

function lineOf(policy: SequentialPolicy, test: PassTest): Line {
  if (test.class !== null) return CLASS_PASS;
  if (test.quantile !== null) return LATENCY_LINE;
  return test.name === 'limit' ? limitLine(policy.errors) : passLine(policy.errors);
}

function noiseOf(policy: SequentialPolicy, { dispersion }: SequentialState, test: PassTest): number {
  const of = test.class !== null ? dispersion.classes : test.quantile !== null ? dispersion.latency : dispersion.errors;
  return Math.max(policy.designEffect, of === undefined ? 1 : dispersionOf(of));
}

function said(policy: SequentialPolicy, test: PassTest, { candidate, baseline }: Pair): string {
  if (test.class !== null) {
    const of = ({ n, k }: Hits) => ({ n, of: COMPARED.map((name) => (name === test.class ? k : 0)) });
    return classesDiffer(test.class, of(candidate), of(baseline));
  }
  const share = ({ n, k }: Hits) => formatValue({ kind: 'errorRate' }, n > 0 ? k / n : null);
  if (test.name === 'limit')
    return `${share(candidate)} of ${candidate.n} requests to the new version failed (the limit is ${formatValue({ kind: 'errorRate' }, policy.errors.limit)})`;
  const what = test.quantile === null ? 'failed' : `were slower than the old version's ${test.name} allows`;
  return `${share(candidate)} of ${candidate.n} requests to the new version ${what}, against ${share(baseline)} of ${baseline.n} to the old one`;
}
