import type { SampleRead } from '../arms.ts';
import type { SequentialPolicy } from '../policy.ts';
import {
  belowLimit,
  BETTER_STAKES,
  classWithin,
  errorHits,
  errorsWithin,
  limitLine,
  NO_HITS,
  passLine,
  quantileEvidence,
  type Part,
} from './block.ts';
import type { Outlook } from './deadline.ts';
import type { Pair } from './dispersion.ts';
import type { Cuts } from './edges.ts';
import { addToPass } from './process.ts';
import {
  passNeeded,
  passTests,
  startPassCount,
  USUAL_BAKE_MS,
  warmUntil,
  longerMs,
  type Counted,
  type PassCount,
  type PassTest,
  type SequentialState,
} from './state.ts';
import { overStrata, plus, summed } from './strata.ts';

/** One sample as the pass tests see it. */
export interface Seen {
  readonly cuts: Cuts | null;
  readonly sample: SampleRead;
  readonly parts: readonly Part[];
  /** Whether latency is judged yet. */
  readonly isWarm: boolean;
  /** Whether status classes have been told. */
  readonly isTold: boolean;
}

interface Shown extends Pair {
  readonly evidence: readonly number[];
}

const NOTHING_SHOWN: Shown = { evidence: [], candidate: NO_HITS, baseline: NO_HITS };

/** The pass tests after one more sample, and what each of them counted in it. */
export function passing(
  policy: SequentialPolicy,
  state: SequentialState,
  seen: Seen,
): { readonly pass: Record<string, PassCount>; readonly hits: Record<string, Counted> } {
  const needed = passNeeded(policy);
  const pass: Record<string, PassCount> = {};
  const hits: Record<string, Counted> = {};
  for (const test of passTests(policy, state.setting, seen.isTold)) {
    const before = state.pass[test.name] ?? startPassCount();
    const isOpen = test.quantile === null || seen.isWarm;
    const shown = isOpen ? evidenceOf(policy, state, test, seen, outlookOf(policy, state, test, before, seen.sample)) : NOTHING_SHOWN;
    const { log, crossedAt, crossedWith } = addToPass(before, scaled(shown.evidence, policy.designEffect), seen.sample.at, needed);
    const { candidate, baseline } = shown;
    pass[test.name] = {
      log,
      crossedAt,
      crossedWith,
      candidate: plus(before.candidate, candidate),
      baseline: plus(before.baseline, baseline),
    };
    // The error limit counts what the errors do.
    if (candidate.n + baseline.n > 0)
      hits[test.name === 'limit' ? 'errors' : test.name] = [candidate.n, candidate.k, baseline.n, baseline.k];
  }
  return { pass, hits };
}

export function scaled(evidence: readonly number[], by: number): readonly number[] {
  return by > 1 ? evidence.map((log) => log / by) : evidence;
}

/** What the bold bet has and needs, and the candidate requests that will come if they go on as they have. */
function outlookOf(policy: SequentialPolicy, state: SequentialState, test: PassTest, count: PassCount, sample: SampleRead): Outlook {
  const begins = test.quantile === null ? state.startedAt : Math.max(state.startedAt, warmUntil(policy, state));
  const judgedFor = sample.fromAt - begins;
  const left = horizonOf(state, sample.fromAt) - sample.fromAt;
  const coming = judgedFor > 0 && left > 0 ? (count.candidate.n * left) / judgedFor : 0;
  const stake = Math.log(BETTER_STAKES[0] ?? 1);
  return { has: count.log[0] ?? stake, needs: passNeeded(policy), judged: count.candidate.n, coming };
}

/** The end that is planned for: that of the bake, and once it is past that of what it may last longer. */
function horizonOf({ startedAt, setting }: SequentialState, at: number): number {
  const bakeMs = setting.bakeMs ?? USUAL_BAKE_MS;
  return at < startedAt + bakeMs ? startedAt + bakeMs : startedAt + bakeMs + longerMs(bakeMs);
}

function evidenceOf(
  policy: SequentialPolicy,
  state: SequentialState,
  test: PassTest,
  { cuts, sample, parts }: Seen,
  outlook: Outlook,
): Shown {
  const { quantile } = test;
  const [only] = parts;
  if (test.class !== null) {
    const name = test.class;
    if (parts.length === 1 && only !== undefined) return classWithin(name, only, outlook);
    return together(parts.map((part) => classWithin(name, part, outlook)));
  }
  if (quantile === null || cuts === null) {
    const candidate = errorHits(sample.candidate);
    const baseline = errorHits(sample.baseline);
    if (test.name === 'limit') {
      const { requests: n, errors: k } = state.totals.baseline;
      return { evidence: belowLimit(limitLine(policy.errors), { n, k }, candidate, outlook), candidate, baseline };
    }
    const line = passLine(policy.errors);
    return { evidence: overStrata(parts, BETTER_STAKES.length, (part) => errorsWithin(line, part, outlook)), candidate, baseline };
  }
  if (parts.length === 1 && only !== undefined) return quantileEvidence(cuts, only, quantile, outlook);
  return together(parts.map((part) => quantileEvidence(cuts, part, quantile, outlook)));
}

function together(each: readonly Shown[]): Shown {
  const evidence = overStrata(each, BETTER_STAKES.length, (part) => part.evidence);
  return { evidence, ...summed(each, (part) => part) };
}
